//! Nothing outside the served folder is read, and no request or file makes the server die, hang or grow.
//!
//! testdata/make_h5grove_attacks.py shows that the first attacks work against the reference, h5grove 4.0.0.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use common::{Answer, Client, Folder, Served};
use h5::{File, server::Options};

const SECRET: &str = "424242";
const PLAIN: &str = "171717";

/// A folder `served` beside a folder `outside` with a secret.
fn folders() -> Folder {
    let folder = Folder::new("security");
    for (name, number) in [("outside/secret.h5", SECRET), ("served/plain.h5", PLAIN)] {
        let file = File::create(folder.path(name)).unwrap();
        let numbers = ndarray::arr1(&[number.parse::<i32>().unwrap(); 2]);
        file.root().unwrap().new_dataset::<i32>().with_data(&numbers).create("secret").unwrap();
        file.close().unwrap();
    }
    let secret: Vec<u8> = [424_242i32; 2].iter().flat_map(|n| n.to_le_bytes()).collect();
    std::fs::write(folder.path("outside/secret.bin"), secret).unwrap();
    for name in ["outwards.h5", "beside.h5"] {
        let path = folder.path(&format!("served/{name}"));
        std::fs::copy(Path::new("testdata/h5grove/attacks").join(name), path).unwrap();
    }
    std::fs::create_dir(folder.path("served/sub")).unwrap();
    folder
}

fn start(folder: &Folder) -> Served {
    Served::start(Options::new(folder.path("served")))
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn data(file: &str, path: &str) -> String {
    format!("/data?file={}&path={}", encoded(file), encoded(path))
}

/// What every endpoint says of a file.
fn everything(client: &mut Client, file: &str, path: &str) -> Vec<(String, Answer)> {
    let query = format!("file={}&path={}", encoded(file), encoded(path));
    ["data", "meta", "attr", "stats", "paths", "data?format=bin"]
        .iter()
        .map(|endpoint| {
            let join = if endpoint.contains('?') { '&' } else { '?' };
            let url = format!("/{endpoint}{join}{query}");
            let answer = client.get(&url);
            (url, answer)
        })
        .collect()
}

fn assert_nothing_leaks(answers: &[(String, Answer)]) {
    for (url, answer) in answers {
        assert!(!answer.text().contains(SECRET), "{url}: {}", answer.text());
        assert!(!answer.body.windows(4).any(|w| w == 424_242i32.to_le_bytes()), "{url}");
    }
}

#[test]
fn paths_do_not_leave_the_folder() {
    let folder = folders();
    let server = start(&folder);
    let mut client = server.client();
    assert!(client.get(&data("plain.h5", "/secret")).text().contains(PLAIN));
    let outside = folder.path("outside/secret.h5").display().to_string();
    for file in [
        "../outside/secret.h5",
        "sub/../../outside/secret.h5",
        "./sub/./../../outside/secret.h5",
        "/../outside/secret.h5",
        "..\\outside\\secret.h5",
        &outside,
        &format!("/{outside}"),
        &format!("sub/../../../../../../../../../../../..{outside}"),
        "../outside/secret.h5\0.h5",
        "plain.h5/../../outside/secret.h5",
        "/etc/passwd",
        "/proc/self/environ",
        "",
        "..",
        ".",
        "sub",
    ] {
        let answers = everything(&mut client, file, "/secret");
        assert_nothing_leaks(&answers);
        for (url, answer) in answers {
            assert_eq!(answer.status, 404, "{url}: {}", answer.text());
            assert_eq!(answer.json()["message"], "File not found!", "{url}");
        }
    }
    // The same, encoded by hand.
    for url in [
        "/data?file=..%2foutside%2Fsecret.h5&path=/secret",
        "/data?file=%2e%2e/outside/secret.h5&path=/secret",
    ] {
        assert_eq!(client.get(url).status, 404);
    }
    assert_eq!(client.get("/view/../../../etc/passwd").status, 404);
    assert_eq!(client.get("/view/%2e%2e/%2e%2e/etc/passwd").status, 404);
}

#[test]
fn symbolic_links_do_not_leave_the_folder() {
    let folder = folders();
    symlink("../outside/secret.h5", folder.path("served/relative.h5")).unwrap();
    symlink(folder.path("outside/secret.h5"), folder.path("served/absolute.h5")).unwrap();
    symlink(folder.path("outside"), folder.path("served/folder")).unwrap();
    symlink("folder/secret.h5", folder.path("served/indirect.h5")).unwrap();
    symlink("/dev/zero", folder.path("served/zero.h5")).unwrap();
    symlink("loop.h5", folder.path("served/loop.h5")).unwrap();
    symlink("../plain.h5", folder.path("served/sub/inside.h5")).unwrap();
    let server = start(&folder);
    let mut client = server.client();
    for file in ["relative.h5", "absolute.h5", "folder/secret.h5", "indirect.h5", "zero.h5", "loop.h5"] {
        let answers = everything(&mut client, file, "/secret");
        assert_nothing_leaks(&answers);
        for (url, answer) in answers {
            assert_eq!(answer.status, 404, "{url}: {}", answer.text());
        }
    }
    // A link that stays inside is followed.
    assert!(client.get(&data("sub/inside.h5", "/secret")).text().contains(PLAIN));
    let listing = client.get("/files").text();
    assert!(
        listing.contains("sub/inside.h5") && !listing.contains("relative.h5") && !listing.contains("folder")
    );
}

/// A folder becomes a link to the outside and back while requests go through it.
#[test]
fn exchanging_a_folder_for_a_link_does_not_help() {
    let folder = folders();
    let place = folder.path("served/moving");
    let hidden = folder.path("served/hidden");
    std::fs::create_dir(&place).unwrap();
    std::fs::copy(folder.path("served/plain.h5"), place.join("secret.h5")).unwrap();
    let server = start(&folder);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::fs::rename(&place, &hidden).unwrap();
                symlink(folder.path("outside"), &place).unwrap();
                std::fs::remove_file(&place).unwrap();
                std::fs::rename(&hidden, &place).unwrap();
            }
        });
        let mut client = server.client();
        let mut served = 0;
        for _ in 0..1500 {
            let answer = client.get(&data("moving/secret.h5", "/secret"));
            assert!(!answer.text().contains(SECRET));
            served += u32::from(answer.status == 200);
        }
        done.store(true, Ordering::Relaxed);
        assert!(served > 0);
    });
}

