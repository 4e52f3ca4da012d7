//! The fast path: one pass over a line, which notes where the values of the plan stand.
//!
//! It takes a line only where it is sure of every cell. Whatever is odd about a line
//! (not JSON, a repeated key, a fault) it leaves to the strict path, which decides.

use crate::columns::Building;
use crate::plan::{Column, Grain, Kind, Plan, Root, Way};
use crate::scanner::{JsonType, Scanner, Value};
use crate::strict::without_text;
use crate::trie::{Guess, Guesses, MOST_GUESSES, Role, TOP, Trie};
use crate::values::{Cell, read_value};

/// The trees of paths, by where they start.
const RESPONSE: usize = 0;
const CHOICE: usize = 1;
/// The columns that start at the line, where it holds more than the response.
const OUTER: usize = 2;

/// Where the ways of the columns lead, worked out once.
pub struct Routes {
    tries: [Trie; 3],
    choices: usize,
    object: usize,
    message: usize,
    /// For each column and each of its ways the number of a node.
    ends: Vec<Vec<usize>>,
    envelopes: Vec<Envelope>,
    /// Choices in the line itself.
    outer_choices: usize,
    reads_line: bool,
    /// Microseconds in the unit of `created`, if that is not a smaller one.
    unit: Option<i64>,
}

struct Envelope {
    /// The nodes on the way to it, itself the last.
    along: Vec<usize>,
    choices: usize,
}

impl Routes {
    /// None: the strict path is to read all lines of such columns.
    pub fn new(plan: &Plan) -> Option<Self> {
        let columns = &plan.columns;
        if !columns.iter().all(is_plain) || columns.iter().any(|one| crosses(one, columns)) {
            return None;
        }
        let mut tries = [Trie::new(), Trie::new(), Trie::new()];
        let key = |name: &str| [name.to_owned()];
        let choices = tries[RESPONSE].add_way(&key("choices"));
        tries[RESPONSE].nodes[choices].role = Role::Choices;
        let object = tries[RESPONSE].add_column(&key("object"));
        let message = tries[CHOICE].add_way(&key("message"));
        tries[CHOICE].nodes[message].is_container = true; // another message is a fault
        let ends = columns
            .iter()
            .map(|column| {
                let trie = &mut tries[tree_of(column)];
                let ways = column.ways.iter();
                ways.map(|way| trie.add_column(&way.keys)).collect()
            })
            .collect();
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
        let reads_line = columns.iter().any(|column| column.root == Root::Line);
        Some(Routes {
            tries,
            choices,
            object,
            message,
            ends,
            envelopes,
            outer_choices,
            reads_line,
            unit: u32::try_from(plan.created_scale)
                .ok()
                .and_then(|scale| 10_i64.checked_pow(scale)),
        })
    }
}

fn tree_of(column: &Column) -> usize {
    match column.root {
        Root::Response => RESPONSE,
        Root::Choice => CHOICE,
        Root::Envelope | Root::Line => OUTER,
    }
}

/// Says whether a column is of a shape that this path knows.
fn is_plain(column: &Column) -> bool {
    match column.kind {
        Kind::Position => column.grain == Grain::Choice,
        Kind::ChoiceCount | Kind::Hash | Kind::Line | Kind::LogId | Kind::Source => {
            column.root == Root::Response && column.grain == Grain::Response
        }
        _ => column.root == Root::Choice || column.grain != Grain::Choice,
    }
}

/// Says whether a path ends where the path of another column goes on, or its own one,
/// but for a number: that is read whatever the paths that go on behind it.
fn crosses(column: &Column, columns: &[Column]) -> bool {
    let goes_on = |keys: &[String], other: &Column| {
        let is_own = std::ptr::eq(column, other) && column.kind == Kind::Number;
        tree_of(other) == tree_of(column)
            && !is_own
            && other
                .ways
                .iter()
                .any(|way| way.keys.len() > keys.len() && way.keys.starts_with(keys))
    };
    column
        .ways
        .iter()
        .any(|way| columns.iter().any(|other| goes_on(&way.keys, other)))
}

