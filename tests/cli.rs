//! The `h5` command, from outside: what it prints of testdata/basic.h5, and how it fails.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

#[path = "common/command.rs"]
mod command;
use command::{bytes, failure, h5, text};

const BASIC: &str = "testdata/basic.h5";

/// The files that testdata/make_basic.py made with numpy, with the path of the dataset they are of.
fn expected(extension: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/basic");
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).expect("testdata/basic") {
        let path = entry.expect("testdata/basic").path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|e| e == extension) && name != "counts_part" {
            let group = match &name[..] {
                "temperature" | "counts" | "cube" => "measurements",
                _ => "types",
            };
            out.push((format!("/{group}/{name}"), path));
        }
    }
    assert!(!out.is_empty());
    out
}

#[test]
fn version() {
    let shown = text(&["version"]);
    let (version, features) = shown.split_once("\nfeatures: ").expect("two lines");
    assert_eq!(version, concat!("h5 ", env!("CARGO_PKG_VERSION")));
    let features: Vec<&str> = features.trim_end().split(", ").collect();
    assert!(features.contains(&"cli") && features.contains(&"filter-lz4"), "{features:?}");
    assert_eq!(features.contains(&"mmap"), cfg!(feature = "mmap"));
    // All that the manifest declares, but for the names of several, and what `full` has not.
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let declared = section.lines().filter_map(|l| l.split_once(" = ").map(|(name, _)| name));
    let single =
        declared.filter(|name| !name.starts_with('#') && !["default", "filters", "full"].contains(name));
    let single = single.filter(|name| cfg!(feature = "mpi") || *name != "mpi");
    if cfg!(all(feature = "derive", feature = "mmap", feature = "parallel", feature = "server")) {
        assert_eq!(features.iter().copied().collect::<BTreeSet<_>>(), single.collect());
    }
    assert_eq!(text(&["--version"]), concat!("h5 ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn npy_is_what_numpy_writes() {
    for (path, file) in expected("npy") {
        let found = bytes(&["cat", BASIC, &path, "--format", "npy"]);
        assert!(found == fs::read(&file).unwrap(), "{path}");
    }
    let found = bytes(&["cat", BASIC, "/measurements/counts", "--select=3:50:7, -1", "--format", "npy"]);
    assert!(found == fs::read("testdata/basic/counts_part.npy").unwrap());
}

#[test]
fn json_is_what_python_means() {
    for (path, file) in expected("json") {
        let found: serde_json::Value =
            serde_json::from_slice(&bytes(&["cat", BASIC, &path, "--format", "json"])).expect("JSON");
        let wanted: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).expect("JSON");
        assert_eq!(found, wanted, "{path}");
    }
}

#[test]
fn csv_is_what_python_writes() {
    for (path, file) in expected("csv") {
        let found = text(&["cat", BASIC, &path, "--format", "csv"]);
        assert_eq!(found, fs::read_to_string(&file).unwrap(), "{path}");
    }
    assert_eq!(
        text(&["cat", BASIC, "/types/words", "--format", "csv"]),
        "plain\ngrün\n\"\"\n\"two\nlines \u{1b}[31m\"\n"
    );
    let part = text(&["cat", BASIC, "/measurements/cube", "--select", "1,:,::2", "--format", "csv"]);
    assert_eq!(part, "12,14\n16,18\n20,22\n");
}

#[test]
fn text_is_for_people() {
    let cat = |path| text(&["cat", BASIC, path]);
    assert_eq!(
        cat("measurements/temperature"),
        "[[20.5, 21.25, -3.0],\n [0.1, 1e300, 5e-324],\n [1.0, 2.0, 3.0],\n [nan, inf, -inf]]\n"
    );
    assert_eq!(
        cat("/types/nested"),
        "[{p: {a: 1, b: 2.5}, v: [1, 2, 3]}, {p: {a: 3, b: -1.5}, v: [4, 5, 6]}]\n"
    );
    assert_eq!(cat("/types/words"), "[\"plain\", \"grün\", \"\", \"two\\nlines \\x1b[31m\"]\n");
    assert_eq!(cat("/types/waves"), "[1.0+2.0j, -0.0-0.5j]\n");
    assert_eq!(cat("/types/colours"), "[BLUE, RED, 7]\n");
    assert_eq!(cat("/types/scalar"), "42\n");
    assert_eq!(cat("/types/null"), "null\n");
    assert_eq!(cat("/types/empty"), "[]\n");
    assert_eq!(cat("/links/soft"), cat("/measurements/temperature"));
    assert_eq!(cat("/measurements/temperature@units"), "\"degree_Celsius\"\n");
    assert_eq!(cat("/measurements/temperature@range"), "[-40.0, 60.0]\n");
    assert_eq!(cat("@title"), "\"basic\"\n");
    assert_eq!(cat("/@version"), "3\n");
    assert_eq!(cat("/links/at@sign"), "5\n");
}

#[test]
fn selections() {
    let cat = |select: &str| text(&["cat", BASIC, "/measurements/counts", "--select", select]);
    assert_eq!(cat("-2:, ::3"), "[[6761, 6782, 6803, 6824],\n [6831, 6852, 6873, 6894]]\n");
    assert_eq!(cat("..., 0"), cat(":, 0"));
    assert_eq!(cat("1, 1"), "-22\n");
    assert_eq!(cat("50:50"), "[]\n");
    for (select, status) in [("1,2,3", 1), ("100", 1), ("x", 2), ("::0", 2), ("1:2:3:4", 2)] {
        let message = failure(&["cat", BASIC, "/measurements/counts", "--select", select], status);
        assert!(message.starts_with("h5: ") && message.contains("selection"), "{message}");
    }
}

#[test]
fn raw_is_the_stored_bytes() {
    let raw = bytes(&["cat", BASIC, "/measurements/counts", "--format", "raw", "--select", "0, :2"]);
    assert_eq!(raw, [(-99i32).to_be_bytes(), (-92i32).to_be_bytes()].concat());
    let zeros = bytes(&["cat", BASIC, "/storage/never_written", "--format", "raw"]);
    assert!(zeros.len() == 4_000_000 && zeros.iter().all(|b| *b == 0));
}

#[test]
fn ls_shows_every_link_and_goes_on() {
    let listing = text(&["ls", BASIC, "links"]);
    let lines: Vec<&str> = listing.lines().collect();
    assert_eq!(lines.len(), 8, "{listing}");
    assert_eq!(lines[0], "at@sign            dataset  {scalar}  i64le");
    assert_eq!(
        lines[1],
        "broken             soft link -> /nowhere/at/all  (broken: not found: nowhere in /nowhere/at/all)"
    );
    assert_eq!(lines[2], "esc\\x1b[31m\\nname  dataset  {scalar}  i64le");
    assert!(
        lines[3].starts_with("external           external link -> absent.h5:/x  (broken: "),
        "{}",
        lines[3]
    );
    assert!(
        lines[4].starts_with("loop               soft link -> /links/loop  (broken: limit "),
        "{}",
        lines[4]
    );
    assert_eq!(lines[6], "soft               soft link -> /measurements/temperature  dataset  {4, 3}  f64le");
    assert_eq!(lines[7], "up                 group");
    assert_eq!(text(&["ls", "testdata/basic.h5/links"]), listing);
    assert_eq!(text(&["ls", "testdata/basic.h5//", "/links/"]), listing);
    assert_eq!(
        text(&["ls", "testdata/basic.h5/measurements/counts"]),
        "/measurements/counts  dataset  {100/Inf, 10/20}  i32be\n"
    );
    assert_eq!(
        text(&["ls", BASIC, "@title"]),
        "/@title           attribute  {scalar}  vstr[nullterm,utf8]  \"basic\"\n"
    );
}

#[test]
fn ls_recursive_shows_each_object_once() {
    let listing = text(&["ls", "-r", BASIC]);
    assert!(listing.starts_with("/                 group\n/deep "), "{listing}");
    assert!(listing.contains("\n/deep/d/d/d       group\n"));
    assert!(listing.contains("\n/links/up                 already visited as /\n"));
    assert!(listing.contains("\n/measurements/temperature  already visited as /measurements/again\n"));
    assert!(listing.contains("\n/types/committed   datatype  f64le\n"), "{listing}");
}

#[test]
fn ls_verbose_tells_how_it_is_stored() {
    let listing = text(&["ls", "-v", BASIC, "/measurements"]);
    for line in [
        "    layout      chunked {16, 4}, index btree1\n",
        "    filters     shuffle(4) optional, deflate(6) optional, fletcher32\n",
        "    fill        -1, written if set, allocation incremental\n",
        "    attribute   range  {2}  f32le  -40.0, 60.0\n",
        "    attribute   units  {scalar}  vstr[nullterm,utf8]  \"degree_Celsius\"\n",
        ", 2 hard links, header of ",
    ] {
        assert!(listing.contains(line), "{line}\n{listing}");
    }
}

#[test]
fn tree_draws_lines() {
    let tree = text(&["tree", "testdata/basic.h5"]);
    assert!(
        tree.starts_with(
            "testdata/basic.h5  group\n├── deep  group\n│   └── d  group\n│       └── d  group\n\
             │           └── d  group\n├── links  group\n│   ├── at@sign  dataset  {scalar}  i64le\n"
        ),
        "{tree}"
    );
    assert!(tree.contains("│   └── temperature  already visited as /measurements/again\n"));
    assert!(tree.contains("\n└── types  group\n    ├── bits  dataset  {2}  b16le\n"));
}

#[test]
fn stat_counts() {
    let stat = text(&["stat", BASIC]);
    let number = |what: &str| -> u64 {
        let line = stat.lines().find_map(|l| l.trim_start().strip_prefix(what));
        let line = line.unwrap_or_else(|| panic!("{what} in\n{stat}"));
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert_eq!(number("size"), fs::metadata(BASIC).unwrap().len());
    assert_eq!(number("datasets"), 24);
    assert_eq!(number("groups"), 9);
    assert_eq!(number("committed datatypes"), 1);
    assert_eq!(number("attributes"), 5);
    assert_eq!(number("soft"), 3);
    assert_eq!(number("external"), 2);
    assert_eq!(number("compact"), 1);
    assert_eq!(number("chunk index btree1"), 2);
    assert_eq!(number("deflate (1)"), 1);
    assert!(stat.lines().any(|l| l.contains("deflate (1)") && l.ends_with("1  (parameters: 6)")), "{stat}");
    let parts = [
        "raw data, stored",
        "superblock and extension",
        "object headers",
        "links of groups",
        "dense attributes",
        "chunk indexes",
        "shared messages",
        "free-space managers",
        "free, tracked",
        "global heaps and unaccounted",
    ];
    assert_eq!(parts.map(number).iter().sum::<u64>(), number("size"));
    assert!(number("links of groups") > 0 && number("chunk indexes") > 0);
}

#[test]
fn wrong_usage_is_2_and_bad_input_1() {
    for arguments in
        [&[][..], &["frobnicate"], &["ls"], &["cat", BASIC], &["cat", BASIC, "x", "--format", "xml"]]
    {
        failure(arguments, 2);
    }
    for (arguments, part) in [
        (&["ls", "testdata/absent.h5"][..], "testdata/absent.h5"),
        (&["ls", "testdata"], "testdata"),
        (&["tree", "testdata/README.md"], "not an HDF5 file"),
        (&["cat", BASIC, "/nowhere"], "/nowhere"),
        (&["cat", BASIC, "/measurements"], "not a dataset"),
        (&["cat", BASIC, "/measurements@nothing"], "attribute nothing"),
        (&["cat", BASIC, "/types/words", "--format", "npy"], "variable length"),
        (&["cat", BASIC, "/types/ragged", "--format", "raw"], "--format json"),
        (&["cat", BASIC, "/a\u{1b}[31m"], "/a\\x1b[31m"),
        (&["stat", "testdata/make_basic.py"], "not an HDF5 file"),
    ] {
        let message = failure(arguments, 1);
        assert!(message.starts_with("h5: ") && message.contains(part), "{arguments:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(!message.contains('\u{1b}'));
    }
}

#[test]
fn names_and_strings_send_nothing_to_the_terminal() {
    for arguments in [
        &["ls", "-rv", BASIC][..],
        &["tree", BASIC],
        &["stat", BASIC],
        &["cat", BASIC, "/types/words"],
        &["cat", BASIC, "/types/words", "--format", "json"],
        &["cat", BASIC, "/links/at@sign@esc\u{1b}]0;title\u{7}"],
    ] {
        let out = text(arguments);
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{arguments:?}: {out:?}");
    }
}

#[test]
fn a_closed_pipe_is_silent() {
    for format in ["text", "json", "csv", "npy", "raw"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_h5"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["cat", BASIC, "/storage/never_written", "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let out = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{format}");
        assert!(out.status.success(), "{format}: {}", out.status);
    }
}

#[test]
fn damaged_files_are_listed_as_far_as_they_go() {
    let good = fs::read(BASIC).unwrap();
    let folder = std::env::temp_dir().join(format!("h5-cli-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("damaged.h5");
    let name = path.to_str().unwrap();
    // Any simple generator will do.
    let mut state = 7u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for _ in 0..40 {
        let mut bad = good.clone();
        for _ in 0..20 {
            bad[96 + random(good.len() - 96)] = random(256) as u8;
        }
        fs::write(&path, &bad).unwrap();
        for arguments in [&["ls", "-rv", name][..], &["tree", name], &["stat", name]] {
            let out = h5(arguments);
            let message = String::from_utf8_lossy(&out.stderr);
            assert!(matches!(out.status.code(), Some(0 | 1)), "{arguments:?}: {}: {message}", out.status);
            assert!(!message.contains("panicked"), "{message}");
        }
    }
    fs::remove_dir_all(&folder).unwrap();
}
