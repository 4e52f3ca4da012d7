//! Where the paths of the first API of a table lead, worked out once.

use crate::plan::{Api, CHOICES, Column, Condition, Grain, Kind, Path, Plan, Root, Test, Type};
use crate::scanner::{JsonType, Value};
use crate::trie::{Role, Trie, bit};

/// The trees of paths, by where they start.
pub const RESPONSE: usize = 0;
pub const CHOICE: usize = 1;
/// What starts at the line, where it holds more than the response.
pub const OUTER: usize = 2;

/// A node, the types that its value has, and the words that it is; without words any.
pub type Rival = (usize, &'static [JsonType], Vec<String>);

/// A value of a rival is such.
pub fn has_rival(rivals: &[Vec<Rival>], slots: &[Value], line: &[u8], texts: &[u8]) -> bool {
    let is = |(node, types, words): &Rival| {
        let value = &slots[*node];
        let is_word = |word: &String| word.as_bytes() == value.label(line, texts);
        types.contains(&value.kind) && (words.is_empty() || words.iter().any(is_word))
    };
    rivals.iter().any(|rival| rival.iter().all(is))
}

pub struct Routes {
    /// The API, and its table.
    pub api: usize,
    pub table: usize,
    pub tries: [Trie; 3],
    /// The list of choices in the response.
    pub choices: usize,
    /// The tests of the API, and the ones that none of its objects meets; then those of the
    /// APIs that are tried before it, which no object of it meets.
    pub conditions: Vec<[Vec<Vec<Check>>; 2]>,
    /// What an object has that may be of an API that is tried before.
    pub inner_rivals: Vec<Vec<Rival>>,
    pub cells: Vec<Target>,
    /// By envelope: the nodes on the way to it, itself the last.
    pub envelopes: Vec<Vec<usize>>,
    /// What a line has that may itself be a response of any API: all of one of these.
    pub rivals: Vec<Vec<Rival>>,
    pub reads_line: bool,
    /// The most that values of a line may take that are repeated in its rows, and the longest
    /// line that surely has no more.
    pub most_facts: usize,
    pub longest_alike: usize,
    /// Microseconds in the unit of `created`, if that is not a smaller one.
    pub unit: Option<i64>,
}

/// Where a path starts, and where it ends in that tree.
#[derive(Clone, Copy)]
pub struct Place {
    pub root: Root,
    /// The envelope that must hold the response, of the root `At`.
    pub at: Option<usize>,
    pub node: usize,
}

/// A test of a response.
pub struct Check {
    pub place: Place,
    pub test: Test,
    /// A value is there, not which one, decides.
    pub is_presence: bool,
}

/// A column whose cells come from the line.
pub struct Target {
    /// Its number.
    pub column: usize,
    pub kind: Kind,
    pub is_of_choice: bool,
    /// It is repeated in all rows of a response.
    pub repeats: bool,
    /// Its text is not kept: of a private column, or one that nobody asked for.
    pub drops: bool,
    pub is_read: bool,
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
    pub place: Place,
    /// The way goes on into the items of a list.
    pub has_items: bool,
    /// A value is there, not which one, decides on the cell.
    pub is_presence: bool,
    pub passes_objects: bool,
    pub takes_any_shape: bool,
    /// The text of a string is needed, not only whether it is one.
    pub needs_text: bool,
}

impl Target {
    /// Returns whether no value of a type is an error on a way, nor read.
    pub fn takes(&self, way: usize, r#type: JsonType) -> bool {
        let is_text = self.kind.is_text() || self.kind == Kind::Characters;
        !self.is_read && is_text && r#type == JsonType::String && !self.ends[way].has_items
    }
}

impl End {
    /// Returns whether a value of this type is null.
    pub fn passes(&self, kind: JsonType) -> bool {
        self.has_items && self.takes_any_shape && kind != JsonType::List
    }
}

impl Routes {
    /// The routes of the columns, of which only those that are read get cells.
    ///
    /// None: the strict path is to read all lines of such columns or such an API.
    pub fn new(plan: &Plan, table: usize, is_read: &[bool]) -> Option<Self> {
        let number = plan.apis.iter().position(|api| api.table() == table)?;
        let api = &plan.apis[number];
        let columns: Vec<_> = plan.columns[table].iter().zip(&api.paths).collect();
        let is_known = |&(column, paths): &(&Column, &Vec<Path>)| {
            is_plain(column, paths, plan, api) && !crosses(column, paths, &columns)
        };
        if api.choices.is_empty() || !columns.iter().all(is_known) {
            return None;
        }
        let mut tries = [Trie::new(), Trie::new(), Trie::new()];
        let choices = tries[RESPONSE].add_way(&api.choices);
        tries[RESPONSE].nodes[choices].role = Role::Choices;
        let mut cells = Vec::new();
        for (number, &(column, paths)) in columns.iter().enumerate() {
            let is_read = is_read[number];
            if !column.kind.is_given() && (is_read || may_matter(column, paths)) {
                cells.push(target(number, is_read, column, paths, plan, &mut tries));
            }
        }
        let mut envelopes = Vec::new();
        // Chunks in envelopes are few.
        let inner = plan.envelopes.iter().filter(|_| table == CHOICES);
        for (number, keys) in inner.enumerate() {
            let outer = &mut tries[OUTER];
            let end = outer.add_way(keys);
            if outer.nodes[end].is_leaf {
                return None; // a column and an envelope in one place
            }
            outer.nodes[end].role = Role::Envelope(number);
            envelopes.push(outer.along(keys));
        }
        let rivals = plan
            .apis
            .iter()
            .flat_map(|api| rivals(api, &mut tries[OUTER]));
        let rivals = rivals.collect();
        let (alike, others): (Vec<_>, Vec<_>) = plan.apis[..number]
            .iter()
            .partition(|other| other.choices == api.choices);
        let inner_rivals = others
            .iter()
            .flat_map(|api| self::rivals(api, &mut tries[RESPONSE]));
        let inner_rivals = inner_rivals.collect();
        let mut checks = |conditions: &[&Condition]| -> Option<Vec<Vec<Check>>> {
            let alternatives = conditions.iter().copied().flatten();
            let mut check = |test| check(test, plan, &mut tries);
            alternatives
                .map(|tests| tests.iter().map(&mut check).collect())
                .collect()
        };
        let unless = [&api.unless, &api.chunks, &api.errors];
        let mut conditions = vec![[checks(&[&api.tests])?, checks(&unless)?]];
        for api in alike {
            conditions.push([checks(&[&api.tests])?, checks(&[&api.unless])?]);
        }
        let checked = conditions.iter().flatten().flatten().flatten();
        let checked = checked.map(|it| it.place.root);
        let paths = columns.iter().flat_map(|(_, paths)| *paths);
        let mut roots = checked.chain(paths.map(|path| path.root));
        let scale = u32::try_from(plan.created_scale).ok();
        let is_bounded = table != CHOICES;
        let most_facts = if is_bounded {
            plan.most_facts
        } else {
            usize::MAX
        };
        Some(Routes {
            api: number,
            table,
            reads_line: roots.any(|root| root == Root::Line),
            conditions,
            inner_rivals,
            most_facts,
            longest_alike: most_facts / columns.len(),
            tries,
            choices,
            cells,
            envelopes,
            rivals,
            unit: scale.and_then(|scale| 10_i64.checked_pow(scale)),
        })
    }
}

/// Returns the place of a node in the tree of a path.
fn place(path: &Path, root: Root, node: usize, plan: &Plan) -> Place {
    let at = plan.envelopes.iter().position(|keys| *keys == path.at);
    Place { root, at, node }
}

fn check(test: &Test, plan: &Plan, tries: &mut [Trie; 3]) -> Option<Check> {
    let path = &test.path;
    let tree = &mut tries[tree_of(path.root)];
    let node = tree.add_way(&path.steps.keys);
    if !test.words.is_empty() {
        tree.nodes[node].is_text = true;
    }
    let check = Check {
        place: place(path, path.root, node, plan),
        test: test.clone(),
        is_presence: test.words.is_empty() && test.r#type == Type::Any,
    };
    path.steps.items.is_none().then_some(check)
}

/// Returns what a line has that may be a response of an API; it is enough that no response
/// has less.
fn rivals(api: &Api, outer: &mut Trie) -> Vec<Vec<Rival>> {
    let mut rival = |keys: &[String], last: Type, words: &[String]| {
        let types: &[JsonType] = match (keys.len(), last) {
            (2.., _) | (_, Type::Object) => &[JsonType::Object],
            (_, Type::List | Type::Objects | Type::Empty) => &[JsonType::List],
            (_, Type::String) => &[JsonType::String],
            (_, Type::Boolean) => &[JsonType::Bool],
            (_, Type::Any | Type::Filled) => JsonType::ANY,
        };
        let node = outer.add_way(&keys[..1]);
        let words = if keys.len() > 1 { &[] } else { words };
        outer.nodes[node].is_text |= !words.is_empty();
        (node, types, words.to_vec())
    };
    let has_choices = !api.choices.is_empty();
    let mut found = Vec::new();
    if has_choices {
        found.push(vec![rival(&api.choices, Type::List, &[])]);
    }
    for tests in &api.tests {
        let has = || tests.iter().filter(|test| test.expected);
        // Without a list of choices no choice passes a test.
        if !has().any(|test| has_choices && test.path.root == Root::Choice) {
            let rivals = has().map(|test| match &test.path.steps {
                steps if steps.items.is_some() => rival(&steps.keys, Type::List, &[]),
                steps => rival(&steps.keys, test.r#type, &test.words),
            });
            found.push(rivals.collect());
        }
    }
    found
}

/// Returns whether a column that is not read can make a line an error.
fn may_matter(column: &Column, paths: &[Path]) -> bool {
    let has_text = column.grain == Grain::Response && column.kind != Kind::Flag;
    has_text || !paths.iter().all(|path| path.takes_any_shape)
}

fn target(
    number: usize,
    is_read: bool,
    column: &Column,
    paths: &[Path],
    plan: &Plan,
    tries: &mut [Trie; 3],
) -> Target {
    let drops = !is_read || column.private && plan.drops_text;
    let end = |path: &Path| {
        let root = root_of(column, path);
        let needs_text = match column.kind {
            Kind::Marker => !path.prefix.is_empty(),
            Kind::Characters => is_read,
            kind => kind.is_text() && !drops,
        };
        let tree = &mut tries[tree_of(root)];
        let node = tree.add_column(&path.steps.keys, path.takes_any_shape, needs_text);
        let has_items = path.steps.items.is_some();
        End {
            place: place(path, root, node, plan),
            has_items,
            is_presence: column.kind == Kind::Marker && path.prefix.is_empty() && !has_items,
            passes_objects: path.passes_objects,
            takes_any_shape: path.takes_any_shape,
            needs_text,
        }
    };
    let ends: Vec<End> = paths.iter().map(end).collect();
    let mut bits = [0; 3];
    for end in &ends {
        bits[tree_of(end.place.root)] |= bit(end.place.node);
    }
    Target {
        column: number,
        bits,
        kind: column.kind,
        is_of_choice: column.grain == Grain::Choice,
        repeats: column.grain == Grain::Response,
        drops,
        is_read,
        passes_zero: paths.len() > 1,
        minimum: column.minimum.unwrap_or(i64::MIN),
        maximum: column.maximum.unwrap_or(i64::MAX),
        ends,
    }
}

/// Returns where a path of a column starts: only a column of the choice knows choices.
fn root_of(column: &Column, path: &Path) -> Root {
    match path.root {
        Root::Choice if column.grain != Grain::Choice => Root::Response,
        root => root,
    }
}

fn tree_of(root: Root) -> usize {
    match root {
        Root::Response => RESPONSE,
        Root::Choice => CHOICE,
        Root::Envelope | Root::At | Root::Line => OUTER,
    }
}

/// Returns whether a column is of a shape that this path knows.
fn is_plain(column: &Column, paths: &[Path], plan: &Plan, api: &Api) -> bool {
    let is_sum = |path: &Path| !path.plus.is_empty() || path.zero_if.is_some();
    let adds = paths.is_empty() && !column.adds.is_empty();
    let is_other = match column.kind {
        Kind::FinishReason => !api.finish_reasons.is_empty(),
        Kind::Text | Kind::Content | Kind::ToolCalls => false,
        _ => column.private && plan.drops_text,
    };
    !adds && !is_other && !paths.iter().any(is_sum)
}

/// Returns whether a path ends where the path of another column goes on, or its own one,
/// but for a number: that is read whatever the paths that go on behind it.
fn crosses(column: &Column, paths: &[Path], columns: &[(&Column, &Vec<Path>)]) -> bool {
    let goes_on = |from: &Path, (other, paths): &(&Column, &Vec<Path>)| {
        let is_own = std::ptr::eq(column, *other) && column.kind == Kind::Number;
        let tree = tree_of(root_of(column, from));
        let is_below = |path: &Path| {
            let (keys, from) = (&path.steps.keys, &from.steps.keys);
            tree_of(root_of(other, path)) == tree
                && keys.len() > from.len()
                && keys.starts_with(from)
        };
        !is_own && paths.iter().any(is_below)
    };
    let mut paths = paths.iter();
    paths.any(|path| columns.iter().any(|other| goes_on(path, other)))
}
