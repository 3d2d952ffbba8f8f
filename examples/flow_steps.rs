//! Calls of the data manager, for tests in other languages: `flow_steps FILE MODE` reads a call a line from its input,
//! a list in JSON, and writes what it gives, in JSON. Rows are integers of 64 bits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::BufRead;

use h5::{
    Result,
    h5flow::{
        Compression, H5FlowDataManager, Item, MaskedValues, Sel, dereference_chain, print_data, print_ref,
    },
};
use serde_json::{Value, json};

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().expect("names").iter().map(text).collect()
}

fn selection(value: &Value) -> Sel {
    match value {
        Value::Number(row) => Sel::Index(row.as_u64().unwrap()),
        Value::Array(rows) => Sel::List(rows.iter().map(number).collect()),
        slice => Sel::from(number(&slice["start"])..number(&slice["stop"])),
    }
}

fn pairs(value: &Value) -> Vec<[u64; 2]> {
    value.as_array().unwrap().iter().map(|pair| [number(&pair[0]), number(&pair[1])]).collect()
}

fn masked(found: &MaskedValues) -> Value {
    let values = found.data.iter().map(|element| element.integer().unwrap() as i64);
    let data: Vec<Option<i64>> =
        values.zip(&found.mask).map(|(value, masked)| (!masked).then_some(value)).collect();
    json!({"shape": found.mask.shape(), "data": data})
}

fn call(dm: &H5FlowDataManager, line: &Value) -> Result<Value> {
    let a = |i: usize| &line[i];
    Ok(match text(a(0)) {
        "create_dset" => json!(dm.create_dset::<i64>(text(a(1)))?),
        "create_ref" => json!(dm.create_ref(text(a(1)), text(a(2)))?),
        "set_attr" => json!(dm.set_attrs(text(a(1)), &[(text(a(2)), &a(3).as_i64().unwrap())])?),
        "get_attr" => {
            let attributes = dm.get_attrs(text(a(1)))?;
            let found =
                attributes.iter().find(|attribute| attribute.name().as_ref() == text(a(2)).as_bytes());
            json!(found.map(|attribute| attribute.read_scalar::<i64>()).transpose()?)
        }
        "reserve" => {
            let rows = match a(2) {
                Value::Number(_) => dm.reserve_data(text(a(1)), number(a(2)))?,
                slice => dm.reserve_data(text(a(1)), number(&slice["start"])..number(&slice["stop"]))?,
            };
            json!([rows.start, rows.end])
        }
        "write" => {
            let rows: Vec<i64> = a(3).as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
            let start = number(a(2));
            json!(dm.write_data(text(a(1)), start..start + rows.len() as u64, &rows)?)
        }
        "write_ref" => json!(dm.write_ref(text(a(1)), text(a(2)), &pairs(a(3)))?),
        "rows" => json!(dm.get_dset(text(a(1)))?.read_vec::<i64>()?),
        "refs" => {
            let (refs, direction) = dm.get_ref(text(a(1)), text(a(2)))?;
            let pairs = refs.read_as::<u64>(h5::Selection::All)?.into_raw_vec_and_offset().0;
            json!({"direction": [direction.0, direction.1], "refs": pairs.as_chunks::<2>().0})
        }
        "regions" => {
            let table = dm.get_ref_region(text(a(1)), text(a(2)))?;
            let values = table.values(h5::Selection::All)?;
            let region = |e: h5::Element<'_>| e.members().map(|(_, m)| m.integer().unwrap() as i64).collect();
            json!(values.iter().map(region).collect::<Vec<Vec<i64>>>())
        }
        "exists" => json!([
            dm.dset_exists(text(a(1)))?,
            dm.ref_exists(text(a(1)), text(a(2)))?,
            dm.ref_region_exists(text(a(1)), text(a(2)))?,
        ]),
        "get" => match dm.get(&names(a(1)), selection(a(2)))? {
            Item::Rows(rows) => json!(rows.to_vec::<i64>()?),
            Item::Masked(found) => masked(&found),
            _ => Value::Null,
        },
        // Names, selection, with regions, only the indices, ragged.
        "dereference" => {
            let names = names(a(1));
            let refs = names.windows(2).map(|w| dm.get_ref(w[0], w[1])).collect::<Result<Vec<_>>>()?;
            let tables =
                names.windows(2).map(|w| dm.get_ref_region(w[0], w[1])).collect::<Result<Vec<_>>>()?;
            let data = dm.get_dset(names[names.len() - 1])?;
            let mut request = dereference_chain(selection(a(2)), refs.iter().map(|r| &r.0)).data(&data);
            request = request.ref_directions(refs.iter().map(|r| r.1)).indices_only(a(4) == &json!(true));
            if a(3) == &json!(true) {
                request = request.regions(&tables);
            }
            if a(5) == &json!(true) {
                json!(request.ragged::<i64>()?.iter().map(<[i64]>::to_vec).collect::<Vec<_>>())
            } else {
                masked(&request.masked_values()?)
            }
        }
        "print" => {
            let root = dm.fh()?.root()?;
            json!([print_data(&root)?, print_ref(&root)?])
        }
        "close" => json!(dm.close_file()?),
        other => panic!("no call {other}"),
    })
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let compression = match arguments.get(3).map_or("", String::as_str) {
        "gzip" => Compression::Gzip(4),
        "lzf" => Compression::Lzf,
        _ => Compression::None,
    };
    let dm = H5FlowDataManager::options().compression(compression).open(&arguments[1], &arguments[2])?;
    for line in std::io::stdin().lock().lines() {
        let line: Value = serde_json::from_str(&line?).expect("a call in JSON");
        match call(&dm, &line) {
            Ok(value) => println!("{value}"),
            Err(error) => println!("{}", json!({"error": error.to_string()})),
        }
    }
    dm.finish()
}
