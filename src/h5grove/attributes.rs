//! Attributes of an object with their values.

use super::Data;

/// Attributes of an object: names and values, in the order in which h5py lists them.
#[derive(Clone, Debug, Default)]
pub struct Attributes(pub(super) Vec<(String, Data)>);

impl Attributes {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Data)> {
        self.0.iter().map(|(name, data)| (name.as_str(), data))
    }
    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Data> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, data)| data)
    }
    /// Number of attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
