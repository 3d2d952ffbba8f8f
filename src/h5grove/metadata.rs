//! Metadata as h5grove gives them: structures that serialize to its JSON.

use serde::{Deserialize, Serialize};

use super::dtype::{Dtype, enum_value, memory_size};
use crate::{
    Attribute, ByteOrder, Charset, Dataset, Datatype, DatatypeClass, model::datatype::StringPadding,
};

/// Metadata of any kind of content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Read")]
#[non_exhaustive]
pub enum Metadata {
    /// Of a group.
    Group(GroupMetadata),
    /// Of a dataset.
    Dataset(DatasetMetadata),
    /// Of a committed datatype.
    Datatype(DatatypeMetadata),
    /// Of a soft link that is not resolved.
    SoftLink(SoftLinkMetadata),
    /// Of an external link that is not resolved.
    ExternalLink(ExternalLinkMetadata),
    /// Of what cannot be resolved at all.
    Other(EntityMetadata),
}

/// What content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A group.
    Group,
    /// A dataset.
    Dataset,
    /// A committed datatype.
    Datatype,
    /// A soft link that is not resolved.
    SoftLink,
    /// An external link that is not resolved.
    ExternalLink,
    /// A user-defined link, or a link to an object that cannot be read.
    Other,
}

// The fields of each structure are in alphabetical order: it is that of the JSON.

/// Metadata of what cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityMetadata {
    /// What it is.
    pub kind: Kind,
    /// Last part of the path.
    pub name: String,
}

/// Metadata of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupMetadata {
    /// Its attributes.
    pub attributes: Vec<AttributeMetadata>,
    /// Its members, unless the depth ends here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub children: Option<Vec<Metadata>>,
    /// `group`.
    pub kind: Kind,
    /// Last part of the path.
    pub name: String,
}

/// Metadata of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetMetadata {
    /// Its attributes.
    pub attributes: Vec<AttributeMetadata>,
    /// Extent of a chunk, if it is chunked.
    pub chunks: Option<Vec<u64>>,
    /// Its filters, if there are any.
    pub filters: Option<Vec<FilterMetadata>>,
    /// `dataset`.
    pub kind: Kind,
    /// Last part of the path.
    pub name: String,
    /// Extent; empty for a scalar, none for a null dataspace.
    pub shape: Option<Vec<u64>>,
    /// Type of the elements.
    #[serde(rename = "type")]
    pub datatype: TypeMetadata,
}

/// Metadata of a committed datatype.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatatypeMetadata {
    /// Its attributes.
    pub attributes: Vec<AttributeMetadata>,
    /// `datatype`.
    pub kind: Kind,
    /// Last part of the path.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub datatype: TypeMetadata,
}

/// Metadata of a soft link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftLinkMetadata {
    /// `soft_link`.
    pub kind: Kind,
    /// Last part of the path.
    pub name: String,
    /// Path that it leads to.
    pub target_path: String,
}

/// Metadata of an external link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalLinkMetadata {
    /// `external_link`.
    pub kind: Kind,
    /// Last part of the path.
    pub name: String,
    /// File that it leads to.
    pub target_file: String,
    /// Path in that file.
    pub target_path: String,
}

/// Metadata of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttributeMetadata {
    /// Its name.
    pub name: String,
    /// Extent; empty for a scalar, none for a null dataspace.
    pub shape: Option<Vec<u64>>,
    /// Type of the elements.
    #[serde(rename = "type")]
    pub datatype: TypeMetadata,
}

/// Metadata of a filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterMetadata {
    /// Registered identification.
    pub id: u16,
    /// Its name.
    pub name: String,
}

/// A datatype as the HDF5 library describes it; sizes are those in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TypeMetadata {
    /// Name of the member, within a compound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Code of the class, as in `H5T_class_t`.
    pub class: u8,
    /// The type of numpy.
    pub dtype: DtypeMetadata,
    /// Bytes of an element.
    pub size: u64,
    /// Order of the bytes, as in `H5T_order_t`: integers, floats and bit fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<u8>,
    /// 1 for signed integers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<u8>,
    /// Character set of strings, as in `H5T_cset_t`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cset: Option<u8>,
    /// Padding of strings, as in `H5T_str_t`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strpad: Option<u8>,
    /// Strings of variable length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlen: Option<bool>,
    /// Tag of opaque elements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Extent of arrays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dims: Option<Vec<u32>>,
    /// Members of compounds and enumerations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Members>,
    /// Type of the elements of arrays and sequences, and of the values of enumerations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Box<TypeMetadata>>,
}

