// Drives the viewer in Chromium: node --test test/
//
// environment: H5 is the command (built with the viewer), CHROMIUM the browser, SCREENSHOTS a folder for pictures,
// PYTHON one with h5py and numpy, which writes the files.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';

import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const command = process.env.H5 ?? join(here, '../../target/release/h5');
const browserPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const screenshots = process.env.SCREENSHOTS ?? join(here, 'screenshots');
const python = process.env.PYTHON ?? 'python3';

let folder;
let server;
let address;
let browser;
let page;
let problems;

before(async () => {
  assert.ok(existsSync(browserPath), `${browserPath}: install chromium, or say where it is in CHROMIUM`);
  folder = mkdtempSync(join(tmpdir(), 'h5-viewer-'));
  mkdirSync(screenshots, { recursive: true });
  execFileSync(python, [join(here, 'make_files.py'), folder]);
  server = spawn(command, ['serve', folder, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  address = await new Promise((resolve, reject) => {
    server.stdout.on('data', (text) => {
      const found = /Viewer: (http:\S+)/.exec(text);
      if (found) {
        resolve(found[1]);
      }
    });
    server.on('exit', (code) => reject(new Error(`the server stopped with status ${code}`)));
  });
  browser = await chromium.launch({
    executablePath: browserPath,
    headless: true,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
  });
});

after(async () => {
  await browser?.close();
  server?.kill();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  await page?.close();
  page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
  page.setDefaultTimeout(Number(process.env.TIMEOUT ?? 30_000));
  problems = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      problems.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    }
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('requestfailed', (request) => {
    // What is no longer wanted is cancelled.
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') {
      problems.push(`${request.url()}: ${request.failure()?.errorText}`);
    }
  });
});

const item = (name) => page.getByRole('treeitem', { name, exact: true });
const shoot = (name) => page.screenshot({ path: join(screenshots, `${name}.png`) });
const assertClean = () => assert.deepEqual(problems, []);
const text = async () => (await page.locator('body').innerText()).replaceAll('\u00a0', ' ');

async function open(path = '/') {
  const query = new URLSearchParams({ file: 'tour.h5', path });
  await page.goto(`${address}?${query}`);
  await item('image').waitFor();
}

async function shows(wanted) {
  try {
    await page.waitForFunction((t) => document.body.innerText.includes(t), wanted);
  } catch {
    assert.fail(`${wanted} is not in: ${(await text()).replaceAll('\n', ' | ')}`);
  }
}

// How many different bytes the pixels of a PNG have.
function variety(png) {
  const parts = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') {
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
    }
  }
  return new Set(inflateSync(Buffer.concat(parts))).size;
}

// A figure whose drawing area is not blank.
async function assertDrawn() {
  const canvas = page.getByRole('figure').first().locator('canvas').first();
  await canvas.waitFor();
  await assert.doesNotReject(async () => {
    for (let tries = 0; variety(await canvas.screenshot()) < 40; tries += 1) {
      assert.ok(tries < 40, 'nothing is drawn');
      await page.waitForTimeout(250);
    }
  });
}

test('the list of files leads to a file', async () => {
  await page.goto(address.replace(/\/$/, ''));
  await page.getByRole('link', { name: 'sub/other.h5' }).waitFor();
  await shoot('files');
  await page.getByRole('searchbox').fill('TOUR');
  assert.equal(await page.getByRole('row').count(), 2);
  await page.getByRole('link', { name: 'tour.h5' }).click();
  await item('image').waitFor();
  assert.equal(await page.title(), 'tour.h5');
  assertClean();
});

test('groups are walked', async () => {
  await open();
  for (const name of ['deep', 'deeper', 'deepest', 'number']) {
    await item(name).click();
  }
  await shows('7');
  await shoot('groups');
  assertClean();
});

test('an image', async () => {
  await open('/image');
  await assertDrawn();
  await shoot('image');
  await page.getByRole('tab', { name: 'Inspect' }).click();
  await shows('counts');
  await shows('shuffle');
  await shoot('image-attributes');
  assertClean();
});

test('a line', async () => {
  await open('/line');
  await assertDrawn();
  await shoot('line');
  assertClean();
});

test('slices of a cube', async () => {
  await open('/cube');
  await assertDrawn();
  const asked = page.waitForResponse((r) => r.url().includes('/data') && r.url().includes('selection=1'));
  await page.getByRole('slider', { name: /D0/i }).focus();
  await page.keyboard.press('ArrowUp');
  assert.equal((await asked).status(), 200);
  await shoot('cube');
  assertClean();
});

test('a compound table', async () => {
  await open('/table');
  await shows('second');
  const shown = await text();
  for (const wanted of ['first', 'third', '2.000e+1', '1.250e+0', '−2.750e+0']) {
    assert.ok(shown.includes(wanted), `${wanted} in ${shown}`);
  }
  await shoot('table');
  assertClean();
});

test('complex numbers, booleans, enumerations, halves, big-endian and long integers', async () => {
  await open('/complex');
  await assertDrawn();
  await shoot('complex');
  for (const [name, wanted] of [
    ['flags', 'true'],
    ['colours', 'BLUE'],
    ['big_endian', '19'],
    ['int64', '4611686018427387904'],
  ]) {
    await item(name).click();
    await page.getByRole('tablist', { name: 'Visualization' }).waitFor();
    const matrix = page.getByRole('tab', { name: 'Matrix' });
    await matrix.click();
    if (name === 'int64') {
      await page.getByText('Exact', { exact: true }).click();
    }
    await shows(wanted);
    await shoot(name);
  }
  await item('half').click();
  await page.getByRole('tab', { name: 'Line' }).click();
  await assertDrawn();
  assertClean();
});

test('strings, scalars and nothing', async () => {
  await open('/text');
  await shows('Grüße from a string');
  await shoot('text');
  await item('texts').click();
  await shows('gamma');
  await item('scalar').click();
  await shows('42.125');
  await shoot('scalar');
  await item('empty').click();
  await shows('Nothing to display');
  assertClean();
});

test('attributes of the file', async () => {
  await open();
  await page.getByRole('tab', { name: 'Inspect' }).click();
  await shows('A tour of everything');
  await shoot('attributes');
  assertClean();
});

test('soft and external links are followed', async () => {
  await open('/soft');
  await assertDrawn();
  await shoot('soft');
  await item('external').click();
  await assertDrawn();
  await page.getByRole('tab', { name: 'Matrix' }).click();
  await shows('1.100e+1');
  await shoot('external');
  await item('broken').click();
  await page.getByRole('tab', { name: 'Inspect' }).click();
  await shows('/nowhere');
  await shoot('broken');
  assertClean();
});

test('search finds paths', async () => {
  await open();
  await page.getByRole('tab', { name: 'Search' }).click();
  await page.getByRole('textbox').fill('deepest');
  await shows('/deep/deeper/deepest');
  await shoot('search');
  assertClean();
});

test('a file that is not there', async () => {
  await page.goto(`${address}?file=missing.h5`);
  await shows('File not found');
  await shoot('missing');
});
