//! Deleting attributes.

use super::Session;
use crate::{
    error::{Error, Result},
    model::link::Name,
};

impl Session {
    pub(crate) fn delete_attribute(&self, address: u64, name: &[u8]) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.find(address)?;
        let key = Name::from(name);
        let Some(committed) = state.node(id)?.attributes.map.get(&key).map(|a| a.committed) else {
            return Err(Error::not_found(format!("attribute {key}")));
        };
        state.touch(id)?;
        state.count_use(committed, -1)?;
        state.node_mut(id)?.attributes.map.remove(&key);
        Ok(())
    }
}