/// External links, external raw data and virtual sources that lead out.
#[test]
fn files_do_not_lead_out_of_the_folder() {
    let folder = folders();
    let server = start(&folder);
    let mut client = server.client();
    for path in ["/link", "/group", "/group/secret", "/raw", "/virtual", "/"] {
        assert_nothing_leaks(&everything(&mut client, "outwards.h5", path));
        let all = format!("/meta?file=outwards.h5&resolve_links=all&path={}", encoded(path));
        assert_nothing_leaks(&[(all.clone(), client.get(&all))]);
    }
    assert_eq!(client.get(&data("outwards.h5", "/link")).status, 422);
    assert_eq!(client.get(&data("outwards.h5", "/raw")).status, 404);
    // A virtual dataset without its source has its fill value.
    assert_eq!(client.get(&data("outwards.h5", "/virtual")).text(), "[0,0]");
    // An absolute path.
    let file = File::create(folder.path("served/absolute.h5")).unwrap();
    let target = folder.path("outside/secret.h5").display().to_string();
    file.root().unwrap().link_external("link", &target, "/secret").unwrap();
    file.close().unwrap();
    assert_nothing_leaks(&everything(&mut client, "absolute.h5", "/link"));
    // What stays inside is followed.
    std::fs::copy(folder.path("served/plain.h5"), folder.path("served/secret.h5")).unwrap();
    std::fs::write(folder.path("served/secret.bin"), [7, 0, 0, 0, 8, 0, 0, 0]).unwrap();
    for path in ["/link", "/group/secret", "/virtual"] {
        assert!(client.get(&data("beside.h5", path)).text().contains(PLAIN), "{path}");
    }
    assert_eq!(client.get(&data("beside.h5", "/raw")).text(), "[7,8]");
    // And not when it becomes a link to the outside.
    for name in ["secret.h5", "secret.bin"] {
        std::fs::remove_file(folder.path(&format!("served/{name}"))).unwrap();
        symlink(folder.path(&format!("outside/{name}")), folder.path(&format!("served/{name}"))).unwrap();
    }
    for path in ["/link", "/group/secret", "/raw", "/virtual"] {
        assert_nothing_leaks(&everything(&mut client, "beside.h5", path));
    }
}