/// The type of numpy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DtypeMetadata {
    /// Its name, such as `<f8`.
    Name(String),
    /// Names and types of the members of a compound.
    Members(#[serde(with = "pairs")] Vec<(String, DtypeMetadata)>),
}

impl DtypeMetadata {
    fn of(dtype: &Dtype) -> Self {
        match dtype.fields() {
            Some(fields) => {
                let members = fields.iter().map(|f| (f.name.clone(), DtypeMetadata::of(&f.dtype)));
                DtypeMetadata::Members(members.collect())
            }
            None => DtypeMetadata::Name(dtype.name()),
        }
    }
}

/// Members of a compound or an enumeration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Members {
    /// Members of a compound, in stored order.
    Compound(Vec<TypeMetadata>),
    /// Names and values of an enumeration, in stored order.
    Enum(#[serde(with = "pairs")] Vec<(String, i64)>),
}

/// Names and values as an object, in this order.
mod pairs {
    use std::{fmt, marker::PhantomData};

    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{MapAccess, Visitor},
    };

    pub(super) fn serialize<S: Serializer, V: Serialize>(
        pairs: &[(String, V)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, V)>, D::Error> {
        struct Pairs<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
            type Value = Vec<(String, V)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

/// Metadata of any kind as they are read: `kind` says which fields there are.
#[derive(Deserialize)]
struct Read {
    kind: Kind,
    name: String,
    #[serde(default)]
    attributes: Vec<AttributeMetadata>,
    children: Option<Vec<Metadata>>,
    chunks: Option<Vec<u64>>,
    filters: Option<Vec<FilterMetadata>>,
    shape: Option<Vec<u64>>,
    target_file: Option<String>,
    target_path: Option<String>,
    #[serde(rename = "type")]
    datatype: Option<TypeMetadata>,
}

impl TryFrom<Read> for Metadata {
    type Error = String;

    fn try_from(read: Read) -> Result<Self, String> {
        let Read { kind, name, attributes, children, chunks, filters, shape, .. } = read;
        let missing = |field: &str| format!("missing field `{field}`");
        let target_path = read.target_path.ok_or_else(|| missing("target_path"));
        let datatype = read.datatype.ok_or_else(|| missing("type"));
        Ok(match kind {
            Kind::Group => Metadata::Group(GroupMetadata { attributes, children, kind, name }),
            Kind::Dataset => Metadata::Dataset(DatasetMetadata {
                attributes,
                chunks,
                filters,
                kind,
                name,
                shape,
                datatype: datatype?,
            }),
            Kind::Datatype => {
                Metadata::Datatype(DatatypeMetadata { attributes, kind, name, datatype: datatype? })
            }
            Kind::SoftLink => Metadata::SoftLink(SoftLinkMetadata { kind, name, target_path: target_path? }),
            Kind::ExternalLink => Metadata::ExternalLink(ExternalLinkMetadata {
                kind,
                name,
                target_file: read.target_file.ok_or_else(|| missing("target_file"))?,
                target_path: target_path?,
            }),
            Kind::Other => Metadata::Other(EntityMetadata { kind, name }),
        })
    }
}

fn order(order: ByteOrder) -> u8 {
    match order {
        ByteOrder::Little => 0,
        ByteOrder::Big => 1,
        ByteOrder::Vax => 2,
    }
}

impl TypeMetadata {
    /// Of a datatype.
    pub fn of(datatype: &Datatype) -> Self {
        let mut out = TypeMetadata {
            name: None,
            class: 0,
            dtype: DtypeMetadata::of(&Dtype::of(datatype)),
            size: memory_size(datatype),
            order: None,
            sign: None,
            cset: None,
            strpad: None,
            vlen: None,
            tag: None,
            dims: None,
            members: None,
            base: None,
        };
        let mut string = |padding: &StringPadding, charset: &Charset, vlen| {
            out.cset = Some(u8::from(*charset == Charset::Utf8));
            out.strpad = Some(match padding {
                StringPadding::NullTerminated => 0,
                StringPadding::NullPadded => 1,
                StringPadding::SpacePadded => 2,
            });
            out.vlen = Some(vlen);
            3
        };
        out.class = match &datatype.class {
            DatatypeClass::FixedString { padding, charset } => string(padding, charset, false),
            DatatypeClass::VarString { padding, charset } => string(padding, charset, true),
            DatatypeClass::Integer(t) => {
                out.order = Some(order(t.order));
                out.sign = Some(t.signed.into());
                0
            }
            DatatypeClass::Float(t) => {
                out.order = Some(order(t.order));
                1
            }
            DatatypeClass::Time { .. } => 2,
            DatatypeClass::Bitfield(t) => {
                out.order = Some(order(t.order));
                4
            }
            DatatypeClass::Opaque { tag } => {
                out.tag = Some(tag.to_string());
                5
            }
            DatatypeClass::Compound(members) => {
                let members = members.iter().map(|m| TypeMetadata {
                    name: Some(m.name.to_string()),
                    ..TypeMetadata::of(&m.datatype)
                });
                out.members = Some(Members::Compound(members.collect()));
                6
            }
            DatatypeClass::Reference(_) => 7,
            DatatypeClass::Enum { base, members } => {
                let value = |m| {
                    let wide = enum_value(datatype, m).unwrap_or_default();
                    i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX })
                };
                let members = members.iter().map(|m| (m.name.to_string(), value(m)));
                out.members = Some(Members::Enum(members.collect()));
                out.base = Some(Box::new(TypeMetadata::of(base)));
                8
            }
            DatatypeClass::VarLen(base) => {
                out.base = Some(Box::new(TypeMetadata::of(base)));
                9
            }
            DatatypeClass::Array { dims, base } => {
                out.dims = Some(dims.clone());
                out.base = Some(Box::new(TypeMetadata::of(base)));
                10
            }
            DatatypeClass::Complex(_) => 11,
        };
        out
    }
}