/// What is used again from line to line.
pub struct Workspace {
    /// By tree: what stands at each node. Of choices one row of nodes after the other.
    slots: [Vec<Value>; 3],
    /// By tree and node: the keys of that object.
    guesses: [Vec<Guesses>; 3],
    /// The text of the strings of a line that have escapes.
    unescaped: Vec<u8>,
    /// The envelope of the last line, if it had one.
    envelope: Option<usize>,
}

impl Workspace {
    pub fn new(routes: &Routes) -> Self {
        let guesses = |trie: &Trie| trie.nodes.iter().map(|_| Guesses::new()).collect();
        Workspace {
            slots: Default::default(),
            guesses: routes.tries.each_ref().map(guesses),
            unescaped: Vec::new(),
            envelope: None,
        }
    }
}

/// A line that is read, and the bytes behind it.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    pub number: i64,
    pub data: &'a [u8],
    /// Where the line ends in the data; a control character stands there.
    pub end: usize,
}

/// Reads a line, which is UTF-8, into the columns from a row on; returns its rows.
///
/// None: it is left to the strict path, and what was set of it must be truncated.
pub fn read_line(
    plan: &Plan,
    routes: &Routes,
    workspace: &mut Workspace,
    line: Line<'_>,
    columns: &mut [Building],
    row: usize,
) -> Option<usize> {
    workspace.unescaped.clear();
    let mut walk = Walk {
        plan,
        routes,
        workspace,
        scanner: Scanner {
            data: line.data,
            at: 0,
            deepest: plan.deepest,
        },
        line,
        target: None,
        response: (0, 0),
        count: 0,
        is_odd: false,
    };
    walk.find_response()?;
    walk.write(columns, row)
}

/// One line under way.
struct Walk<'w, 'a> {
    plan: &'w Plan,
    routes: &'w Routes,
    workspace: &'w mut Workspace,
    scanner: Scanner<'a>,
    line: Line<'a>,
    /// The envelope whose object is read as a response.
    target: Option<usize>,
    /// Where the response stands in the line.
    response: (usize, usize),
    /// The choices that are objects.
    count: usize,
    /// A choice is no object.
    is_odd: bool,
}

impl Walk<'_, '_> {
    /// Notes where everything stands; None: this is no response, or an odd one.
    fn find_response(&mut self) -> Option<()> {
        if self.workspace.envelope.is_some() {
            self.target = self.workspace.envelope;
            self.line_as(OUTER)?;
            if self.envelope() == self.target && self.is_response() {
                return Some(());
            }
            (self.workspace.envelope, self.target) = (None, None);
        }
        self.line_as(RESPONSE)?;
        if self.is_response() {
            return match self.routes.reads_line {
                true => self.line_as(OUTER),
                false => Some(()),
            };
        }
        self.line_as(OUTER)?;
        self.target = Some(self.envelope()?);
        self.line_as(OUTER)?;
        self.workspace.envelope = self.target;
        self.is_response().then_some(())
    }

    /// Passes the whole line, as an object of this tree.
    fn line_as(&mut self, tree: usize) -> Option<()> {
        self.scanner.at = 0;
        self.scanner.space();
        let start = self.scanner.at;
        if tree == RESPONSE {
            self.begin_response();
        } else {
            self.reset(OUTER);
        }
        self.scanner.expect(b'{')?;
        self.object(tree, TOP, 0, 1)?;
        if tree == RESPONSE {
            self.response = (start, self.scanner.at);
        }
        self.scanner.space();
        (self.scanner.at == self.line.end).then_some(())
    }

    fn begin_response(&mut self) {
        self.reset(RESPONSE);
        self.workspace.slots[CHOICE].clear();
        self.count = 0;
        self.is_odd = false;
    }

    fn reset(&mut self, tree: usize) {
        let slots = &mut self.workspace.slots[tree];
        slots.clear();
        slots.resize(self.routes.tries[tree].nodes.len(), Value::default());
    }

    /// Says whether what was passed as a response has choices, all of them objects.
    fn is_response(&self) -> bool {
        self.count > 0 && !self.is_odd
    }

