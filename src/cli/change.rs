//! `-f` and `-l` of `h5 repack` and `h5 cp`: filters and layouts in the words of h5repack.

use std::collections::HashMap;

use super::target::usage;
use crate::{
    CopyOptions, Dataset, DatasetChange, DatatypeClass, Error, ErrorKind, File, FilterRequest, FilterSpec,
    LayoutChange, Result,
};

/// How `-f` and `-l` are written.
pub(super) const HELP: &str = "\
Filters: [OBJECT,...:]FILTER[=PARAMETERS], for all datasets or for those named; several -f are applied in order
  GZIP=LEVEL  SHUF  FLET  NBIT  SZIP=PIXELS,NN|EC  SOFF=FACTOR,IN|DS  UD=ID,FLAG,COUNT,VALUE...  NONE
  lzf  lz4[=BLOCK]  zstd[=LEVEL]  bzip2[=LEVEL]  bitshuffle[=lz4|zstd|none]  blosc[=CODEC[,LEVEL[,SHUFFLE]]]
Layouts: [OBJECT,...:]LAYOUT
  CHUNK=DIMxDIM...  CONTI  COMPA";

/// A filter as it is asked for.
#[derive(Clone, Debug, PartialEq)]
enum Wish {
    /// No filters.
    None,
    Filter(FilterRequest),
    /// Scale-offset for integers only, or for floats only.
    ScaleOffset {
        factor: i32,
        float: bool,
    },
}

/// What is asked for, for all datasets and for some.
#[derive(Clone, Debug, Default)]
struct Wishes {
    filters: Option<Vec<Wish>>,
    layout: Option<LayoutChange>,
}

/// The list of objects, if there is one, and the rest.
fn split(text: &str) -> (Vec<&str>, &str) {
    match text.rsplit_once(':') {
        Some((objects, rest)) => (objects.split(',').collect(), rest),
        None => (Vec::new(), text),
    }
}

fn number<T: std::str::FromStr>(text: &str, what: &str) -> Result<T> {
    text.trim().parse().map_err(|_| usage(format!("{text:?} is no {what}")))
}

fn spec(id: u16, client_data: Vec<u32>) -> Wish {
    Wish::Filter(FilterRequest::Custom(FilterSpec { id, optional: false, name: None, client_data }))
}

