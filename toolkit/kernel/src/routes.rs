//! Where the tests and the paths of all APIs lead, worked out once.

use crate::plan::{
    Api, CHUNKS, Column, Condition, Grain, Kind, Path, Plan, Root, Steps, Test, Type,
};
use crate::readers::{CONTAINER, MOST_READERS, Readers};
use crate::scanner::JsonType;
use crate::trie::{MOST_NODES, Role, TOP, Trie};

/// The tree of what starts at a line or a response; behind it one for each list of choices.
pub const OBJECT: usize = 0;
/// The most lists of choices that APIs have, each perhaps shared by some of them.
pub const MOST_LISTS: usize = 4;

pub struct Routes {
    pub tries: Vec<Trie>,
    /// The nodes of the lists of choices.
    pub lists: Vec<usize>,
    /// By envelope: the nodes on the way to it, itself the last.
    pub envelopes: Vec<Vec<usize>>,
    pub checks: Vec<Check>,
    /// The checks of values of a response, of the line by its envelope, and of each list.
    pub checked: Roots,
    /// The bits of checks that a value passes by being there.
    pub presences: u128,
    /// In the order in which they are tried on a line.
    pub apis: Vec<Route>,
    /// Microseconds in the unit of `created`, if that is not a smaller one.
    pub unit: Option<i64>,
}

/// Any of these, each with all of its checks.
pub type Alternatives = Vec<Checks>;

/// A bit for each check that must pass, and for each that must not.
#[derive(Clone, Copy, Default)]
pub struct Checks {
    pub passed: u128,
    pub failed: u128,
}

/// What reads values of a response; of the line, if there is no envelope and in each of the
/// envelopes; and of the choices of each list.
#[derive(Default)]
pub struct Roots {
    pub response: Readers,
    lines: Vec<Readers>,
    pub choices: Vec<Readers>,
}

impl Roots {
    fn new(envelopes: usize) -> Self {
        Roots {
            response: Readers::default(),
            lines: (0..=envelopes).map(|_| Readers::default()).collect(),
            choices: (0..MOST_LISTS).map(|_| Readers::default()).collect(),
        }
    }

    /// Returns what reads values of the line if the response is in an envelope, or in none.
    pub fn line(&self, envelope: Option<usize>) -> &Readers {
        &self.lines[envelope.map_or(0, |envelope| envelope + 1)]
    }

    /// Adds readers of a place, by their bits.
    fn add(&mut self, place: &Place, list: Option<usize>, bits: u128) {
        let at = place.at.map_or(0, |at| usize::from(at) + 1);
        let lines = match place.root {
            Root::Response => std::slice::from_mut(&mut self.response),
            Root::Choice => &mut self.choices[list.unwrap_or(0)..][..1],
            Root::Line => &mut self.lines[..],
            Root::Envelope => &mut self.lines[1..],
            Root::At if at > 0 => &mut self.lines[at..=at],
            Root::At => return,
        };
        for readers in lines {
            readers.add(place.node as usize, bits);
        }
    }
}

/// How an API is recognized and read.
pub struct Route {
    pub table: usize,
    /// The list of its choices; None: the response is the only one.
    pub list: Option<usize>,
    /// See `crate::plan::Api`; what is refused is a chunk or an error.
    pub tests: Alternatives,
    pub unless: Alternatives,
    pub refused: Alternatives,
    pub targets: Vec<Target>,
    /// What reads its values: a bit for each way of a target, in this order.
    pub ways: Roots,
    /// By way: its target.
    pub owners: Vec<u8>,
    /// The ways of columns of the choice, and of those repeated in all rows of a response.
    pub of_choice: u128,
    pub repeated: u128,
    pub sums: Vec<Sum>,
    /// The most that values of a line may take that are repeated in its rows, and the longest
    /// line that surely has no more.
    pub most_facts: usize,
    pub longest_alike: usize,
}

/// Where a path starts, and where it ends in that tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub root: Root,
    /// The envelope that must hold the response, of the root `At`.
    pub at: Option<u16>,
    pub node: u32,
}

/// A test of a response, or of any of its choices.
pub struct Check {
    pub place: Place,
    pub list: Option<usize>,
    pub test: Test,
}

impl Check {
    /// Returns whether it is enough that a value is there, whichever it is.
    pub fn is_presence(&self) -> bool {
        self.test.words.is_empty() && self.test.r#type == Type::Any
    }

