//! A file imports only from its own floor or below (CONTRIBUTING.md shows the floors), and no file is too long.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules of `src/` by floor. A file of `src/` that is not listed is on floor 4; a folder must be listed.
const FLOORS: [&[&str]; 7] = [
    &["error", "limits"],
    &["source", "model", "filter"],
    &["format", "element"],
    &["storage"],
    &["file", "group", "dataset", "attribute"],
    &["h5flow", "h5grove"],
    &["cli", "server", "bin"],
];
const UNLISTED_FILE: usize = 4;
/// From this floor on, files use only what `lib.rs` exports, as any user does.
const OUTSIDE: usize = 5;
const MAX_LINES: usize = 700;

fn listed_floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// A source file: its path below `src/`, and its text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// First component of the path, which is the module of the crate.
    fn module(&self) -> String {
        let first = self.path.components().next().expect("a path below src/");
        Path::new(first.as_os_str()).with_extension("").display().to_string()
    }
    /// How many `super` lead out of the file to the root of the crate.
    fn depth(&self) -> usize {
        let is_mod = self.path.file_name().is_some_and(|n| n == "mod.rs");
        self.path.components().count() - usize::from(is_mod)
    }
}

/// What `lib.rs` says: modules, and the modules that re-exported names come from.
#[derive(Default)]
struct Root {
    /// Module of every name at the root of the crate; a module is its own.
    modules: BTreeMap<String, String>,
    /// Names that are public.
    public: BTreeSet<String>,
}

impl Root {
    fn parse(lib: &str) -> Self {
        let mut root = Root::default();
        let text = code(lib);
        for statement in text.split(['{', '}']).flat_map(|s| s.split(';')) {
            let words: Vec<&str> = statement.split_whitespace().collect();
            if let Some(i) = words.iter().rposition(|w| *w == "mod")
                && let Some(name) = words.get(i + 1)
            {
                root.modules.insert((*name).to_owned(), (*name).to_owned());
                if i > 0 && words[i - 1] == "pub" {
                    root.public.insert((*name).to_owned());
                }
            }
        }
        let mut rest = &text[..];
        while let Some(at) = rest.find("use ") {
            let public = rest[..at].trim_end().ends_with("pub");
            let end = rest[at..].find(';').map_or(rest.len(), |n| at + n);
            for path in paths(&rest[at + 4..end]) {
                if path.first().is_some_and(|s| s == "crate" || s == "self") {
                    continue; // Of a module within lib.rs.
                }
                if let (Some(first), Some(last)) = (path.first(), path.last()) {
                    root.modules.insert(last.clone(), first.clone());
                    if public {
                        root.public.insert(last.clone());
                    }
                }
            }
            rest = &rest[end..];
        }
        root
    }
}

/// The text without comments and without what stands in strings and characters.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let chars: Vec<char> = text.chars().collect();
    let mut i = 0;
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    while i < chars.len() {
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            'r' if (at(i + 1) == '"' || at(i + 1) == '#')
                && !(i > 0 && (at(i - 1).is_alphanumeric() && at(i - 1) != 'b' || at(i - 1) == '_')) =>
            {
                let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
                if at(i + 1 + hashes) != '"' {
                    // A raw identifier.
                    out.push('r');
                    i += 1;
                    continue;
                }
                i += 2 + hashes;
                while i < chars.len()
                    && !(at(i) == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes)
                {
                    i += 1;
                }
                i += 1 + hashes;
            }
            '"' => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
            }
            // A character, not a lifetime.
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            c => {
                out.push(c);
                i += 1;
            }
        }
    }
    out
}

