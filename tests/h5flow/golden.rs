//! Cases that were recorded from the reference: `testdata/h5flow`, and those of the folder `H5FLOW_GOLDEN`.

use std::path::{Path, PathBuf};

use h5::{
    AttributeValue, ByteOrder, Charset, Datatype, DatatypeClass, Element, File, Selection, Values,
    h5flow::{
        Compression, Dereference, H5FlowDataManager, Item, Ragged, RefRegion, Sel, dereference_chain,
        print_attr, print_data, print_ref,
    },
    model::{datatype::Member, link::Name},
};
use serde_json::{Value, json};

fn folders() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/h5flow");
    [Some(own), std::env::var_os("H5FLOW_GOLDEN").map(PathBuf::from)].into_iter().flatten().collect()
}

fn cases(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap()
}

fn compound(members: &[(&str, Datatype)]) -> Datatype {
    let mut offset = 0;
    let mut out = Vec::new();
    for (name, datatype) in members {
        out.push(Member { name: Name::from(*name), offset, datatype: datatype.clone() });
        offset += datatype.size;
    }
    Datatype { size: offset, class: DatatypeClass::Compound(out) }
}

fn datatype(name: &str) -> Datatype {
    let le = ByteOrder::Little;
    let int = |size, signed| Datatype::integer(size, signed, le);
    match name {
        "i8" => int(8, true),
        "f4" => Datatype::f32(le),
        "event" => {
            let flags = Datatype {
                size: 2,
                class: DatatypeClass::Array { base: Box::new(int(1, false)), dims: vec![2] },
            };
            compound(&[
                ("id", int(8, true)),
                ("ts", int(4, false)),
                ("q", Datatype::f32(le)),
                ("flags", flags),
            ])
        }
        "hit" => {
            let mut name = Datatype::fixed_string(6, Charset::Ascii);
            if let DatatypeClass::FixedString { padding, .. } = &mut name.class {
                *padding = h5::model::datatype::StringPadding::NullPadded;
            }
            compound(&[("id", int(8, false)), ("x", Datatype::f64(le)), ("name", name)])
        }
        other => panic!("{other}"),
    }
}

fn row(of: &str, i: u64) -> Vec<u8> {
    let mut out = Vec::new();
    match of {
        "i8" => out.extend((i as i64).to_le_bytes()),
        "f4" => out.extend((i as f32 / 2.0).to_le_bytes()),
        "event" => {
            out.extend((i as i64).to_le_bytes());
            out.extend((7 * i as u32).to_le_bytes());
            out.extend((i as f32 / 4.0).to_le_bytes());
            out.extend([i as u8, (i + 1) as u8]);
        }
        _ => {
            out.extend(i.to_le_bytes());
            out.extend((1.25 * i as f64).to_le_bytes());
            let mut name = format!("h{}", i % 9999).into_bytes();
            name.resize(6, 0);
            out.extend(name);
        }
    }
    out
}

fn rows(of: &str, first: u64, count: u64) -> Values {
    Values::new(datatype(of), [count], (first..first + count).flat_map(|i| row(of, i)).collect()).unwrap()
}

fn replay(path: &Path, file: &Value) {
    let compression = match file["compression"].as_str() {
        None => Compression::None,
        Some("gzip") => Compression::Gzip(4),
        _ => Compression::Lzf,
    };
    let dm = H5FlowDataManager::options().compression(compression).open(path, "w").unwrap();
    let mut types = std::collections::HashMap::new();
    for call in file["script"].as_array().unwrap() {
        let text = |key: &str| call[key].as_str().unwrap();
        let number = |key: &str| call[key].as_u64().unwrap();
        let slice = || call["slice"][0].as_u64().unwrap()..call["slice"][1].as_u64().unwrap();
        match text("call") {
            "create_dset" => {
                types.insert(text("name").to_owned(), text("type").to_owned());
                dm.create_dset_of(text("name"), datatype(text("type")), &[]).unwrap();
            }
            "set_attrs" => {
                for (key, value) in call["attrs"].as_object().unwrap() {
                    let value: Box<dyn AttributeValue> = match value {
                        Value::String(s) => Box::new(s.clone()),
                        Value::Number(n) if n.is_i64() => Box::new(n.as_i64().unwrap()),
                        v => Box::new(v.as_f64().unwrap()),
                    };
                    dm.set_attrs(text("name"), &[(key, &*value)]).unwrap();
                }
            }
            "create_ref" => dm.create_ref(text("parent"), text("child")).unwrap(),
            "append" => {
                let got = dm.reserve_data(text("name"), number("rows")).unwrap();
                assert_eq!(got, slice());
                dm.write_values(
                    text("name"),
                    got,
                    &rows(&types[text("name")], number("first"), number("rows")),
                )
                .unwrap();
            }
            "reserve_and_write" => {
                let got = dm.reserve_data(text("name"), slice()).unwrap();
                let count = got.end - got.start;
                dm.write_values(text("name"), got, &rows(&types[text("name")], number("first"), count))
                    .unwrap();
            }
            "write_ref" => {
                let refs: Vec<[u64; 2]> = serde_json::from_value(call["refs"].clone()).unwrap();
                dm.write_ref(text("parent"), text("child"), &refs).unwrap();
            }
            other => panic!("{other}"),
        }
    }
    dm.finish().unwrap();
}