    /// Returns whether it depends on the text of a value, not on its type alone.
    pub fn is_by_text(&self) -> bool {
        !self.test.words.is_empty() || self.test.r#type == Type::Filled
    }
}

/// A column whose cells come from the line.
pub struct Target {
    pub api: usize,
    /// Its number.
    pub column: usize,
    pub kind: Kind,
    pub is_of_choice: bool,
    /// Its text is not kept: of a private column, or one that is not in the schema.
    pub drops: bool,
    pub is_read: bool,
    /// A 0 is read only if no other way has a value.
    pub passes_zero: bool,
    pub minimum: i64,
    pub maximum: i64,
    pub ends: Vec<End>,
    /// The bits of its ways in their half of those of the route, and the place of the first one.
    pub ways: u64,
    pub first: u32,
}

/// Where one of the ways of a column ends.
pub struct End {
    pub place: Place,
    /// The way goes on into the items of a list.
    pub has_items: bool,
    /// The cell depends only on whether a value is there.
    pub is_presence: bool,
    pub passes_objects: bool,
    pub takes_any_shape: bool,
    /// The text of a string is needed, not only its type.
    pub needs_text: bool,
    /// The rest of a sum of counts. Boxed, as most ends have none.
    pub sum: Option<Box<Parts>>,
}

/// A sum of counts, without the first one.
pub struct Parts {
    /// Further counts, each at the first of some places that has one.
    pub plus: Vec<Vec<Place>>,
    /// What makes the first count 0 if it is not there.
    pub zero_if: Option<Place>,
}

/// A column that adds other ones, by the numbers of their targets.
pub struct Sum {
    pub column: usize,
    pub parts: Vec<usize>,
    pub minimum: i64,
    pub maximum: i64,
}

impl Target {
    /// All places where it has values.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.ends.iter().flat_map(End::places)
    }

    /// Returns whether values of a type need no look: they are allowed, and the cell is not built.
    pub fn takes(&self, way: usize, r#type: JsonType) -> bool {
        let is_text = self.kind.is_text() || self.kind == Kind::Characters;
        !self.is_read && is_text && r#type == JsonType::String && !self.ends[way].has_items
    }
}

impl End {
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        let parts = self.sum.iter();
        let more = parts.flat_map(|it| it.plus.iter().flatten().chain(&it.zero_if));
        std::iter::once(&self.place).chain(more)
    }

    /// Returns whether a value of this type is null.
    pub fn passes(&self, kind: JsonType) -> bool {
        self.has_items && self.takes_any_shape && kind != JsonType::List
    }
}

impl Routes {
    /// The routes of the columns of both tables, of which only those that are read get cells.
    ///
    /// None: the strict path is to read all lines of such columns or APIs.
    pub fn new(plan: &Plan, is_read: [&[bool]; 2]) -> Option<Self> {
        let mut routes = Routes {
            tries: vec![Trie::default()],
            lists: Vec::new(),
            envelopes: Vec::new(),
            checks: Vec::new(),
            checked: Roots::new(plan.envelopes.len()),
            presences: 0,
            apis: Vec::new(),
            unit: u32::try_from(plan.created_scale)
                .ok()
                .and_then(|scale| 10_i64.checked_pow(scale)),
        };
        for number in 0..plan.apis.len() {
            let route = routes.route(plan, number, is_read)?;
            routes.apis.push(route);
        }
        for (number, keys) in plan.envelopes.iter().enumerate() {
            let along = routes.tries[OBJECT].along(keys);
            let end = &mut routes.tries[OBJECT].nodes[*along.last()?];
            if end.role != Role::Plain {
                return None;
            }
            end.role = Role::Envelope(number);
            routes.envelopes.push(along);
        }
        let mut first = 0;
        for trie in &mut routes.tries {
            trie.first = first;
            first += trie.nodes.len();
        }
        let is_small = |trie: &Trie| trie.nodes.len() <= MOST_NODES;
        routes.tries.iter().all(is_small).then_some(routes)
    }