impl AttributeMetadata {
    pub(super) fn of(attribute: &Attribute) -> Self {
        let shape = (!attribute.dataspace().is_null()).then(|| attribute.shape().to_vec());
        AttributeMetadata {
            name: attribute.name().to_string(),
            shape,
            datatype: TypeMetadata::of(attribute.datatype()),
        }
    }
}

impl DatasetMetadata {
    pub(super) fn of(dataset: &Dataset, name: String, attributes: Vec<AttributeMetadata>) -> Self {
        let filters: Vec<FilterMetadata> = dataset
            .filters()
            .iter()
            .map(|filter| {
                let known = || crate::filter_name(filter.id).unwrap_or_default().to_owned();
                FilterMetadata { id: filter.id, name: filter.name.clone().unwrap_or_else(known) }
            })
            .collect();
        DatasetMetadata {
            attributes,
            chunks: dataset.chunk_shape().map(<[u64]>::to_vec),
            filters: (!filters.is_empty()).then_some(filters),
            kind: Kind::Dataset,
            name,
            shape: (!dataset.dataspace().is_null()).then(|| dataset.shape().to_vec()),
            datatype: TypeMetadata::of(dataset.datatype()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        File,
        h5grove::{LinkResolution, create_content, get_list_of_paths},
    };

    #[test]
    fn what_is_read_is_what_was_written() {
        let name = "testdata/h5grove/types.h5";
        let file = File::open(name).unwrap();
        let mut kinds = std::collections::HashSet::new();
        for path in get_list_of_paths(name, None, None, &File::options()).unwrap() {
            for links in [LinkResolution::None, LinkResolution::OnlyValid] {
                let metadata = create_content(&file, Some(&path), links).unwrap().metadata(1).unwrap();
                let text = serde_json::to_string(&metadata).unwrap();
                let read: Metadata =
                    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"));
                assert_eq!(read, metadata, "{path}");
                assert_eq!(serde_json::to_string(&read).unwrap(), text);
                kinds.insert(std::mem::discriminant(&metadata));
            }
        }
        assert!(kinds.len() >= 5, "{}", kinds.len());
    }

    #[test]
    fn what_lacks_a_field_is_refused() {
        for text in [
            r#"{"kind":"dataset","name":"x"}"#,
            r#"{"kind":"soft_link","name":"x"}"#,
            r#"{"kind":"external_link","name":"x","target_path":"/"}"#,
            r#"{"kind":"planet","name":"x"}"#,
            r#"{"name":"x"}"#,
        ] {
            assert!(serde_json::from_str::<Metadata>(text).is_err(), "{text}");
        }
        let group: Metadata = serde_json::from_str(r#"{"kind":"group","name":"x","later":1}"#).unwrap();
        assert!(matches!(group, Metadata::Group(g) if g.name == "x" && g.children.is_none()));
    }
}
