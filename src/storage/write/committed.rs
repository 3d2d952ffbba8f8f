//! Committed datatypes as types of datasets and attributes.

use super::{State, node::Body};
use crate::{
    error::{Error, Result},
    model::datatype::Datatype,
};

impl State {
    /// The address that a committed datatype will keep, because messages name it.
    pub(super) fn pin_type(&mut self, key: u64, datatype: &Datatype) -> Result<u64> {
        let id = self.find(key)?;
        match &self.node(id)?.body {
            Body::Datatype(own) if **own == *datatype => {}
            Body::Datatype(own) => return Err(Error::type_mismatch(own, datatype)),
            _ => return Err(Error::usage("not a committed datatype")),
        }
        // Its header will change, for it counts its uses.
        self.touch(id)?;
        self.pin(id)
    }

    /// A dataset or attribute begins or ceases to have this committed datatype as its type.
    pub(super) fn count_use(&mut self, address: Option<u64>, change: i32) -> Result<()> {
        let Some(address) = address else { return Ok(()) };
        let id = self.find(address)?;
        self.touch(id)?;
        let node = self.node_mut(id)?;
        node.uses = node
            .uses
            .checked_add_signed(change)
            .ok_or_else(|| Error::limit("uses of a committed datatype", u64::MAX, u64::from(u32::MAX)))?;
        Ok(())
    }
}
