//! The content of a file for viewers, as h5grove 4 and its client H5Web have it: metadata, attributes, data in several
//! encodings, and statistics. Nothing here knows of a web framework; `h5 serve` is a thin layer over it. More examples are
//! in the [`cookbook`].
//!
//! ```
//! use h5::h5grove::{DtypeConversion, LinkResolution, create_content, encoders::{Encoding, encode}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = h5::File::open("testdata/basic.h5")?;
//! let content = create_content(&file, Some("/measurements/temperature"), LinkResolution::OnlyValid)?;
//! println!("{}", serde_json::to_string(&content.metadata(1)?)?);
//! let data = content.data(Some("1:3, 0"), false, DtypeConversion::Safe)?;
//! let response = encode(&data, Encoding::Json)?;
//! let stats = content.data_stats(None)?;
//! assert!(stats.min <= stats.max);
//! # Ok(()) }
//! ```

mod attributes;
#[doc = include_str!("cookbook.md")]
#[cfg_attr(feature = "server", doc = include_str!("cookbook_server.md"))]
pub mod cookbook {}

mod content;
mod data;
mod dtype;
pub mod encoders;
mod error;
mod memory;
mod metadata;
mod pairwise;
mod paths;
mod selection;
mod stats;
mod time;

pub use attributes::Attributes;
pub use content::{
    Content, DatasetContent, DatatypeContent, ExternalLinkContent, GroupContent, LinkResolution,
    OtherContent, SoftLinkContent, create_content, get_content_from_file, hdf_path_join,
};
pub use data::{Check, Data, DtypeConversion};
pub use error::{Error, Result};
pub use metadata::{
    AttributeMetadata, DatasetMetadata, DatatypeMetadata, DtypeMetadata, EntityMetadata,
    ExternalLinkMetadata, FilterMetadata, GroupMetadata, Kind, Members, Metadata, SoftLinkMetadata,
    TypeMetadata,
};
pub use paths::{for_each_path, get_list_of_paths};
pub use selection::{SliceMember, parse_slice};
pub use stats::{Number, Stats, stats};