fn filter(text: &str) -> Result<Wish> {
    let (name, parameters) = text.split_once('=').unwrap_or((text, ""));
    let list: Vec<&str> = if parameters.is_empty() { Vec::new() } else { parameters.split(',').collect() };
    let at = |i: usize| list.get(i).copied();
    let most = |n: usize| match list.len() {
        given if given > n => Err(usage(format!("{text:?}: at most {n} parameters"))),
        _ => Ok(()),
    };
    let missing = |what: &str| usage(format!("{text:?}: {what} is missing"));
    let wish = match &name.to_ascii_lowercase()[..] {
        "none" => most(0).map(|()| Wish::None)?,
        "gzip" | "deflate" => {
            most(1)?;
            Wish::Filter(FilterRequest::Deflate(at(0).map_or(Ok(6), |n| number(n, "level"))?))
        }
        "shuf" | "shuffle" => most(0).map(|()| Wish::Filter(FilterRequest::Shuffle))?,
        "flet" | "fletcher32" => most(0).map(|()| Wish::Filter(FilterRequest::Fletcher32))?,
        "nbit" => most(0).map(|()| Wish::Filter(FilterRequest::Nbit))?,
        "lzf" => most(0).map(|()| Wish::Filter(FilterRequest::Lzf))?,
        "szip" => {
            most(2)?;
            let pixels =
                number(at(0).ok_or_else(|| missing("the number of pixels per block"))?, "number of pixels")?;
            let nearest_neighbour = match at(1) {
                Some("NN") => true,
                Some("EC") => false,
                _ => return Err(usage(format!("{text:?}: the coding is NN or EC"))),
            };
            Wish::Filter(FilterRequest::Szip { nearest_neighbour, pixels_per_block: pixels })
        }
        "soff" => {
            most(2)?;
            let factor = number(at(0).ok_or_else(|| missing("the scale factor"))?, "scale factor")?;
            let float = match at(1) {
                Some("IN") => false,
                Some("DS") => true,
                _ => return Err(usage(format!("{text:?}: the type is IN or DS"))),
            };
            Wish::ScaleOffset { factor, float }
        }
        "ud" => {
            let id = number(at(0).ok_or_else(|| missing("the number of the filter"))?, "number of a filter")?;
            let flag: u32 = number(at(1).ok_or_else(|| missing("the flag"))?, "flag")?;
            let count: usize =
                number(at(2).ok_or_else(|| missing("the number of values"))?, "number of values")?;
            let client_data: Vec<u32> =
                list.iter().skip(3).map(|n| number(n, "value")).collect::<Result<_>>()?;
            if client_data.len() != count {
                return Err(usage(format!("{text:?}: {} values, not {count}", client_data.len())));
            }
            let optional = flag & 1 != 0;
            Wish::Filter(FilterRequest::Custom(FilterSpec { id, optional, name: None, client_data }))
        }
        "bzip2" => {
            most(1)?;
            spec(307, vec![at(0).map_or(Ok(9), |n| number(n, "level"))?])
        }
        "lz4" => {
            most(1)?;
            spec(32004, vec![at(0).map_or(Ok(0), |n| number(n, "number of bytes"))?])
        }
        "zstd" => {
            most(1)?;
            spec(32015, vec![at(0).map_or(Ok(3), |n| number::<i32>(n, "level"))? as u32])
        }
        "bitshuffle" => {
            most(1)?;
            spec(
                32008,
                match at(0) {
                    None | Some("lz4") => vec![0, 0, 0, 0, 2],
                    Some("zstd") => vec![0, 0, 0, 0, 3, 3],
                    Some("none") => vec![0, 0, 0, 0, 0],
                    Some(other) => return Err(usage(format!("{other:?}: lz4, zstd or none"))),
                },
            )
        }
        "blosc" => {
            most(3)?;
            const CODECS: [&str; 6] = ["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"];
            let codec = at(0).unwrap_or("lz4");
            let codec = CODECS.iter().position(|name| *name == codec).ok_or_else(|| {
                usage(format!("{codec:?} is no codec of Blosc; these are: {}", CODECS.join(", ")))
            })?;
            let level = at(1).map_or(Ok(5), |n| number(n, "level"))?;
            let shuffle = at(2).map_or(Ok(1), |n| number(n, "kind of shuffle (0, 1, 2)"))?;
            if shuffle > 2 || level > 9 {
                return Err(usage(format!("{text:?}: levels are 0 to 9, kinds of shuffle 0 to 2")));
            }
            spec(32001, vec![0, 0, 0, 0, level, shuffle, codec as u32])
        }
        _ => return Err(usage(format!("{name:?} is no filter that is known by name"))),
    };
    Ok(wish)
}

fn layout(text: &str) -> Result<LayoutChange> {
    let (name, parameters) = text.split_once('=').unwrap_or((text, ""));
    match (&name.to_ascii_uppercase()[..], parameters) {
        ("COMPA", "") => Ok(LayoutChange::Compact),
        ("CONTI", "") => Ok(LayoutChange::Contiguous),
        ("CHUNK", dims) if !dims.is_empty() => {
            let chunk: Vec<u64> =
                dims.split(['x', 'X']).map(|d| number(d, "extent of a chunk")).collect::<Result<_>>()?;
            if chunk.contains(&0) {
                return Err(usage(format!("{text:?}: a chunk of no elements")));
            }
            Ok(LayoutChange::Chunked(chunk))
        }
        _ => Err(usage(format!("{text:?} is no layout: CHUNK=DIMxDIM, CONTI or COMPA"))),
    }
}

impl Wishes {
    fn add(&mut self, wish: Wish) {
        let filters = self.filters.get_or_insert_default();
        match wish {
            Wish::None => filters.clear(),
            wish => filters.push(wish),
        }
    }

    fn of(&self, dataset: &Dataset) -> Result<DatasetChange> {
        let mut change = DatasetChange { layout: self.layout.clone(), filters: None };
        let Some(wishes) = &self.filters else { return Ok(change) };
        let mut filters = Vec::new();
        for wish in wishes {
            match wish {
                Wish::None => {}
                Wish::Filter(request) => filters.push(request.clone()),
                Wish::ScaleOffset { factor, float } => {
                    let is_float = matches!(dataset.datatype().class, DatatypeClass::Float(_));
                    if is_float != *float {
                        let kind = if *float { "floats" } else { "integers" };
                        return Err(usage(format!("scale-offset of {kind} for {}", dataset.datatype())));
                    }
                    filters.push(FilterRequest::ScaleOffset(*factor));
                }
            }
        }
        change.filters = Some(filters);
        Ok(change)
    }
}

