//! The paths of columns and tests as trees of keys, and the keys of the last lines.

use crate::scanner::Value;

/// All paths that start at one kind of object.
pub struct Trie {
    pub nodes: Vec<Node>,
    /// How many nodes the trees before it have.
    pub first: usize,
}

#[derive(Default)]
pub struct Node {
    key: Vec<u8>,
    children: Vec<usize>,
    pub role: Role,
    /// The text of a string here is needed, not only its JSON.
    pub is_text: bool,
}

impl Node {
    pub fn has_children(&self) -> bool {
        !self.children.is_empty()
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    #[default]
    Plain,
    /// A list of choices, by its number.
    Choices(usize),
    /// The end of an envelope, by its number.
    Envelope(usize),
}

pub const TOP: usize = 0;
/// Nodes without a key: the extras of their slots have a bit for each node with a value.
pub const TOPS: usize = 8;
/// No tree has more nodes.
pub const MOST_NODES: usize = TOPS * 64;
/// The child of a key that no path has.
pub const NOWHERE: usize = usize::MAX;

impl Default for Trie {
    fn default() -> Self {
        let nodes = (0..TOPS).map(|_| Node::default()).collect();
        Trie { nodes, first: 0 }
    }
}

impl Trie {
    /// Adds a path and returns the number of its end.
    pub fn add(&mut self, keys: &[String]) -> usize {
        keys.iter().fold(TOP, |at, key| {
            self.child(at, key.as_bytes()).unwrap_or_else(|| {
                let id = self.nodes.len();
                self.nodes.push(Node {
                    key: key.as_bytes().to_owned(),
                    ..Node::default()
                });
                self.nodes[at].children.push(id);
                id
            })
        })
    }

    /// Finds a key below a node.
    pub fn child(&self, at: usize, key: &[u8]) -> Option<usize> {
        let mut children = self.nodes[at].children.iter().copied();
        children.find(|&id| self.nodes[id].key == key)
    }

    /// The numbers of the nodes on a path that was added.
    pub fn along(&mut self, keys: &[String]) -> Vec<usize> {
        (1..=keys.len())
            .map(|count| self.add(&keys[..count]))
            .collect()
    }
}

/// Returns whether a node of a row has a value: what else is in its slot is of another line.
#[inline]
pub fn has_value(row: &[Value], id: usize) -> bool {
    row[id / 64].extra >> (id % 64) & 1 == 1
}

/// Notes that a node of a row has a value.
#[inline]
pub fn note_value(row: &mut [Value], id: usize) {
    row[id / 64].extra |= 1 << (id % 64);
}

/// The keys of the objects at a node, and which followed which: in the next object the
/// order is likely the same, and a comparison is cheaper than a search.
pub struct Keys {
    known: Vec<Key>,
    /// By a hash of a key: the number of the last such key.
    numbers: [u8; 64],
}

/// More keys are not learned.
const MOST_KEYS: usize = 96;
/// The key before the first.
pub const START: usize = 0;

/// A key with the quote and the colon behind it, and where it leads.
#[derive(Default)]
struct Key {
    head: u128,
    mask: u128,
    /// What does not fit into the head.
    rest: Box<[u8]>,
    length: usize,
    child: usize,
    /// The last two keys that followed.
    next: [usize; 2],
}

impl Default for Keys {
    fn default() -> Self {
        Keys {
            // Before the first key: sixteen zero bytes, with no value behind them.
            known: vec![Key {
                mask: u128::MAX,
                child: NOWHERE,
                ..Key::default()
            }],
            numbers: [START as u8; 64],
        }
    }
}

impl Keys {
    /// Finds the key at the beginning of some bytes, if it is one that followed the last key.
    #[inline]
    pub fn find(&mut self, last: usize, bytes: &[u8; 16], all: &[u8]) -> Option<usize> {
        let bytes = u128::from_le_bytes(*bytes);
        let is = |number: &usize| self.known[*number].begins(bytes, all);
        let [next, other] = self.known[last].next;
        if is(&next) {
            return Some(next);
        }
        if is(&other) {
            return Some(other);
        }
        None
    }

    /// Finds a key that did not follow the last key, or learns it with the child that it leads
    /// to; `all` begins with it, and with the quote and the colon behind it.
    pub fn seek(
        &mut self,
        last: usize,
        key: &[u8],
        all: &[u8],
        child: impl FnOnce() -> usize,
    ) -> Option<usize> {
        let bytes = u128::from_le_bytes(*all.first_chunk()?);
        let place = xxhash_rust::xxh3::xxh3_64(key) as usize % self.numbers.len();
        let is = |number: &usize| self.known[*number].begins(bytes, all);
        let number = Some(usize::from(self.numbers[place])).filter(is);
        let number = number.or_else(|| (START..self.known.len()).find(is));
        let number = match number {
            Some(number) => number,
            None if self.known.len() == MOST_KEYS => return None,
            None => {
                self.known.push(Key::new(key, child()));
                self.known.len() - 1
            }
        };
        self.numbers[place] = number as u8;
        self.known[last].next = [number, self.known[last].next[0]];
        Some(number)
    }

    /// Returns the length of a key with what is behind it, and the child that it leads to.
    #[inline]
    pub fn get(&self, number: usize) -> (usize, usize) {
        (self.known[number].length, self.known[number].child)
    }
}

impl Key {
    fn new(key: &[u8], child: usize) -> Self {
        let mut ended = key.to_vec();
        ended.extend_from_slice(b"\":");
        let size = ended.len().min(16);
        let mut head = [0; 16];
        head[..size].copy_from_slice(&ended[..size]);
        Key {
            head: u128::from_le_bytes(head),
            mask: u128::MAX >> (128 - 8 * size),
            rest: ended[size..].into(),
            length: ended.len(),
            child,
            next: [START; 2],
        }
    }

    #[inline]
    fn begins(&self, bytes: u128, all: &[u8]) -> bool {
        (bytes ^ self.head) & self.mask == 0
            && (self.rest.is_empty() || all[16..].starts_with(&self.rest))
    }
}
