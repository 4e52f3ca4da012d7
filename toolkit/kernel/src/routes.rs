//! Where the paths of the columns lead, worked out once.

use crate::plan::{BATCH, Column, ColumnPath, Grain, Kind, Plan, Root};
use crate::trie::{Role, Trie, bit};

/// The trees of paths, by where they start.
pub const RESPONSE: usize = 0;
pub const CHOICE: usize = 1;
/// The columns that start at the line, where it holds more than the response.
pub const OUTER: usize = 2;

pub struct Routes {
    pub tries: [Trie; 3],
    pub choices: usize,
    pub object: usize,
    pub usage: usize,
    pub message: usize,
    pub delta: usize,
    pub finish_reason: usize,
    pub text: usize,
    pub cells: Vec<Target>,
    pub envelopes: Vec<Envelope>,
    /// Choices in the line itself.
    pub outer_choices: usize,
    pub reads_line: bool,
    /// The envelope of a line of a batch.
    pub batch: Option<usize>,
    /// Microseconds in the unit of `created`, if that is not a smaller one.
    pub unit: Option<i64>,
}

/// A column whose cells come from the line.
pub struct Target {
    /// Its number.
    pub column: usize,
    pub kind: Kind,
    pub is_of_choice: bool,
    /// It is repeated in all rows of a response.
    pub repeats: bool,
    pub drops: bool,
    /// A 0 is read only if no other way has a value.
    pub passes_zero: bool,
    pub minimum: i64,
    pub maximum: i64,
    pub ends: Vec<End>,
    /// By tree: the bits of their nodes.
    pub bits: [u64; 3],
}

/// Where one of the ways of a column ends.
pub struct End {
    pub root: Root,
    pub node: usize,
    /// Only the parts of a list are read.
    pub has_part: bool,
    /// A value is there, not which one, decides on the cell.
    pub is_presence: bool,
    pub passes_objects: bool,
}

pub struct Envelope {
    /// The nodes on the way to it, itself the last.
    pub along: Vec<usize>,
    pub choices: usize,
}

impl Routes {
    /// None: the strict path is to read all lines of such columns.
    pub fn new(plan: &Plan) -> Option<Self> {
        let columns = &plan.columns;
        let is_known = |column| is_plain(column) && !crosses(column, columns);
        if !columns.iter().all(is_known) {
            return None;
        }
        let mut tries = [Trie::new(), Trie::new(), Trie::new()];
        let key = |name: &str| [name.to_owned()];
        let choices = tries[RESPONSE].add_way(&key("choices"));
        tries[RESPONSE].nodes[choices].role = Role::Choices;
        let object = tries[RESPONSE].add_column(&key("object"), false);
        let usage = tries[RESPONSE].add_way(&key("usage"));
        let [message, delta, finish_reason] =
            ["message", "delta", "finish_reason"].map(|name| tries[CHOICE].add_way(&key(name)));
        let text = tries[CHOICE].add_way(&key("text"));
        tries[CHOICE].nodes[message].is_container = true; // another message is an error
        let mut cells = Vec::new();
        for (number, column) in columns.iter().enumerate() {
            if !column.kind.is_given() {
                let drops = column.private && plan.drops_text;
                cells.push(target(number, column, drops, &mut tries));
            }
        }
        let outer = &mut tries[OUTER];
        let outer_choices = outer.add_way(&key("choices"));
        let mut envelopes = Vec::new();
        for (number, keys) in plan.envelopes.iter().enumerate() {
            let end = outer.add_way(keys);
            if outer.nodes[end].is_leaf {
                return None; // a column and an envelope in one place
            }
            outer.nodes[end].role = Role::Envelope(number);
            envelopes.push(Envelope {
                along: outer.along(keys),
                choices: outer.add_way(&[keys, &key("choices")[..]].concat()),
            });
        }
        let scale = u32::try_from(plan.created_scale).ok();
        Some(Routes {
            tries,
            choices,
            object,
            usage,
            message,
            delta,
            finish_reason,
            text,
            cells,
            envelopes,
            outer_choices,
            reads_line: columns.iter().any(|column| column.root == Root::Line),
            batch: plan.envelopes.iter().position(|keys| keys == &BATCH),
            unit: scale.and_then(|scale| 10_i64.checked_pow(scale)),
        })
    }
}

fn target(number: usize, column: &Column, drops: bool, tries: &mut [Trie; 3]) -> Target {
    let end = |way: &ColumnPath| End {
        root: way.root,
        node: tries[tree_of(way.root)].add_column(&way.keys, way.takes_any_shape),
        has_part: way.part.is_some(),
        is_presence: column.kind == Kind::Marker && way.prefix.is_empty(),
        passes_objects: way.passes_objects,
    };
    let ends: Vec<End> = column.ways.iter().map(end).collect();
    let mut bits = [0; 3];
    for end in &ends {
        bits[tree_of(end.root)] |= bit(end.node);
    }
    Target {
        column: number,
        bits,
        kind: column.kind,
        is_of_choice: column.root == Root::Choice,
        repeats: column.grain == Grain::Response,
        drops,
        passes_zero: column.kind == Kind::Count && column.ways.len() > 1,
        minimum: column.minimum.unwrap_or(i64::MIN),
        maximum: column.maximum.unwrap_or(i64::MAX),
        ends,
    }
}

fn tree_of(root: Root) -> usize {
    match root {
        Root::Response => RESPONSE,
        Root::Choice | Root::Completion => CHOICE,
        Root::Envelope | Root::Batch | Root::Line => OUTER,
    }
}

/// Returns whether a column is of a shape that this path knows.
fn is_plain(column: &Column) -> bool {
    column.kind.is_given() || column.root == Root::Choice || column.grain != Grain::Choice
}

/// Returns whether a path ends where the path of another column goes on, or its own one,
/// but for a number: that is read whatever the paths that go on behind it.
fn crosses(column: &Column, columns: &[Column]) -> bool {
    let goes_on = |from: &ColumnPath, other: &Column| {
        let is_own = std::ptr::eq(column, other) && column.kind == Kind::Number;
        let is_below = |way: &ColumnPath| {
            tree_of(way.root) == tree_of(from.root)
                && way.keys.len() > from.keys.len()
                && way.keys.starts_with(&from.keys)
        };
        !is_own && other.ways.iter().any(is_below)
    };
    let mut ways = column.ways.iter();
    ways.any(|way| columns.iter().any(|other| goes_on(way, other)))
}