/// All paths of a use tree: `a::{b, c::d}` gives `a::b` and `a::c::d`. Ends where the tree does.
fn paths(tree: &str) -> Vec<Vec<String>> {
    fn walk(
        chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
        prefix: &[String],
        out: &mut Vec<Vec<String>>,
    ) {
        let mut path = prefix.to_vec();
        loop {
            while chars.next_if(|c| c.is_whitespace()).is_some() {}
            let mut word = String::new();
            while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || "_#*".contains(*c)) {
                word.push(c);
            }
            if word == "as" {
                // The new name: what is imported is the old one.
                while chars.next_if(|c| c.is_whitespace() || c.is_alphanumeric() || *c == '_').is_some() {}
                break;
            }
            if !word.is_empty() {
                path.push(word);
            }
            while chars.next_if(|c| c.is_whitespace()).is_some() {}
            match chars.peek() {
                Some(':') => {
                    chars.next();
                    if chars.next_if_eq(&':').is_none() {
                        break; // `name: Type`
                    }
                }
                Some('{') => {
                    chars.next();
                    while !matches!(chars.peek(), None | Some('}')) {
                        walk(chars, &path, out);
                        while chars.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
                        if !matches!(chars.peek(), Some(c) if c.is_alphanumeric() || "_#*{}:".contains(*c)) {
                            break;
                        }
                    }
                    chars.next_if_eq(&'}');
                    return;
                }
                Some('a') => {} // "as"
                _ => break,
            }
        }
        if path.len() > prefix.len() {
            out.push(path);
        }
    }
    let mut out = Vec::new();
    walk(&mut tree.chars().peekable(), &[], &mut out);
    out
}

/// The names at the root of the crate that a file uses, in `use` or in the middle of code.
fn imports(source: &Source) -> BTreeSet<String> {
    let text = code(&source.text);
    let mut names = BTreeSet::new();
    let boundary = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    for (at, word) in text.match_indices("crate::").chain(text.match_indices("crate ::")) {
        if boundary(at) {
            names.extend(paths(&text[at + word.len()..]).into_iter().filter_map(|p| p.into_iter().next()));
        }
    }
    for (at, _) in text.match_indices("super::").filter(|(at, _)| boundary(*at)) {
        for path in paths(&text[at..]) {
            let supers = path.iter().take_while(|s| *s == "super").count();
            // Modules within a file have one `super` more; so only the names of floors count here.
            if supers >= source.depth()
                && let Some(name) = path.get(supers)
                && listed_floor(name).is_some()
            {
                names.insert(name.clone());
            }
        }
    }
    names
}

/// Everything that is wrong with these files.
fn violations(lib: &str, sources: &[Source]) -> Vec<String> {
    let root = Root::parse(lib);
    let mut wrong = Vec::new();
    for source in sources {
        let path = source.path.display();
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{path}: {lines} lines are more than {MAX_LINES}: split it by concept"));
        }
        let module = source.module();
        if module == "lib" {
            continue;
        }
        let is_file = source.path.components().count() == 1;
        let Some(floor) = listed_floor(&module).or(is_file.then_some(UNLISTED_FILE)) else {
            wrong.push(format!("{path}: folder {module} has no floor: add it to tests/layers.rs"));
            continue;
        };
        for name in imports(source) {
            let target = root.modules.get(&name).unwrap_or(&name);
            let above = match listed_floor(target) {
                Some(f) => f,
                None if root.modules.contains_key(target) => UNLISTED_FILE,
                // An item of lib.rs itself, of another crate, or a macro.
                None => 0,
            };
            if above > floor {
                wrong.push(format!("{path} (floor {floor}) uses crate::{name} of floor {above}"));
            }
            if floor >= OUTSIDE && above < OUTSIDE && !root.public.contains(&name) {
                wrong
                    .push(format!("{path} (floor {floor}) uses crate::{name}, which lib.rs does not export"));
            }
        }
    }
    wrong
}

fn read_sources(folder: &Path, root: &Path, out: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("src/ is readable") {
        let path = entry.expect("src/ is readable").path();
        if path.is_dir() {
            read_sources(&path, root, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).expect("a source file is text");
            out.push(Source { path: path.strip_prefix(root).expect("below src/").to_owned(), text });
        }
    }
}