/// All elements of a dataset, as numbers where they are compounds of two.
fn regions(file: &File, path: &str) -> Vec<(i128, i128)> {
    let values = file.dataset(path).unwrap().values(Selection::All).unwrap();
    let two = |e: Element<'_>| {
        let parts: Vec<i128> = e.members().map(|(_, e)| e.integer().unwrap()).collect();
        (parts[0], parts[1])
    };
    values.iter().map(two).collect()
}

fn same_content(made: &File, reference: &File) {
    let names = |file: &File| {
        let mut out = Vec::new();
        walk(&file.root().unwrap(), String::new(), &mut out);
        out
    };
    let all = names(reference);
    assert_eq!(names(made), all);
    for path in all {
        let (a, b) = (made.object(&path).unwrap(), reference.object(&path).unwrap());
        let attrs = |object: &h5::Object| -> Vec<String> {
            let list = object.attributes().unwrap().into_iter().map(Result::unwrap);
            list.map(|a| format!("{} {:?}", a.name(), show(&a.values().unwrap().get(0).unwrap()))).collect()
        };
        assert_eq!(attrs(&a), attrs(&b), "{path}");
        let (Ok(a), Ok(b)) = (a.into_dataset(), b.into_dataset()) else { continue };
        assert_eq!(
            (a.shape(), a.datatype(), a.max_shape()),
            (b.shape(), b.datatype(), b.max_shape()),
            "{path}"
        );
        let ids =
            |d: &h5::Dataset| d.filters().iter().map(|f| (f.id, f.client_data.clone())).collect::<Vec<_>>();
        assert_eq!(ids(&a), ids(&b), "{path}");
        if path.ends_with("/ref_region") {
            // The tight hull lies in theirs.
            let other = a.attribute("ref").unwrap().read_scalar::<String>().unwrap();
            let refs = made.dataset(&other).unwrap();
            let parent = refs.attribute("ref_region0").unwrap().read_scalar::<String>().unwrap() == path;
            let pairs = refs.read_2d::<u32>().unwrap();
            for (i, ((start, stop), wide)) in
                regions(made, &path).into_iter().zip(regions(reference, &path)).enumerate()
            {
                let mine = |row: &ndarray::ArrayView1<'_, u32>| row[usize::from(!parent)] as usize == i;
                let at: Vec<usize> =
                    pairs.outer_iter().enumerate().filter(|(_, r)| mine(r)).map(|(n, _)| n).collect();
                let tight = at.first().map_or((0, 0), |f| (*f as i128, at[at.len() - 1] as i128 + 1));
                assert_eq!((start, stop), tight, "{path} {i}");
                assert!(start == stop || (wide.0 <= start && stop <= wide.1), "{path} {i}");
            }
        } else {
            let (a, b) = (a.values(Selection::All).unwrap(), b.values(Selection::All).unwrap());
            assert_eq!(a.bytes(), b.bytes(), "{path}");
        }
    }
}

fn walk(group: &h5::Group, path: String, out: &mut Vec<String>) {
    for (name, object) in group.members().unwrap() {
        let path = format!("{path}/{name}");
        out.push(path.clone());
        if let Ok(group) = object.unwrap().into_group() {
            walk(&group, path, out);
        }
    }
}

