//! All objects of a session.

use super::node::{Node, NodeId};

/// Objects in memory that is never moved, however many they become.
#[derive(Debug, Default)]
pub(super) struct Nodes(Vec<Vec<Node>>);

/// Objects in one piece of that memory.
const PIECE: usize = 256;

impl Nodes {
    pub(super) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * PIECE + last.len())
    }

    pub(super) fn push(&mut self, node: Node) {
        match self.0.last_mut().filter(|last| last.len() < PIECE) {
            Some(last) => last.push(node),
            None => {
                // A few objects are to cost little.
                let mut piece = Vec::with_capacity(if self.0.is_empty() { 4 } else { PIECE });
                piece.push(node);
                self.0.push(piece);
            }
        }
    }

    /// Takes the last one away.
    pub(super) fn pop(&mut self) {
        let last = self.0.last_mut();
        if last.is_some_and(|last| last.pop().is_some() && last.is_empty()) {
            self.0.pop();
        }
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        let n = id.0 as usize;
        self.0.get(n / PIECE)?.get(n % PIECE)
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        let n = id.0 as usize;
        self.0.get_mut(n / PIECE)?.get_mut(n % PIECE)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.0.iter().flatten()
    }
}
