//! Which columns or checks read the values of an object: by bits, so that only those are
//! asked that have a value, and not all that there are.

use crate::scanner::{JsonType, Value};

/// What reads the values of a row of slots: by node, a bit for each reader.
#[derive(Default)]
pub struct Readers {
    /// A bit for each node that has readers.
    nodes: Vec<u64>,
    readers: Vec<u128>,
}

/// An API with more ways, or APIs with more checks, are read by the strict path.
pub const MOST_READERS: usize = 127;
/// The bit of a value that must be an object, if it is there: a path goes on below.
pub const CONTAINER: u128 = 1 << MOST_READERS;

impl Readers {
    pub fn add(&mut self, node: usize, bits: u128) {
        let tops = self.nodes.len().max(node / 64 + 1);
        self.nodes.resize(tops, 0);
        self.nodes[node / 64] |= 1 << (node % 64);
        if self.readers.len() <= node {
            self.readers.resize(node + 1, 0);
        }
        self.readers[node] |= bits;
    }

    /// Returns the bits of all that have a value in a row; None: one that must be an object is
    /// something else.
    #[inline]
    pub fn of(&self, row: &[Value]) -> Option<u128> {
        let mut found = 0;
        for (top, (nodes, value)) in self.nodes.iter().zip(row).enumerate() {
            let mut noted = value.extra & nodes;
            while noted != 0 {
                let node = 64 * top + noted.trailing_zeros() as usize;
                noted &= noted - 1;
                found |= match row[node].kind {
                    JsonType::Missing | JsonType::Null => 0,
                    JsonType::Object => self.readers[node] & !CONTAINER,
                    _ => self.readers[node],
                };
            }
        }
        (found & CONTAINER == 0).then_some(found)
    }
}