fn show(element: &Element<'_>) -> Value {
    if let Some(text) = element.text().unwrap() {
        return json!(String::from_utf8_lossy(text));
    }
    if let Some(n) = element.integer() {
        return json!(n as i64);
    }
    if let Some(x) = element.float() {
        return json!(x);
    }
    if let Some(parts) = element.elements().unwrap() {
        return parts.map(|e| show(&e)).collect();
    }
    Value::Object(element.members().map(|(name, e)| (name.to_string(), show(&e))).collect())
}

/// Equal, whether a number is whole or not.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn sel(value: &Value) -> Sel {
    if let Some(i) = value["index"].as_u64() {
        return Sel::from(i);
    }
    match value["slice"].as_array() {
        Some(s) => Sel::from(s[0].as_u64().unwrap()..s[1].as_u64().unwrap()),
        None => Sel::List(serde_json::from_value(value["list"].clone()).unwrap()),
    }
}

fn check_masked(what: &str, shape: &[usize], mask: Vec<bool>, data: &Values, result: &Value) {
    assert_eq!(json!(shape), result["shape"], "{what}");
    if let Some(expected) = result["mask"].as_array() {
        assert_eq!(&mask.iter().map(|m| json!(m)).collect::<Vec<_>>(), expected, "{what}");
    }
    for ((element, masked), expected) in data.iter().zip(mask).zip(result["data"].as_array().unwrap()) {
        if !masked {
            assert!(same(&show(&element), expected), "{what}: {} {expected}", show(&element));
        }
    }
}

fn paths(value: &Value, many: bool) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(s) if !many => vec![s.clone()],
        list => serde_json::from_value(list.clone()).unwrap(),
    }
}

#[test]
fn the_calls_of_the_reference_give_what_it_gave() {
    let mut count = 0;
    for folder in folders() {
        let all = cases(&folder);
        for (i, case) in all["cases"].as_array().unwrap().iter().enumerate() {
            let call = case["call"].as_str().unwrap();
            let what = format!("{} case {i}: {call} {} {}", folder.display(), case["file"], case["sel"]);
            let path = folder.join(case["file"].as_str().unwrap());
            if case["result"]["error"].is_string() {
                continue;
            }
            count += 1;
            let file = File::open(&path).unwrap();
            match call {
                "print_ref" | "print_data" | "print_attr" => {
                    let root = file.root().unwrap();
                    let text = match call {
                        "print_ref" => print_ref(&root),
                        "print_data" => print_data(&root),
                        _ => print_attr(&root),
                    };
                    assert_eq!(text.unwrap(), case["output"].as_str().unwrap(), "{what}");
                }
                "get_refs" => {
                    let dm = H5FlowDataManager::open(&path, "r").unwrap();
                    let refs = dm.get_refs(case["name"].as_str().unwrap()).unwrap();
                    let names: Vec<&str> = refs.iter().map(|r| r.path()).collect();
                    assert_eq!(json!(names), case["result"], "{what}");
                }
                "getitem" => {
                    let dm = H5FlowDataManager::open(&path, "r").unwrap();
                    let mut names: Vec<&str> = Vec::new();
                    let mut rows = None;
                    for argument in case["args"].as_array().unwrap() {
                        match argument.as_str() {
                            Some(name) => names.push(name),
                            None => rows = Some(sel(argument)),
                        }
                    }
                    match dm.get(&names, rows).unwrap() {
                        Item::Rows(values) => {
                            let shape: Vec<usize> = values.shape().iter().map(|&d| d as usize).collect();
                            let mask = vec![false; values.len()];
                            check_masked(&what, &shape, mask, &values, &case["result"]);
                        }
                        Item::Masked(found) => {
                            let mask = found.mask.iter().copied().collect();
                            check_masked(&what, found.mask.shape(), mask, &found.data, &case["result"]);
                        }
                        other => panic!("{other:?}"),
                    }
                }
                "dereference" | "dereference_chain" => {
                    let chain = call == "dereference_chain";
                    let open = |p: &String| file.dataset(p).unwrap();
                    let key = |one: &str| {
                        paths(&case[if chain { format!("{one}s") } else { one.to_owned() }], chain)
                    };
                    let refs: Vec<_> = key("ref").iter().map(open).collect();
                    let regions: Vec<_> = key("region").iter().map(open).collect();
                    let data = case["data"].as_str().map(|p| file.dataset(p).unwrap());
                    let directions: Vec<(usize, usize)> = match chain {
                        true if case["ref_directions"].is_null() => vec![(0, 1); refs.len()],
                        true => serde_json::from_value(case["ref_directions"].clone()).unwrap(),
                        false => vec![serde_json::from_value(case["ref_direction"].clone()).unwrap()],
                    };
                    let mut request: Dereference<'_> = dereference_chain(sel(&case["sel"]), &refs)
                        .ref_directions(directions)
                        .indices_only(case["indices_only"].as_bool().unwrap());
                    if !regions.is_empty() {
                        request = request.regions(&regions);
                    }
                    if let Some(data) = &data {
                        request = request.data(data);
                    }
                    let mask: Option<Vec<bool>> = serde_json::from_value(case["mask"].clone()).unwrap();
                    if let Some(mask) = &mask {
                        request = request.mask(mask.clone());
                    }
                    if let Some(list) = case["result"]["list"].as_array() {
                        let found = request.ragged_values().unwrap();
                        // The reference leaves masked rows out, but not always.
                        let all = list.len() == found.len();
                        let kept = |i: &usize| all || !mask.as_ref().is_some_and(|m| m[*i]);
                        let rows: Vec<usize> = (0..found.len()).filter(kept).collect();
                        assert_eq!(rows.len(), list.len(), "{what}");
                        for (i, expected) in rows.into_iter().zip(list) {
                            let row: Value = found
                                .offsets
                                .range(i)
                                .map(|at| show(&found.values.get(at).unwrap()))
                                .collect();
                            assert!(same(&row, expected), "{what} row {i}: {row} {expected}");
                        }
                    } else {
                        let found = request.masked_values().unwrap();
                        let mask = found.mask.iter().copied().collect();
                        check_masked(&what, found.mask.shape(), mask, &found.data, &case["result"]);
                    }
                }
                other => panic!("{other}"),
            }
        }
    }
    assert!(count > 50, "{count} cases");
    println!("{count} cases");
}

