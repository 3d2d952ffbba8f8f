//! Committed datatypes as types of datasets and attributes.

use super::{
    State,
    node::{Body, NodeId, aspect},
};
use crate::{
    error::{Error, Result},
    model::datatype::Datatype,
    storage::{dataset::datatype_of, object::ObjectKind},
};

impl State {
    /// The address that a committed datatype will keep, because messages name it.
    pub(super) fn pin_type(&mut self, key: u64, datatype: &Datatype) -> Result<u64> {
        let id = self.open(key)?;
        self.check_type(id, datatype)?;
        // Its header will change, for it counts its uses.
        self.touch(id, aspect::COUNT)?;
        self.pin(id)
    }

    fn check_type(&self, id: NodeId, datatype: &Datatype) -> Result<()> {
        let node = self.node(id)?;
        let stored;
        let own = match &node.body {
            Body::Datatype(own) => &**own,
            Body::Stored if node.kind() == ObjectKind::Datatype => {
                let origin = self.origin()?;
                stored = datatype_of(&origin, &self.object_header(id, &origin)?)?.0;
                &stored
            }
            _ => return Err(Error::usage("not a committed datatype")),
        };
        if own == datatype { Ok(()) } else { Err(Error::type_mismatch(own, datatype)) }
    }

    /// A dataset or attribute begins to have this committed datatype as its type; `count_down` when it ceases to.
    pub(super) fn count_use(&mut self, address: Option<u64>) -> Result<()> {
        let Some(address) = address else { return Ok(()) };
        let id = self.open(address)?;
        self.touch(id, aspect::COUNT)?;
        let node = self.node_mut(id)?;
        let count = match &mut node.stored {
            Some(stored) => &mut stored.links,
            None => &mut node.uses,
        };
        let more = count.checked_add(1);
        *count =
            more.ok_or_else(|| Error::limit("uses of a committed datatype", u64::MAX, u32::MAX.into()))?;
        Ok(())
    }
}
