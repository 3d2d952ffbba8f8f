//! `h5 flow`, from outside: what it prints is what h5flow in Python gave, as testdata/h5flow/cases.json has it.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use serde_json::Value;

#[path = "common/command.rs"]
mod command;
use command::{bytes, failure, text};

fn cases(call: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../testdata/h5flow/cases.json")).unwrap();
    let of = |case: &&Value| case["call"] == call;
    all["cases"].as_array().unwrap().iter().filter(of).cloned().collect()
}

fn path(case: &Value) -> String {
    format!("testdata/h5flow/{}", case["file"].as_str().unwrap())
}

/// What the reference gave for the children of rows: which rows, the extent, and the values; null where masked.
struct Case {
    path: String,
    names: Vec<String>,
    select: String,
    rows: Vec<u64>,
    shape: Vec<usize>,
    dtype: String,
    values: Vec<Value>,
}

fn dereferenced() -> Vec<Case> {
    let mut out = Vec::new();
    for case in cases("getitem") {
        let arguments = case["args"].as_array().unwrap();
        let (sel, names) = arguments.split_last().unwrap();
        if names.len() < 2 {
            continue;
        }
        let number = |v: &Value| v.as_u64().unwrap();
        let (rows, select): (Vec<u64>, String) = if let Some(row) = sel["index"].as_u64() {
            (vec![row], row.to_string())
        } else if let Some(list) = sel["list"].as_array() {
            let rows: Vec<u64> = list.iter().map(number).collect();
            (rows.clone(), rows.iter().map(u64::to_string).collect::<Vec<_>>().join(","))
        } else {
            let ends = [number(&sel["slice"][0]), number(&sel["slice"][1])];
            ((ends[0]..ends[1]).collect(), format!("{}:{}", ends[0], ends[1]))
        };
        let result = &case["result"];
        out.push(Case {
            path: path(&case),
            names: names.iter().map(|n| n.as_str().unwrap().to_owned()).collect(),
            select,
            rows,
            shape: result["shape"].as_array().unwrap().iter().map(|n| number(n) as usize).collect(),
            dtype: result["dtype"].as_str().unwrap().to_owned(),
            values: result["data"].as_array().unwrap().clone(),
        });
    }
    assert!(out.len() >= 6);
    out
}

impl Case {
    fn run(&self, format: &str) -> Vec<u8> {
        let mut arguments = vec!["flow", "deref", &self.path];
        arguments.extend(self.names.iter().map(String::as_str));
        arguments.extend(["--select", &self.select, "--format", format]);
        bytes(&arguments)
    }
    /// The values of each row that was selected, without those that are masked.
    fn lists(&self) -> Vec<Vec<Value>> {
        let width = self.shape[1..].iter().product();
        let all = self.values.chunks(width);
        all.map(|row| row.iter().filter(|v| !v.is_null()).cloned().collect()).collect()
    }
}

/// The numbers and texts of a value, in their order.
fn fields(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Array(parts) => parts.iter().for_each(|part| fields(part, out)),
        Value::Object(members) => {
            // The members of the rows of these files, as the types declare them.
            for name in ["id", "ts", "q", "flags", "x", "name"] {
                members.get(name).into_iter().for_each(|part| fields(part, out));
            }
        }
        Value::String(text) => out.push(text.clone()),
        number => out.push(number.as_f64().unwrap().to_string()),
    }
}

#[test]
fn json_has_what_the_reference_gives() {
    for case in dereferenced() {
        let found: Vec<Vec<Value>> = serde_json::from_slice(&case.run("json")).expect("JSON");
        assert_eq!(found, case.lists(), "{} {:?}", case.path, case.names);
    }
}

#[test]
fn csv_has_what_the_reference_gives() {
    for case in dereferenced() {
        let mut wanted = Vec::new();
        for (row, list) in case.rows.iter().zip(case.lists()) {
            for (i, value) in list.iter().enumerate() {
                let mut line = vec![row.to_string(), i.to_string()];
                fields(value, &mut line);
                wanted.push(line);
            }
        }
        let found = String::from_utf8(case.run("csv")).unwrap();
        let found: Vec<Vec<String>> =
            found.lines().map(|l| l.split(',').map(str::to_owned).collect()).collect();
        assert_eq!(found, wanted, "{} {:?}", case.path, case.names);
        assert!(!wanted.is_empty());
    }
}