    /// The first envelope that holds choices; None: none does, or one is odd.
    fn envelope(&self) -> Option<usize> {
        let slots = &self.workspace.slots[OUTER];
        let kind = |at: usize| slots[at].kind;
        if kind(self.routes.outer_choices) != JsonType::Missing {
            return None;
        }
        for (number, envelope) in self.routes.envelopes.iter().enumerate() {
            let stop = envelope
                .along
                .iter()
                .find(|&&at| kind(at) != JsonType::Object);
            match stop.map(|&at| kind(at)) {
                Some(JsonType::String) => return None, // perhaps JSON in a string
                Some(_) => {}
                None if self.target == Some(number) => return self.target_holds_choices(),
                None => match kind(envelope.choices) {
                    JsonType::Missing => {}
                    JsonType::List => return Some(number),
                    _ => return None,
                },
            }
        }
        None
    }

    fn target_holds_choices(&self) -> Option<usize> {
        let list = self.workspace.slots[RESPONSE][self.routes.choices].kind;
        self.target.filter(|_| list == JsonType::List)
    }

    /// Passes the keys and values of an object behind its opening bracket.
    fn object(&mut self, tree: usize, node: usize, base: usize, depth: usize) -> Option<()> {
        if depth > self.plan.deepest {
            return None;
        }
        self.scanner.space();
        if self.scanner.take(b'}') {
            return Some(());
        }
        let mut place = 0;
        loop {
            self.scanner.expect(b'"')?;
            let child = self.key(tree, node, &mut place)?;
            self.scanner.colon()?;
            match child {
                None => {
                    self.scanner.value(depth)?;
                }
                Some(child) => self.value(tree, child, base, depth)?,
            }
            if !self.scanner.goes_on(b'}')? {
                return Some(());
            }
        }
    }

    /// Passes a key behind its opening quote; returns the node below that it leads to.
    #[inline]
    fn key(&mut self, tree: usize, node: usize, place: &mut usize) -> Option<Option<usize>> {
        let guesses = &mut self.workspace.guesses[tree][node];
        let next = self.scanner.data.get(self.scanner.at..)?;
        // One or two keys of the line before may be left out in this one.
        for (step, guess) in guesses[*place..].iter().take(3).enumerate() {
            if guess.stands_in(next) {
                *place += step + 1;
                self.scanner.at += guess.length;
                return Some(guess.child);
            }
        }
        if self.scanner.string()? {
            return None; // by its escapes it may be any key
        }
        let start = self.line.data.len() - next.len();
        let key = &self.line.data[start..self.scanner.at - 1];
        let child = self.routes.tries[tree].child(node, key);
        if guesses.len() < MOST_GUESSES {
            guesses.insert(*place, Guess::new(key, child));
            *place += 1;
        }
        Some(child)
    }

    /// Passes the value of a node, and notes where it stands.
    fn value(&mut self, tree: usize, id: usize, base: usize, depth: usize) -> Option<()> {
        let slot = base + id;
        if self.workspace.slots[tree][slot].kind != JsonType::Missing {
            return None; // a repeated key
        }
        let trie = &self.routes.tries[tree];
        let node = &trie.nodes[id];
        let start = self.scanner.at;
        let texts = self.workspace.unescaped.len();
        let kind = match self.scanner.peek() {
            b'"' if node.is_leaf && !node.is_container => {
                self.scanner.at += 1;
                self.scanner.text(&mut self.workspace.unescaped)?;
                JsonType::String
            }
            b'[' if node.role == Role::Choices => {
                self.choices(depth + 1)?;
                JsonType::List
            }
            b'{' if trie.has_children(id) => {
                self.scanner.at += 1;
                match node.role {
                    Role::Envelope(number) if self.target == Some(number) => {
                        self.envelope_object(id, start, depth + 1)?;
                    }
                    _ => self.object(tree, id, base, depth + 1)?,
                }
                JsonType::Object
            }
            _ => {
                let kind = self.scanner.value(depth)?;
                let is_odd = node.is_container
                    && match kind {
                        JsonType::Null => false,
                        // A number is read, whatever the paths that go on behind it.
                        JsonType::Number => !node.is_leaf,
                        _ => true,
                    };
                if is_odd {
                    return None;
                }
                kind
            }
        };
        let slot = &mut self.workspace.slots[tree][slot];
        slot.kind = kind;
        slot.start = start as u32;
        slot.end = self.scanner.at as u32;
        if kind == JsonType::String && self.workspace.unescaped.len() > texts {
            slot.text_start = texts as u32;
            slot.text_end = self.workspace.unescaped.len() as u32;
        }
        Some(())
    }