    fn route(&mut self, plan: &Plan, number: usize, is_read: [&[bool]; 2]) -> Option<Route> {
        let api = &plan.apis[number];
        let table = api.table();
        let list = self.list(api)?;
        let columns = || plan.columns[table].iter().zip(&api.paths).enumerate();
        let mut targets = Vec::new();
        let mut ways = Roots::new(plan.envelopes.len());
        let (mut owners, mut of_choice, mut repeated) = (Vec::new(), 0, 0);
        for (place, (column, paths)) in columns() {
            is_plain(column, paths, plan).then_some(())?;
            if column.kind.is_given() || paths.is_empty() {
                continue;
            }
            let is_added = columns().any(|(_, (it, _))| it.adds.contains(&column.name));
            let is_read = is_read[table][place];
            if is_read || is_added || may_matter(column, paths) {
                let mut target = self.target(plan, list, column, paths, is_read)?;
                (target.api, target.column) = (number, place);
                if owners.len() < 64 && owners.len() + target.ends.len() > 64 {
                    owners.resize(64, 0); // all of its ways are in one half
                }
                (owners.len() + target.ends.len() <= MOST_READERS).then_some(())?;
                target.first = owners.len() as u32 % 64;
                for end in &target.ends {
                    let way = 1_u128 << owners.len();
                    target.ways |= 1 << (owners.len() % 64);
                    end.places().for_each(|place| ways.add(place, list, way));
                    match column.grain {
                        Grain::Choice => of_choice |= way,
                        Grain::Response => repeated |= way,
                        Grain::Summed => {}
                    }
                    owners.push(targets.len() as u8);
                }
                targets.push(target);
                for path in paths.iter().filter(|path| !path.takes_any_shape) {
                    self.add_containers(plan, list, column, path, &mut ways);
                }
            }
        }
        let sums =
            columns().filter(|(_, (column, paths))| !column.adds.is_empty() && paths.is_empty());
        let sum = |(place, (column, _)): (usize, (&Column, _))| {
            let part = |name: &String| {
                let is = |target: &Target| plan.columns[table][target.column].name == *name;
                targets.iter().position(is)
            };
            Some(Sum {
                column: place,
                parts: column.adds.iter().map(part).collect::<Option<_>>()?,
                minimum: column.minimum.unwrap_or(i64::MIN),
                maximum: column.maximum.unwrap_or(i64::MAX),
            })
        };
        let sums = sums.filter_map(sum).collect();
        let mut alternatives = |conditions: &[&Condition]| -> Option<Alternatives> {
            let mut all = |tests: &Vec<Test>| {
                let mut checks = Checks::default();
                for test in tests {
                    let bit = 1 << self.check(plan, list, test)?;
                    match test.expected {
                        true => checks.passed |= bit,
                        false => checks.failed |= bit,
                    }
                }
                Some(checks)
            };
            conditions.iter().copied().flatten().map(&mut all).collect()
        };
        let most_facts = if table == CHUNKS {
            plan.most_facts
        } else {
            usize::MAX
        };
        Some(Route {
            table,
            list,
            tests: alternatives(&[&api.tests])?,
            unless: alternatives(&[&api.unless])?,
            refused: alternatives(&[&api.chunks, &api.errors])?,
            targets,
            ways,
            owners,
            of_choice,
            repeated,
            sums,
            most_facts,
            longest_alike: most_facts / plan.columns[table].len(),
        })
    }

    /// Returns the number of the list of the choices of an API.
    fn list(&mut self, api: &Api) -> Option<Option<usize>> {
        let node = match api.choices.len() {
            0 => return Some(None),
            1 => self.tries[OBJECT].add(&api.choices),
            _ => return None,
        };
        let known = self.lists.iter().position(|&known| known == node);
        let list = known.unwrap_or(self.lists.len());
        if known.is_none() {
            self.lists.push(node);
            self.tries.push(Trie::default());
            self.tries[OBJECT].nodes[node].role = Role::Choices(list);
        }
        (list < MOST_LISTS).then_some(Some(list))
    }

    /// Returns the tree of what starts at a root.
    fn tree(&mut self, root: Root, list: Option<usize>) -> &mut Trie {
        match (root, list) {
            (Root::Choice, Some(list)) => &mut self.tries[OBJECT + 1 + list],
            _ => &mut self.tries[OBJECT],
        }
    }

    fn place(&mut self, plan: &Plan, list: Option<usize>, path: &Path, keys: &[String]) -> Place {
        let root = match path.root {
            Root::Choice if list.is_none() => Root::Response, // it is its only choice
            root => root,
        };
        let at = plan.envelopes.iter().position(|keys| *keys == path.at);
        let at = at.and_then(|at| u16::try_from(at).ok());
        let node = self.tree(root, list).add(keys) as u32;
        Place { root, at, node }
    }

