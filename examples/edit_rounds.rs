//! One round of the check of `.ci/edit_rounds.py`: rows are appended, an attribute, a group and a text are made, and the
//! things of older rounds are deleted.
//!
//! usage: edit_rounds ROUND FILE...

use h5::File;

fn round(path: &str, round: i64) -> h5::Result<()> {
    let file = File::open_rw(path)?;
    let root = file.root()?;
    if root.link("rows")?.is_none() {
        root.new_dataset::<i64>()
            .shape((0, 3))
            .resizable()
            .chunk([4, 3])
            .shuffle()
            .deflate(1)
            .create("rows")?;
    }
    let mut rows = root.dataset("rows")?;
    rows.append(&ndarray::Array2::from_elem((5, 3), round))?;
    rows.set_attr(format!("rust{round}"), vec![round as f64; round as usize % 7 + 1])?;
    root.create_group(format!("rust/{round}"))?.set_attr("text", "x".repeat(round as usize * 10 + 1))?;
    file.flush()?;
    root.new_dataset::<String>()
        .with_data(&vec![format!("round {round}"); 20])
        .create(format!("rust/text{round}"))?;
    if round >= 3 {
        root.unlink(format!("rust/{}", round - 3))?;
        root.unlink(format!("python/{}", round - 2))?;
        rows.delete_attr(format!("python{}", round - 3))?;
    }
    file.close()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let number = arguments.next().ok_or("no round")?.parse()?;
    for path in arguments {
        round(&path, number).map_err(|e| format!("{path}: {e}"))?;
    }
    Ok(())
}