/// The command in a process of its own; its address.
fn command(
    folder: &Folder,
    arguments: &[&str],
    environment: &[(&str, &Path)],
) -> (std::process::Child, std::net::SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_h5"));
    command.arg("serve").arg(folder.path("served")).args(["--port", "0"]).args(arguments);
    command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().rsplit_once("http://").unwrap().1.trim_end_matches('/').parse().unwrap();
    (child, address)
}

#[test]
fn prefixes_of_the_environment_are_not_used() {
    let folder = folders();
    let outside = folder.path("outside");
    let names = ["HDF5_EXT_PREFIX", "HDF5_EXTFILE_PREFIX", "HDF5_VDS_PREFIX"];
    let (mut child, address) = command(&folder, &[], &names.map(|name| (name, outside.as_path())));
    let mut client = Client::new(address);
    assert!(client.get(&data("plain.h5", "/secret")).text().contains(PLAIN));
    for path in ["/link", "/group/secret", "/raw", "/virtual"] {
        assert_nothing_leaks(&everything(&mut client, "beside.h5", path));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_command_ends_what_it_has_begun() {
    let folder = folders();
    let (mut child, address) = command(&folder, &["--log", "info", "--log-json"], &[]);
    let mut client = Client::new(address);
    assert_eq!(client.get(&data("plain.h5", "/secret")).status, 200);
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let begin = Instant::now();
    let status = child.wait().unwrap();
    assert!(status.success() && begin.elapsed() < Duration::from_secs(8), "{status} {:?}", begin.elapsed());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["fields"]["path"], &first["fields"]["status"]),
        (&"/data".into(), &200.into()),
        "{log}"
    );
    // Arguments that make no sense.
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_h5")).arg("serve").args(arguments).output().unwrap()
    };
    assert_eq!(run(&["no-such-folder"]).status.code(), Some(2));
    assert_eq!(run(&[".", "--max-response", "lots"]).status.code(), Some(2));
}

#[test]
fn pipes_and_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folders();
    assert!(Command::new("mkfifo").arg(folder.path("served/pipe.h5")).status().unwrap().success());
    let closed = folder.path("served/closed.h5");
    std::fs::copy(folder.path("served/plain.h5"), &closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o200)).unwrap();
    let server = start(&folder);
    let mut client = server.client();
    let begin = Instant::now();
    assert_eq!(client.get("/meta?file=pipe.h5").status, 404);
    assert!(!client.get("/files").text().contains("pipe.h5"));
    assert!(begin.elapsed() < Duration::from_secs(5));
    // For root there is no file that may not be read.
    if std::fs::File::open(&closed).is_err() {
        let answer = client.get("/meta?file=closed.h5");
        assert_eq!(
            (answer.status, answer.json()["message"].as_str()),
            (403, Some("Cannot read file: Permission denied!"))
        );
    }
}

/// Datasets that are much larger than their files.
fn bombs(path: &Path) {
    let file = File::create(path).unwrap();
    let root = file.root().unwrap();
    root.new_dataset::<f64>()
        .shape((1usize << 25, 1usize << 25))
        .chunk((1024, 1024))
        .create("petabytes")
        .unwrap();
    root.new_dataset::<f64>().shape((1usize << 31,)).chunk((1 << 16,)).create("sixteen_gib").unwrap();
    root.new_dataset::<u8>().shape((3usize << 20,)).create("unwritten").unwrap();
    // 64 MiB of zeros, in some KiB.
    let zeros = vec![0u8; 64 << 20];
    root.new_dataset::<u8>()
        .shape((64usize << 20,))
        .chunk((16 << 20,))
        .deflate(9)
        .with_data(&ndarray::Array1::from(zeros))
        .create("deflated")
        .unwrap();
    // Every row cuts every chunk.
    root.new_dataset::<f32>()
        .shape((1usize << 20, 1usize << 12))
        .chunk((1 << 20, 1))
        .create("columns")
        .unwrap();
    file.close().unwrap();
}

