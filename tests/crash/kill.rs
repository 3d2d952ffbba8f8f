//! A process that edits a file and is killed, again and again.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use h5::File;

use crate::{content::content_of, images::Random, record::is_flagged};

const FILE: &str = "H5_KILLED_FILE";

/// The number of the last round, if a file is as a round left it.
fn round_of(file: &File) -> h5::Result<u64> {
    content_of(file)?;
    let n = file.root()?.attribute("n")?.read_scalar::<i64>()? as u64;
    let packed = file.dataset("data/packed")?.read_vec::<i32>()?;
    let text = file.dataset("data/text")?.read_vec::<String>()?;
    let rounds: Vec<String> = file
        .group("many")?
        .names()?
        .iter()
        .map(ToString::to_string)
        .filter(|n| n.starts_with("round"))
        .collect();
    if n == 7 && packed.len() == 20 {
        return Ok(0);
    }
    let n = n - 100;
    assert_eq!((packed.len() as u64, packed.last()), (20 + n, Some(&(n as i32))));
    assert_eq!(rounds, [format!("round {n}")]);
    assert_eq!(text[1], "x".repeat(n as usize % 50));
    Ok(n)
}

/// What the other process does until it is killed.
#[test]
fn child() {
    let Some(path) = std::env::var_os(FILE) else { return };
    loop {
        let file = File::open_rw(&path).unwrap();
        let mut n = round_of(&file).unwrap();
        let (root, many) = (file.root().unwrap(), file.group("many").unwrap());
        let mut packed = file.dataset("data/packed").unwrap();
        let text = file.dataset("data/text").unwrap();
        for _ in 0..20 {
            n += 1;
            root.set_attr("n", n as i64 + 100).unwrap();
            packed.append(&[n as i32]).unwrap();
            many.create_group(format!("round {n}")).unwrap().set_attr("text", "of the round").unwrap();
            if n > 1 {
                many.unlink(format!("round {}", n - 1)).unwrap();
            }
            text.write_slice(&["x".repeat(n as usize % 50)], 1..2).unwrap();
            file.flush().unwrap();
        }
    }
}

fn kill_loop(fixture: &str, rounds: u64) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/edit/{fixture}.h5"));
    let path = std::env::temp_dir().join(format!("h5-killed-{}-{fixture}.h5", std::process::id()));
    std::fs::copy(source, &path).unwrap();
    let kept: Option<PathBuf> = std::env::var_os("H5_CRASH_DIR").map(|dir| Path::new(&dir).join("killed"));
    let mut random = Random(0x1234_5678_9abc_def1);
    let (mut last, mut flagged) = (0, 0);
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child"])
            .env(FILE, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(5 + random.below(120)));
        assert!(child.try_wait().unwrap().is_none(), "{fixture}: the process ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        flagged += u32::from(is_flagged(&bytes));
        let now = round_of(&File::open(&path).unwrap()).unwrap_or_else(|e| panic!("{fixture} {last}: {e:?}"));
        assert!(now >= last, "{fixture}: {now} after {last}");
        last = now;
        if let Some(kept) = &kept {
            std::fs::create_dir_all(kept).unwrap();
            std::fs::write(kept.join(format!("{fixture}-{round}.h5")), bytes).unwrap();
        }
    }
    println!("{fixture}: killed {rounds} times, {last} flushes, {flagged} with a journal");
    assert!(last > 0);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn killed_at_any_time() {
    for fixture in ["v0", "v2", "v3_user"] {
        kill_loop(fixture, 12);
    }
}
