//! The paths of columns as trees of keys, and the keys of the last lines, in their order.

/// The paths of all columns with one root.
#[derive(Default)]
pub struct Trie {
    pub nodes: Vec<Node>,
}

#[derive(Default)]
pub struct Node {
    key: Vec<u8>,
    children: Vec<usize>,
    pub role: Role,
    /// The path of a column ends here.
    pub is_leaf: bool,
    /// The path of a column goes on below: what is no object here is an error.
    pub is_container: bool,
    /// The text of a string here is needed, not only its JSON; none goes on below.
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
    Choices,
    /// The end of an envelope, by its number.
    Envelope(usize),
}

pub const TOP: usize = 0;
/// The child of a key that no path has.
pub const NOWHERE: usize = usize::MAX;

impl Trie {
    pub fn new() -> Self {
        Trie {
            nodes: vec![Node::default()],
        }
    }

    /// Adds the path of a column and returns the number of its end; if it takes any shape,
    /// what is no object on the way is no error.
    pub fn add_column(&mut self, keys: &[String], takes_any_shape: bool, is_text: bool) -> usize {
        let mut at = TOP;
        for key in keys {
            self.nodes[at].is_container |= !takes_any_shape;
            self.nodes[at].is_text = false;
            at = self.child_or_new(at, key);
        }
        let end = &mut self.nodes[at];
        end.is_leaf = true;
        end.is_text |= is_text && end.children.is_empty();
        at
    }

    /// Adds a path whose values may have any type.
    pub fn add_way(&mut self, keys: &[String]) -> usize {
        keys.iter().fold(TOP, |at, key| self.child_or_new(at, key))
    }

    fn child_or_new(&mut self, at: usize, key: &str) -> usize {
        self.child(at, key.as_bytes()).unwrap_or_else(|| {
            let id = self.nodes.len();
            self.nodes.push(Node {
                key: key.as_bytes().to_owned(),
                ..Node::default()
            });
            self.nodes[at].children.push(id);
            id
        })
    }

    /// Finds a key below a node.
    pub fn child(&self, at: usize, key: &[u8]) -> Option<usize> {
        let mut children = self.nodes[at].children.iter().copied();
        children.find(|&id| self.nodes[id].key == key)
    }

    /// The numbers of the nodes on a way that was added.
    pub fn along(&self, keys: &[String]) -> Vec<usize> {
        let mut at = TOP;
        let step = |key: &String| {
            at = self.child(at, key.as_bytes())?;
            Some(at)
        };
        keys.iter().map_while(step).collect()
    }
}

/// A bit for a node; nodes may share one.
pub fn bit(id: usize) -> u64 {
    1 << (id % 64)
}

/// The keys of an object, in their order: those of the next line are likely
/// the same, and a comparison is cheaper than a search.
pub type Guesses = Vec<Guess>;

/// An object with more keys than that is not learned.
pub const MOST_GUESSES: usize = 48;

/// A key with the quote and the colon behind it, and where it leads.
pub struct Guess {
    head: u128,
    mask: u128,
    /// What does not fit into the head.
    rest: Box<[u8]>,
    pub length: usize,
    pub child: usize,
}

impl Guess {
    pub fn new(key: &[u8], child: usize) -> Self {
        let mut ended = key.to_vec();
        ended.extend_from_slice(b"\":");
        let size = ended.len().min(16);
        let mut head = [0; 16];
        head[..size].copy_from_slice(&ended[..size]);
        Guess {
            head: u128::from_le_bytes(head),
            mask: u128::MAX >> (128 - 8 * size),
            rest: ended[size..].into(),
            length: ended.len(),
            child,
        }
    }

    /// Returns whether this key is at the beginning of some bytes.
    #[inline]
    pub fn stands_in(&self, bytes: &[u8]) -> bool {
        let Some(chunk) = bytes.first_chunk::<16>() else {
            return false;
        };
        let is_alike = (u128::from_le_bytes(*chunk) ^ self.head) & self.mask == 0;
        is_alike && (self.rest.is_empty() || bytes[16..].starts_with(&self.rest))
    }
}