    /// Passes the object of the envelope that is taken for the response.
    fn envelope_object(&mut self, id: usize, start: usize, depth: usize) -> Option<()> {
        let behind = self.scanner.at;
        self.begin_response();
        self.object(RESPONSE, TOP, 0, depth)?;
        self.response = (start, self.scanner.at);
        // What the line's own columns and the envelopes within want of it.
        let choices = self.routes.tries[OUTER].child(id, b"choices");
        let wants_more = self.routes.tries[OUTER].has_other_child(id, choices);
        if wants_more {
            self.scanner.at = behind;
            self.object(OUTER, id, 0, depth)?;
        }
        Some(())
    }

    /// Passes the list of choices.
    fn choices(&mut self, depth: usize) -> Option<()> {
        self.scanner.at += 1;
        self.scanner.space();
        if self.scanner.take(b']') {
            return Some(());
        }
        let width = self.routes.tries[CHOICE].nodes.len();
        loop {
            if self.scanner.take(b'{') {
                self.count += 1;
                if self.count > self.plan.most_items {
                    return None;
                }
                let slots = &mut self.workspace.slots[CHOICE];
                let base = slots.len();
                slots.resize(base + width, Value::default());
                self.object(CHOICE, TOP, base, depth + 1)?;
            } else {
                self.scanner.value(depth)?;
                self.is_odd = true;
            }
            if !self.scanner.goes_on(b']')? {
                return Some(());
            }
        }
    }

    /// Writes the cells of the line; returns its rows.
    fn write(&self, columns: &mut [Building], row: usize) -> Option<usize> {
        let [response, choice, outer] = &self.workspace.slots;
        let (count, width) = (self.count, self.routes.tries[CHOICE].nodes.len());
        let message = self.routes.message;
        let has_message = choice
            .chunks_exact(width)
            .any(|slots| !slots[message].is_null());
        if !has_message && !self.is_whole(&response[self.routes.object]) {
            return None; // perhaps a chunk
        }
        let (start, end) = self.response;
        let hash = xxhash_rust::xxh3::xxh3_64(&self.line.data[start..end]);
        let rows = row..row + count;
        let mut repeated = 0;
        let all = self.plan.columns.iter().zip(&self.routes.ends).zip(columns);
        for ((column, ends), building) in all {
            let given = match column.kind {
                Kind::LogId | Kind::Source => continue, // the same in all rows of a block
                Kind::Line => self.line.number,
                Kind::ChoiceCount => count as i64,
                Kind::Hash => hash as i64,
                Kind::Position => {
                    rows.clone()
                        .zip(0..)
                        .for_each(|(row, place)| building.set_int(row, place));
                    continue;
                }
                _ if column.root == Root::Choice => {
                    for (row, slots) in rows.clone().zip(choice.chunks_exact(width)) {
                        self.cell(column, ends, slots, building, row)?;
                    }
                    continue;
                }
                _ => {
                    let slots = match column.root {
                        Root::Envelope if self.target.is_none() => continue,
                        Root::Envelope | Root::Line => outer,
                        _ => response,
                    };
                    let repeats = if column.grain == Grain::Response {
                        count
                    } else {
                        1
                    };
                    for row in row..row + repeats {
                        repeated += self.cell(column, ends, slots, building, row)?;
                    }
                    continue;
                }
            };
            rows.clone().for_each(|row| building.set_int(row, given));
        }
        if count > 1 && repeated > self.plan.repeated_bytes {
            return None;
        }
        Some(count)
    }