fn limited(folder: &Folder, limit: impl FnOnce(&mut Options)) -> Served {
    let mut options = Options::new(folder.path("served"));
    limit(&mut options);
    Served::start(options)
}

#[test]
fn too_large_answers_are_refused() {
    let folder = folders();
    bombs(&folder.path("served/bombs.h5"));
    let server = start(&folder);
    let mut client = server.client();
    for path in ["/petabytes", "/sixteen_gib", "/columns"] {
        for format in ["json", "bin", "npy", "csv", "tiff"] {
            if format == "tiff" && path == "/sixteen_gib" {
                continue; // one dimension is no image
            }
            let answer = client.get(&format!("{}&format={format}", data("bombs.h5", path)));
            assert_eq!(answer.status, 413, "{path} {format}: {}", answer.text());
            assert!(answer.json()["message"].is_string());
        }
    }
    assert_eq!(client.get("/stats?file=bombs.h5&path=/petabytes").status, 413);
    assert_eq!(client.get("/stats?file=bombs.h5&path=/columns").status, 413);
    assert_eq!(client.get("/meta?file=bombs.h5&path=/petabytes").status, 200);
    assert_eq!(client.get("/data?file=bombs.h5&path=/petabytes&selection=5,5").text(), "0.0");
    // Small limits, on answers whose length is known before and on those whose length is not.
    let server = limited(&folder, |o| {
        o.limits.max_response = 1 << 20;
        o.limits.max_decoded = 32 << 20;
    });
    let mut client = server.client();
    for (url, status) in [
        ("/data?file=bombs.h5&path=/unwritten&format=bin", 413),
        ("/data?file=bombs.h5&path=/unwritten&format=bin&selection=:1048576", 200),
        ("/data?file=bombs.h5&path=/unwritten&format=npy&selection=:1048576", 413),
        ("/data?file=bombs.h5&path=/unwritten&selection=:524287", 200),
        ("/data?file=bombs.h5&path=/unwritten&selection=:524288", 413),
        ("/data?file=bombs.h5&path=/unwritten&format=csv&selection=:40330", 200),
        ("/data?file=bombs.h5&path=/unwritten&format=csv&selection=:50000", 413),
        // Four bytes, from four chunks of 16 MiB.
        ("/data?file=bombs.h5&path=/deflated&selection=::16777216", 413),
        ("/data?file=bombs.h5&path=/deflated&selection=5", 200),
        ("/stats?file=bombs.h5&path=/deflated", 413),
    ] {
        let answer = client.get(url);
        assert_eq!(answer.status, status, "{url}: {}", &answer.text()[..answer.text().len().min(200)]);
        assert!(answer.complete);
    }
}