#[test]
fn the_scripts_of_the_reference_give_its_files() {
    for folder in folders() {
        for (name, file) in cases(&folder)["files"].as_object().unwrap() {
            let path = super::scratch(&format!("replay-{name}"));
            replay(&path, file);
            same_content(&File::open(&path).unwrap(), &File::open(folder.join(name)).unwrap());
            if let Some(keep) = std::env::var_os("H5FLOW_KEEP") {
                std::fs::copy(&path, Path::new(&keep).join(name)).unwrap();
            }
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn arrays_do_as_well_as_datasets() {
    let refs: Vec<[u32; 2]> = vec![[1, 2], [0, 1], [1, 0], [3, 3]];
    let regions: Vec<RefRegion> =
        [(1, 2), (0, 3), (0, 0), (3, 4)].map(|(start, stop)| RefRegion { start, stop }).to_vec();
    let data = Values::of(&[10.0, 11.0, 12.0, 13.0]).unwrap();
    let request = dereference_chain([1, 3, 1], [&refs]).region(&regions).data(&data);
    let rows: Ragged<f64> = request.ragged().unwrap();
    assert_eq!(rows.iter().collect::<Vec<_>>(), [&[12.0, 10.0][..], &[13.0], &[12.0, 10.0]]);
    let masked = request.masked::<f64>().unwrap();
    assert_eq!(masked.data.as_slice().unwrap(), [10.0, 12.0, 13.0, 0.0, 10.0, 12.0]);
    assert_eq!(masked.count(), 5);
    assert!(dereference_chain([4], [&refs]).region(&regions).ragged_indices().is_err());
    assert!(dereference_chain(0..2, [&refs]).mask([true]).ragged_indices().is_err());
    assert!(dereference_chain(0..2, [&refs]).ref_direction((0, 2)).ragged_indices().is_err());
    assert!(dereference_chain(0..2, [&refs]).masked::<f64>().is_err());
    let few = Values::of(&[1u8]).unwrap();
    assert!(dereference_chain(0..2, [&refs]).data(&few).masked::<u8>().is_err());
    let wide = dereference_chain(0..1 << 20, [&refs]).max_bytes(1 << 16).masked_indices().unwrap_err();
    assert!(matches!(wide.kind(), h5::ErrorKind::Limit { .. }));
}