#[test]
fn npy_has_what_the_reference_gives() {
    for case in dereferenced() {
        let found = case.run("npy");
        let len = usize::from(u16::from_le_bytes([found[8], found[9]]));
        let header = std::str::from_utf8(&found[10..10 + len]).unwrap();
        assert!(found.starts_with(b"\x93NUMPY\x01\x00") && (10 + len) % 64 == 0);
        let shape: Vec<String> = case.shape.iter().map(usize::to_string).collect();
        assert!(header.contains(&format!("'shape': ({})", shape.join(", "))), "{header}");
        let data = &found[10 + len..];
        let numbers: Vec<f64> = match case.dtype.as_str() {
            "int64" => data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
            "float32" => data.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            // Rows that begin with their number, an integer of 64 bits.
            _ => data
                .chunks(data.len() / case.values.len())
                .map(|row| i64::from_le_bytes(row[..8].try_into().unwrap()) as f64)
                .collect(),
        };
        assert_eq!(numbers.len(), case.values.len());
        for (found, wanted) in numbers.iter().zip(&case.values) {
            let wanted = wanted.get("id").unwrap_or(wanted);
            assert_eq!(*found, wanted.as_f64().unwrap_or(0.0), "{} {:?}", case.path, case.names);
        }
    }
}

#[test]
fn ls_has_what_the_reference_prints() {
    for file in ["plain.h5", "gzip.h5", "lzf.h5"] {
        let mut wanted = String::new();
        for (title, call) in
            [("datasets", "print_data"), ("references", "print_ref"), ("attributes", "print_attr")]
        {
            let case = cases(call).into_iter().find(|case| case["file"] == file).expect("a case");
            let printed = case["output"].as_str().unwrap().to_owned();
            let count = printed.lines().filter(|l| !l.starts_with('\t')).count();
            wanted += &format!("{title}: {count}\n");
            for line in printed.lines() {
                wanted += &format!("  {}\n", line.replace('\t', "    "));
            }
        }
        assert_eq!(text(&["flow", "ls", &format!("testdata/h5flow/{file}")]), wanted);
    }
    // A file of something else has none.
    assert!(text(&["flow", "ls", "testdata/basic.h5"]).starts_with("datasets: 0\nreferences: 0\n"));
}

#[test]
fn slices_of_all_kinds() {
    let deref = |select: &str| {
        let found = text(&["flow", "deref", "testdata/h5flow/plain.h5", "ev/A", "ev/B", "--select", select]);
        let mut rows: Vec<u64> =
            found.lines().map(|l| l.split(',').next().unwrap().parse().unwrap()).collect();
        rows.dedup();
        rows
    };
    let all = deref(":");
    assert!(all.len() > 10 && all.is_sorted());
    let some = |f: &dyn Fn(&u64) -> bool| all.iter().copied().filter(f).collect::<Vec<u64>>();
    assert_eq!(deref("3:9"), some(&|row| (3..9).contains(row)));
    assert_eq!(deref("3:"), some(&|row| *row >= 3));
    assert_eq!(deref(":1000"), all);
    assert_eq!(deref("::3"), some(&|row| row % 3 == 0));
    assert_eq!(deref("9:3"), [0; 0]);
    let (first, last) = (all[0], all[all.len() - 1]);
    assert_eq!(deref(&format!("{last},{first}")), [last, first]);
    let without = text(&["flow", "deref", "testdata/h5flow/plain.h5", "ev/A", "ev/B"]);
    assert_eq!(
        without,
        text(&["flow", "deref", "testdata/h5flow/plain.h5", "ev/A", "ev/B", "--select", ":"])
    );
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let plain = "testdata/h5flow/plain.h5";
    for (arguments, status, message) in [
        (&["ls", "testdata/none.h5"][..], 1, "none.h5"),
        (&["ls", "Cargo.toml"], 1, "Cargo.toml"),
        (&["deref", plain, "ev/A"], 2, "values required"),
        (&["deref", plain, "ev/A", "none"], 1, "none"),
        (&["deref", plain, "none", "ev/A"], 1, "none"),
        (&["deref", plain, "ev/A", "C"], 1, "references between ev/A and C"),
        (&["deref", plain, "ev/A", "ev/B", "--select", "x"], 2, "\"x\" is no row"),
        (&["deref", plain, "ev/A", "ev/B", "--select=-1"], 2, "\"-1\" is no row"),
        (&["deref", plain, "ev/A", "ev/B", "--select", "1:2:3:4"], 2, "is no slice"),
        (&["deref", plain, "ev/A", "ev/B", "--select", "0:5:0"], 2, "is no slice"),
        (&["deref", plain, "ev/A", "ev/B", "--select", "0,99"], 1, "row 99"),
        (&["deref", plain, "ev/A", "ev/B", "--format", "xml"], 2, "xml"),
        (&["deref", "testdata/basic.h5", "measurements", "types"], 1, "measurements/data"),
    ] {
        let said = failure(&[&["flow"], arguments].concat(), status);
        assert!(said.contains(message), "{arguments:?}: {said}");
    }
}
