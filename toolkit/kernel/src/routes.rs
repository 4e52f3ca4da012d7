//! Where the paths of the columns lead, worked out once.

use crate::plan::{Column, Grain, Kind, Plan, Root};
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
    pub message: usize,
    pub cells: Vec<Target>,
    pub envelopes: Vec<Envelope>,
    /// Choices in the line itself.
    pub outer_choices: usize,
    pub reads_line: bool,
    /// Microseconds in the unit of `created`, if that is not a smaller one.
    pub unit: Option<i64>,
}

/// A column whose cells come from the line.
pub struct Target {
    /// Its number.
    pub column: usize,
    pub kind: Kind,
    pub tree: usize,
    /// It is null where the line is the response.
    pub needs_envelope: bool,
    /// It is repeated in all rows of a response.
    pub repeats: bool,
    pub drops: bool,
    pub minimum: i64,
    pub maximum: i64,
    pub ends: Vec<End>,
    /// The bits of their nodes.
    pub bits: u64,
}

/// Where one of the ways of a column ends.
pub struct End {
    pub node: usize,
    /// Only the parts of a list are read.
    pub has_part: bool,
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
        let object = tries[RESPONSE].add_column(&key("object"));
        let message = tries[CHOICE].add_way(&key("message"));
        tries[CHOICE].nodes[message].is_container = true; // another message is an error
        let mut cells = Vec::new();
        for (number, column) in columns.iter().enumerate() {
            if !column.kind.is_given() {
                let drops = column.private && plan.drops_text;
                cells.push(target(number, column, drops, &mut tries[tree_of(column)]));
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
            message,
            cells,
            envelopes,
            outer_choices,
            reads_line: columns.iter().any(|column| column.root == Root::Line),
            unit: scale.and_then(|scale| 10_i64.checked_pow(scale)),
        })
    }
}

fn target(number: usize, column: &Column, drops: bool, trie: &mut Trie) -> Target {
    let end = |way: &crate::plan::ColumnPath| End {
        node: trie.add_column(&way.keys),
        has_part: way.part.is_some(),
        passes_objects: way.passes_objects,
    };
    let ends: Vec<End> = column.ways.iter().map(end).collect();
    Target {
        column: number,
        bits: ends.iter().fold(0, |bits, end| bits | bit(end.node)),
        kind: column.kind,
        tree: tree_of(column),
        needs_envelope: column.root == Root::Envelope,
        repeats: column.grain == Grain::Response,
        drops,
        minimum: column.minimum.unwrap_or(i64::MIN),
        maximum: column.maximum.unwrap_or(i64::MAX),
        ends,
    }
}

fn tree_of(column: &Column) -> usize {
    match column.root {
        Root::Response => RESPONSE,
        Root::Choice => CHOICE,
        Root::Envelope | Root::Line => OUTER,
    }
}

/// Returns whether a column is of a shape that this path knows.
fn is_plain(column: &Column) -> bool {
    column.kind.is_given() || column.root == Root::Choice || column.grain != Grain::Choice
}

/// Returns whether a path ends where the path of another column goes on, or its own one,
/// but for a number: that is read whatever the paths that go on behind it.
fn crosses(column: &Column, columns: &[Column]) -> bool {
    let goes_on = |keys: &[String], other: &Column| {
        let is_own = std::ptr::eq(column, other) && column.kind == Kind::Number;
        let mut ways = other.ways.iter();
        tree_of(other) == tree_of(column)
            && !is_own
            && ways.any(|way| way.keys.len() > keys.len() && way.keys.starts_with(keys))
    };
    let mut ways = column.ways.iter();
    ways.any(|way| columns.iter().any(|other| goes_on(&way.keys, other)))
}