#[test]
fn files_import_from_their_floor_or_below_and_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    read_sources(&root, &root, &mut sources);
    assert!(sources.len() > 10, "src/ has {} files", sources.len());
    let lib = fs::read_to_string(root.join("lib.rs")).expect("src/lib.rs");
    let wrong = violations(&lib, &sources);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

const LIB: &str = "
    //! use storage::Nothing;
    mod storage; mod format; mod dump;
    pub mod model; pub mod error; pub(crate) mod file; mod dataset; #[cfg(x)] pub mod h5flow;
    pub use error::{Error, Result}; pub use dataset::Dataset;
    pub use file::{File, OpenOptions as Options};
    use storage::Reader;
    pub mod __private { pub use crate::format::Secret; }
";

fn check(path: &str, text: &str) -> Vec<String> {
    violations(LIB, &[Source { path: path.into(), text: text.into() }])
}

#[test]
fn what_is_allowed_passes() {
    for (path, text) in [
        (
            "storage/chunk.rs",
            "use crate::format::x::Y; use crate::{error::Error, model::a::{B, c::D}}; use super::links;",
        ),
        (
            "storage/mod.rs",
            "// use crate::file::File;\n/* crate::file */ const S: &str = \"crate::file::File\";",
        ),
        (
            "storage/x.rs",
            "const S: &str = r#\"\"crate::file::F\"#; const C: char = '\"'; fn f<'a>(x: &'a str) {}",
        ),
        (
            "file.rs",
            "use crate::storage::R; fn f() -> crate::Result<crate::Dataset> {} mod tests { use super::*; }",
        ),
        ("dump.rs", "use crate::file::File;"),
        ("lib.rs", "use crate::h5flow::X;"),
        ("h5flow/mod.rs", "use crate::{Dataset, Error, File}; use crate::model::X; use crate::h5flow::y::Z;"),
        ("cli/ls.rs", "use crate::Dataset; use crate::h5flow::X; use super::colour; use crate::cli::Y;"),
        ("error.rs", "use std::fmt; use super::limits::Limits;"),
    ] {
        assert_eq!(check(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn what_is_forbidden_is_found() {
    for (path, text, name) in [
        ("error.rs", "use crate::model::X;", "model"),
        ("format/a.rs", "use crate::storage::Reader;", "storage"),
        ("format/a.rs", "use crate::{error::Error, model::{a, b}, storage::{c::D, E}};", "storage"),
        ("format/a.rs", "use crate::{\n    error::{\n        Error,\n    },\n    file,\n};", "file"),
        ("format/a.rs", "use crate :: storage;", "storage"),
        ("format/a.rs", "fn f() { let x = 'a'; /* \" */ crate::storage::open(); }", "storage"),
        ("model/a.rs", "fn f(x: &crate::Dataset) {}", "Dataset"),
        ("model/a.rs", "use crate::Reader as R;", "Reader"),
        ("filter/a.rs", "use super::super::format::X;", "format"),
        ("filter/mod.rs", "use super::format::X;", "format"),
        ("storage/a/b.rs", "mod tests { use super::super::super::super::dataset::X; }", "dataset"),
        ("format/a.rs", "use crate::dump::hex;", "dump"),
        ("h5flow/a.rs", "use crate::storage::Reader;", "storage"),
        ("h5flow/a.rs", "use crate::file::File;", "file"),
        ("h5flow/a.rs", "use crate::Reader;", "Reader"),
        ("h5grove/a.rs", "use crate::cli::X;", "cli"),
        ("bin/h5.rs", "use crate::format::X;", "format"),
    ] {
        let found = check(path, text);
        assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
        assert!(found[0].contains(&format!("crate::{name}")), "{found:?}");
    }
    assert!(check("gadgets/a.rs", "")[0].contains("no floor"));
    assert!(check("model/a.rs", &"\n".repeat(MAX_LINES + 1))[0].contains("701 lines"));
    assert!(check("model/a.rs", &"\n".repeat(MAX_LINES)).is_empty());
}