    fn check(&mut self, plan: &Plan, list: Option<usize>, test: &Test) -> Option<usize> {
        let path = &test.path;
        let place = self.place(plan, list, path, &path.steps.keys);
        let list = list.filter(|_| place.root == Root::Choice);
        if path.steps.items.is_some() || place.node as usize == TOP {
            return None;
        }
        if !test.words.is_empty() {
            self.tree(place.root, list).nodes[place.node as usize].is_text = true;
        }
        let is_same = |other: &Check| {
            let tests = (&other.test.words, other.test.r#type);
            other.place == place && other.list == list && tests == (&test.words, test.r#type)
        };
        let known = self.checks.iter().position(is_same);
        let number = known.unwrap_or(self.checks.len());
        if known.is_none() {
            (number < MOST_READERS).then_some(())?;
            self.checked.add(&place, list, 1 << number);
            let test = test.clone();
            let check = Check { place, list, test };
            self.presences |= u128::from(check.is_presence()) << number;
            self.checks.push(check);
        }
        Some(number)
    }

    /// Returns the target of a column; its numbers are set later.
    fn target(
        &mut self,
        plan: &Plan,
        list: Option<usize>,
        column: &Column,
        paths: &[Path],
        is_read: bool,
    ) -> Option<Target> {
        let drops = !is_read || column.private && plan.drops_text;
        // Only a column of the choice knows choices.
        let list = list.filter(|_| column.grain == Grain::Choice);
        let mut ends = Vec::new();
        for path in paths {
            let has_items = path.steps.items.is_some();
            let mut place = |steps: &Steps| {
                let is_plain = steps.items.is_none() && column.kind == Kind::Count;
                is_plain.then(|| self.place(plan, list, path, &steps.keys))
            };
            let plus = path.plus.iter();
            let plus = plus.map(|all| all.iter().map(&mut place).collect::<Option<Vec<_>>>());
            let plus = plus.collect::<Option<Vec<_>>>()?;
            let zero_if = match &path.zero_if {
                Some(steps) => Some(place(steps)?),
                None => None,
            };
            let place = self.place(plan, list, path, &path.steps.keys);
            let needs_text = match column.kind {
                _ if has_items => false,
                Kind::Marker => !path.prefix.is_empty(),
                Kind::Characters => is_read,
                kind => kind.is_text() && !drops,
            };
            let node = &mut self.tree(place.root, list).nodes[place.node as usize];
            node.is_text |= needs_text;
            let end = End {
                place,
                has_items,
                is_presence: column.kind == Kind::Marker && path.prefix.is_empty() && !has_items,
                passes_objects: path.passes_objects,
                takes_any_shape: path.takes_any_shape,
                needs_text,
                sum: (!plus.is_empty() || zero_if.is_some())
                    .then(|| Box::new(Parts { plus, zero_if })),
            };
            if end.places().any(|place| place.node as usize == TOP)
                || end.sum.is_some() && has_items
            {
                return None;
            }
            ends.push(end);
        }
        Some(Target {
            api: 0,
            column: 0,
            ways: 0,
            first: 0,
            kind: column.kind,
            is_of_choice: column.grain == Grain::Choice,
            drops,
            is_read,
            passes_zero: paths.len() > 1,
            minimum: column.minimum.unwrap_or(i64::MIN),
            maximum: column.maximum.unwrap_or(i64::MAX),
            ends,
        })
    }

    /// Adds the objects that a path passes to what reads values.
    fn add_containers(
        &mut self,
        plan: &Plan,
        list: Option<usize>,
        column: &Column,
        path: &Path,
        ways: &mut Roots,
    ) {
        let list = list.filter(|_| column.grain == Grain::Choice);
        let more = path.plus.iter().flatten().chain(&path.zero_if);
        for steps in std::iter::once(&path.steps).chain(more) {
            for count in 1..steps.keys.len() {
                let place = self.place(plan, list, path, &steps.keys[..count]);
                ways.add(&place, list, CONTAINER);
            }
        }
    }
}

/// Returns whether a column that is not read can make a line an error.
fn may_matter(column: &Column, paths: &[Path]) -> bool {
    let has_text = column.grain == Grain::Response && column.kind != Kind::Flag;
    has_text || !paths.iter().all(|path| path.takes_any_shape)
}

/// Returns whether the fast path knows how to read a column.
fn is_plain(column: &Column, paths: &[Path], plan: &Plan) -> bool {
    let is_private = column.private && plan.drops_text;
    let is_text = matches!(column.kind, Kind::Text | Kind::Content | Kind::ToolCalls);
    let is_total = column.grain == Grain::Summed && column.kind == Kind::Count;
    match paths.is_empty() && !column.adds.is_empty() {
        true => is_total,
        false => is_text || !is_private,
    }
}