/// Options that make the changes that `-f` and `-l` ask for. What is asked for all datasets and does not suit one is
/// told to `warn`, and that one is copied as it is.
///
/// # Errors
/// `Usage` if they are not written well; `NotFound` for objects that are not there.
pub(super) fn options(
    file: &File,
    filters: &[String],
    layouts: &[String],
    warn: impl Fn(&str) + Clone + Send + Sync + 'static,
) -> Result<CopyOptions> {
    let mut all = Wishes::default();
    let mut some: HashMap<u64, Wishes> = HashMap::new();
    let address = |path: &str| Ok::<_, Error>(file.dataset(path)?.address());
    for text in filters {
        let (objects, rest) = split(text);
        let wish = filter(rest)?;
        if objects.is_empty() {
            all.add(wish.clone());
        }
        for object in objects {
            some.entry(address(object)?).or_default().add(wish.clone());
        }
    }
    for text in layouts {
        let (objects, rest) = split(text);
        let change = layout(rest)?;
        if objects.is_empty() {
            all.layout = Some(change.clone());
        }
        for object in objects {
            some.entry(address(object)?).or_default().layout = Some(change.clone());
        }
    }
    if all.filters.is_none() && all.layout.is_none() && some.is_empty() {
        return Ok(CopyOptions::new());
    }
    let listed: Vec<u64> = some.keys().copied().collect();
    let complain = warn.clone();
    Ok(CopyOptions::new()
        .each_dataset(move |dataset| {
            let mut wishes = all.clone();
            let own = some.get(&dataset.address());
            if let Some(own) = own {
                wishes.filters = own.filters.clone().or(wishes.filters);
                wishes.layout = own.layout.clone().or(wishes.layout);
            }
            match wishes.of(dataset) {
                Err(error) if own.is_none() => {
                    warn(&format!("{} is copied as it is: {error}", dataset.path()));
                    Ok(DatasetChange::default())
                }
                Err(error) => Err(Error::new(ErrorKind::Usage(format!("{}: {error}", dataset.path())))),
                change => change,
            }
        })
        .if_refused(move |dataset, error| {
            if listed.contains(&dataset.address()) {
                return false;
            }
            complain(&format!("{} is copied as it is: {error}", dataset.path()));
            true
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_as_h5repack_has_them() {
        let request = |text| match filter(text).unwrap() {
            Wish::Filter(request) => request,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(request("GZIP=4"), FilterRequest::Deflate(4));
        assert_eq!(request("SHUF"), FilterRequest::Shuffle);
        assert_eq!(
            request("SZIP=8,NN"),
            FilterRequest::Szip { nearest_neighbour: true, pixels_per_block: 8 }
        );
        assert_eq!(filter("SOFF=2,IN").unwrap(), Wish::ScaleOffset { factor: 2, float: false });
        assert_eq!(filter("NONE").unwrap(), Wish::None);
        let FilterRequest::Custom(own) = request("UD=307,1,1,9") else { panic!() };
        assert_eq!((own.id, own.optional, own.client_data), (307, true, vec![9]));
        let FilterRequest::Custom(own) = request("blosc=zstd,3,2") else { panic!() };
        assert_eq!((own.id, own.client_data), (32001, vec![0, 0, 0, 0, 3, 2, 5]));
        for bad in
            ["GZIP=x", "SZIP=8", "SOFF=2", "UD=307,1,2,9", "SHUF=1", "what", "", "blosc=lzma", "SZIP=8,XX"]
        {
            assert!(matches!(filter(bad).unwrap_err().kind(), ErrorKind::Usage(_)), "{bad}");
        }
    }

    #[test]
    fn layouts_and_lists_of_objects() {
        assert_eq!(split("/a:b,/c:GZIP=1"), (vec!["/a:b", "/c"], "GZIP=1"));
        assert_eq!(split("GZIP=1"), (vec![], "GZIP=1"));
        assert_eq!(layout("CHUNK=20x10").unwrap(), LayoutChange::Chunked(vec![20, 10]));
        assert_eq!(layout("CONTI").unwrap(), LayoutChange::Contiguous);
        for bad in ["CHUNK", "CHUNK=0x2", "CHUNK=axb", "COMPA=1", "x"] {
            assert!(layout(bad).is_err(), "{bad}");
        }
    }
}