    /// Says whether `object` names a response that is no chunk.
    fn is_whole(&self, object: &Value) -> bool {
        object.kind == JsonType::String && {
            let name = self.text(object);
            !name.is_empty() && name != b"chat.completion.chunk"
        }
    }

    fn text(&self, string: &Value) -> &[u8] {
        string.text(self.line.data, &self.workspace.unescaped)
    }

    /// Sets the cell of a row, if there is a value, and returns the bytes of its text.
    #[inline]
    fn cell(
        &self,
        column: &Column,
        ends: &[usize],
        slots: &[Value],
        building: &mut Building,
        row: usize,
    ) -> Option<usize> {
        for (way, &end) in column.ways.iter().zip(ends) {
            let value = &slots[end];
            if !value.is_null()
                && let Some(size) = self.way(column, way, value, building, row)?
            {
                return Some(size);
            }
        }
        Some(0)
    }

    /// Sets a cell by one of its ways; None inside: it tells nothing.
    fn way(
        &self,
        column: &Column,
        way: &Way,
        value: &Value,
        building: &mut Building,
        row: usize,
    ) -> Option<Option<usize>> {
        let drops = column.private && self.plan.drops_text;
        match (column.kind, value.kind) {
            _ if way.part.is_some() && value.kind != JsonType::List => Some(None),
            (Kind::String | Kind::Label | Kind::Text | Kind::Content, JsonType::String) => {
                let text = self.text(value);
                if text.is_empty() && matches!(column.kind, Kind::String | Kind::Label) {
                    return Some(None);
                }
                if !drops {
                    building.set_bytes(row, text);
                }
                Some(Some(text.len()))
            }
            (Kind::Characters, JsonType::String) => {
                building.set_int(row, bytecount::num_chars(self.text(value)) as i64);
                Some(Some(0))
            }
            (Kind::Count, JsonType::Number) => match small(value.raw(self.line.data)) {
                Some(count) if is_within(count, column) => {
                    building.set_int(row, count);
                    Some(Some(0))
                }
                _ => self.rare(column, way, value, building, row),
            },
            (Kind::Timestamp, JsonType::Number) => match self.time(value) {
                Some(micros) if micros > 0 => {
                    building.set_int(row, micros);
                    Some(Some(0))
                }
                _ => self.rare(column, way, value, building, row),
            },
            (_, JsonType::Object) if way.passes_objects => Some(None),
            _ => self.rare(column, way, value, building, row),
        }
    }

    /// Microseconds of a whole number; None: it is another one, or past all times.
    fn time(&self, value: &Value) -> Option<i64> {
        let micros = small(value.raw(self.line.data))?.checked_mul(self.routes.unit?)?;
        (micros < self.plan.latest_microsecond).then_some(micros)
    }

    /// Reads a value as the strict path does.
    fn rare(
        &self,
        column: &Column,
        way: &Way,
        value: &Value,
        building: &mut Building,
        row: usize,
    ) -> Option<Option<usize>> {
        let raw = str::from_utf8(value.raw(self.line.data)).ok()?;
        let cell = read_value(raw, column, way, self.plan).ok()?;
        if cell == Cell::Null {
            return Some(None);
        }
        let size = if let Cell::Text(text) = &cell {
            text.len()
        } else {
            0
        };
        if column.private && self.plan.drops_text {
            building.set(row, &without_text(cell));
        } else {
            building.set(row, &cell);
        }
        Some(Some(size))
    }
}

fn is_within(count: i64, column: &Column) -> bool {
    let (low, high) = (column.minimum, column.maximum);
    low.is_none_or(|low| low <= count) && high.is_none_or(|high| count <= high)
}

/// A whole number that is written without sign, point or exponent.
#[inline]
fn small(raw: &[u8]) -> Option<i64> {
    if raw.len() > 18 {
        return None;
    }
    raw.iter().try_fold(0, |value, &byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i64::from(byte - b'0'))
    })
}