#[test]
fn long_work_ends() {
    let folder = folders();
    bombs(&folder.path("served/bombs.h5"));
    let server = limited(&folder, |o| {
        o.limits.timeout = Duration::from_secs(1);
        o.limits.max_decoded = u64::MAX;
        o.limits.max_response = u64::MAX;
    });
    let mut client = server.client();
    for url in ["/stats?file=bombs.h5&path=/sixteen_gib", "/stats?file=bombs.h5&path=/petabytes"] {
        let begin = Instant::now();
        let answer = client.get(url);
        assert_eq!(answer.status, 503, "{url}: {}", answer.text());
        assert!(answer.json()["message"].as_str().unwrap().contains("too long"));
        assert!(begin.elapsed() < Duration::from_secs(7), "{:?}", begin.elapsed());
    }
    // An answer that has begun is broken off. Digits take longer to write than to read, so that the time is the server's:
    // what it waits for the client does not count. On a busy machine it takes a while until it begins.
    let server = limited(&folder, |o| {
        o.limits.timeout = Duration::from_secs(5);
        o.limits.max_decoded = u64::MAX;
        o.limits.max_response = u64::MAX;
    });
    let begin = Instant::now();
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream
        .write_all(
            b"GET /data?file=bombs.h5&path=/petabytes&format=json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0u64;
    while let Ok(n) = stream.read(&mut buffer) {
        if n == 0 {
            break;
        }
        bytes += n as u64;
    }
    assert!(bytes > 1 << 20 && begin.elapsed() < Duration::from_secs(30), "{bytes} {:?}", begin.elapsed());
}

/// How many requests are being worked on, by and by.
fn wait_until_idle(client: &mut Client, limit: Duration) {
    let begin = Instant::now();
    while client.get("/health").json()["present"] != 0 {
        assert!(begin.elapsed() < limit, "the work goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn work_stops_when_the_client_goes() {
    let folder = folders();
    bombs(&folder.path("served/bombs.h5"));
    let server = limited(&folder, |o| {
        o.limits.max_decoded = u64::MAX;
        o.limits.max_response = u64::MAX;
    });
    let mut client = server.client();
    for url in [
        "/stats?file=bombs.h5&path=/petabytes",
        "/data?file=bombs.h5&path=/petabytes",
        "/data?file=bombs.h5&path=/sixteen_gib&format=bin",
    ] {
        let mut other = server.client();
        other.send("GET", url, &[]);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(client.get("/health").json()["present"], 1, "{url}");
        drop(other);
        wait_until_idle(&mut client, Duration::from_secs(5));
    }
}

#[test]
fn clients_that_do_not_read_are_left() {
    let folder = folders();
    bombs(&folder.path("served/bombs.h5"));
    let server = limited(&folder, |o| {
        o.limits.max_decoded = u64::MAX;
        o.limits.max_response = u64::MAX;
        o.limits.patience = Duration::from_secs(1);
        o.limits.concurrent = 2;
    });
    let mut silent: Vec<Client> = (0..2).map(|_| server.client()).collect();
    for client in &mut silent {
        client.send("GET", "/data?file=bombs.h5&path=/sixteen_gib&format=bin", &[]);
    }
    std::thread::sleep(Duration::from_millis(300));
    let mut client = server.client();
    assert_eq!(client.get("/health").json()["present"], 2);
    // Metadata do not wait for data.
    let begin = Instant::now();
    assert_eq!(client.get("/meta?file=plain.h5").status, 200);
    assert!(begin.elapsed() < Duration::from_secs(1));
    // Data wait for those who do not read no longer than these are waited for.
    let begin = Instant::now();
    assert!(client.get(&data("plain.h5", "/secret")).text().contains(PLAIN));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn too_many_requests_are_refused() {
    let folder = folders();
    bombs(&folder.path("served/bombs.h5"));
    let server = limited(&folder, |o| {
        o.limits.max_decoded = u64::MAX;
        o.limits.concurrent = 1;
        o.limits.waiting = 1;
        o.limits.timeout = Duration::from_secs(3);
    });
    let mut busy: Vec<Client> = (0..2).map(|_| server.client()).collect();
    for client in &mut busy {
        client.send("GET", "/stats?file=bombs.h5&path=/petabytes", &[]);
    }
    std::thread::sleep(Duration::from_millis(300));
    let mut client = server.client();
    let refused = client.get("/meta?file=plain.h5");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(client.get("/health").status, 200);
    drop(busy);
    wait_until_idle(&mut client, Duration::from_secs(8));
    assert_eq!(client.get("/meta?file=plain.h5").status, 200);
}

/// A file that is cut while it is being sent: an answer that is visibly not whole, and a server that lives.
#[test]
fn files_that_are_cut_or_replaced() {
    let folder = folders();
    let path = folder.path("served/large.h5");
    let make = |number: u8| {
        let file = File::create(folder.path("outside/next.h5")).unwrap();
        let data = ndarray::Array1::from(vec![number; 48 << 20]);
        file.root().unwrap().new_dataset::<u8>().with_data(&data).create("data").unwrap();
        file.close().unwrap();
        std::fs::rename(folder.path("outside/next.h5"), &path).unwrap();
    };
    let server = start(&folder);
    let url = "/data?file=large.h5&path=/data&format=bin";
    make(1);
    let mut client = server.client();
    client.send("GET", url, &[]);
    std::thread::sleep(Duration::from_millis(200));
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
    let cut = client.answer("GET");
    assert!(cut.status == 200 && !cut.complete, "{} {}", cut.status, cut.body.len());
    let mut client = server.client();
    let after = client.get(url);
    assert_eq!(after.status, 422, "{}", after.text());
    assert!(client.get("/stats?file=large.h5&path=/data").status == 422);
    // Replaced while it is being sent: the old file to the end, then the new one.
    make(2);
    client.send("GET", url, &[]);
    std::thread::sleep(Duration::from_millis(200));
    make(3);
    let old = client.answer("GET");
    assert!(old.complete && old.body.len() == 48 << 20 && old.body.iter().all(|&b| b == 2));
    assert!(client.get(url).body.iter().all(|&b| b == 3));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(client.get(url).status, 404);
}

/// Bytes of a file are changed at random: every answer has a status and a whole body.
#[test]
fn damaged_files_give_errors() {
    let folder = folders();
    let good = std::fs::read("testdata/h5grove/types.h5").unwrap();
    let server = start(&folder);
    let mut client = server.client();
    let mut state = 12345u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let paths = [
        "/",
        "/numbers",
        "/numbers/sum32",
        "/text/variable",
        "/mixed/advanced",
        "/mixed/ragged",
        "/attributes",
        "/links",
    ];
    for _ in 0..60 {
        let mut bad = good.clone();
        for _ in 0..1 + random(40) {
            let at = random(bad.len());
            bad[at] = random(256) as u8;
        }
        if random(4) == 0 {
            bad.truncate(random(good.len()));
        }
        std::fs::write(folder.path("served/bad.h5"), &bad).unwrap();
        for path in paths {
            for (url, answer) in everything(&mut client, "bad.h5", path) {
                assert!(
                    [200, 403, 404, 413, 422].contains(&answer.status),
                    "{url}: {} {}",
                    answer.status,
                    answer.text()
                );
                assert!(answer.complete, "{url}");
            }
        }
    }
}

#[test]
fn broken_requests() {
    let folder = folders();
    let server = start(&folder);
    let long = "x".repeat(1 << 20);
    for text in [
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /data?file=\u{0}\u{1} HTTP/1.1\r\nHost: x\r\n\r\n",
        &format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        &format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
        "POST /data HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ] {
        let mut client = server.client();
        let stream = client.stream();
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        // An answer or none, but an end.
        let _ = stream.take(1 << 16).read_to_end(&mut answer);
    }
    assert_eq!(server.client().get("/").body, b"ok");
    let mut client = server.client();
    for query in [
        "selection=%00",
        "selection=0:0:0",
        "selection=,,,",
        "selection=--1",
        "dtype=",
        "format=..",
        "path=//",
        "path=/./",
        "path=%ff",
        "path=",
    ] {
        let answer = client.get(&format!("/data?file=plain.h5&path=/secret&{query}"));
        assert!([404, 422].contains(&answer.status), "{query}: {}", answer.status);
        assert!(answer.json()["message"].is_string());
    }
    let many = format!("/attr?file=plain.h5&{}", "attr_keys=x&".repeat(4000));
    assert_eq!(client.get(&many).status, 404);
}

/// Names and text of a file are data, never a page.
#[test]
fn nothing_is_a_page() {
    let folder = folders();
    let file = File::create(folder.path("served/script.h5")).unwrap();
    let root = file.root().unwrap();
    root.set_attr("<script>alert(1)</script>", "<script>alert(2)</script>").unwrap();
    root.create_group("<img src=x onerror=alert(3)>").unwrap();
    root.link_soft("again", "/again").unwrap();
    file.close().unwrap();
    let server = start(&folder);
    let mut client = server.client();
    for (url, answer) in everything(&mut client, "script.h5", "/") {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{url}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{url}");
    }
    assert!(client.get("/attr?file=script.h5").text().contains("<script>"));
    // A link to itself is a link that leads nowhere.
    assert_eq!(client.get("/meta?file=script.h5&path=/again").json()["kind"], "soft_link");
    assert_eq!(client.get("/meta?file=script.h5&path=/again&resolve_links=all").status, 404);
}
