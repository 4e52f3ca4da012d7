//! The fast path: one line by way of simd-json's tape.
//!
//! It takes a line only where it is sure of every cell. Whatever is odd about a line
//! (not JSON, a repeated key, a number that only its text tells, a fault) it leaves to
//! the strict path, which decides.

use std::borrow::Cow;

use simd_json::{Buffers, Node, StaticNode, Tape};

use crate::columns::Building;
use crate::json::is_too_deep;
use crate::plan::{Column, Grain, Kind, Plan, Root};
use crate::values::{Call, Cell, microseconds};

/// The paths of all columns with one root, as a tree of keys.
#[derive(Default)]
struct Trie {
    nodes: Vec<TrieNode>,
}

#[derive(Default)]
struct TrieNode {
    key: String,
    children: Vec<usize>,
    is_leaf: bool,
}

const TOP: usize = 0;

impl Trie {
    fn new() -> Self {
        Trie {
            nodes: vec![TrieNode::default()],
        }
    }

    /// Adds a path and returns the number of its end.
    fn add(&mut self, keys: &[String]) -> usize {
        let mut at = TOP;
        for key in keys {
            at = match self.nodes[at]
                .children
                .iter()
                .find(|&&id| self.nodes[id].key == *key)
            {
                Some(&id) => id,
                None => {
                    let id = self.nodes.len();
                    self.nodes.push(TrieNode {
                        key: key.clone(),
                        ..TrieNode::default()
                    });
                    self.nodes[at].children.push(id);
                    id
                }
            };
        }
        self.nodes[at].is_leaf = true;
        at
    }

    /// Finds a key below a node. Lines of a log repeat the order of their keys, so the
    /// search goes on where the last one ended.
    fn child(&self, at: usize, key: &str, hint: &mut usize) -> Option<usize> {
        let children = &self.nodes[at].children;
        for step in 0..children.len() {
            let mut place = *hint + step;
            if place >= children.len() {
                place -= children.len();
            }
            let id = children[place];
            if self.nodes[id].key == key {
                *hint = if place + 1 == children.len() {
                    0
                } else {
                    place + 1
                };
                return Some(id);
            }
        }
        None
    }

    /// Notes for each node below an object where its value stands on the tape.
    ///
    /// None: a key is repeated, or a container is no object.
    fn walk(&self, tape: &[Node<'_>], object: usize, at: usize, slots: &mut [u32]) -> Option<()> {
        let Node::Object { len, .. } = tape[object] else {
            return None;
        };
        let mut hint = 0;
        let mut place = object + 1;
        for _ in 0..len {
            let Node::String(key) = tape[place] else {
                return None;
            };
            let value = place + 1;
            if let Some(id) = self.child(at, key, &mut hint) {
                if slots[id] != 0 {
                    return None;
                }
                slots[id] = value as u32;
                let node = &self.nodes[id];
                if !node.children.is_empty() {
                    match tape[value] {
                        Node::Object { .. } => self.walk(tape, value, id, slots)?,
                        Node::Static(StaticNode::Null) => {}
                        // A number is read, whatever the paths that go on behind it.
                        Node::Static(ref value) if node.is_leaf && number(value)? != 0.0 => {}
                        _ => return None,
                    }
                }
            }
            place = behind(tape, value);
        }
        Some(())
    }
}

/// Returns the place on the tape behind a value.
fn behind(tape: &[Node<'_>], value: usize) -> usize {
    match tape[value] {
        Node::Object { count, .. } | Node::Array { count, .. } => value + count + 1,
        _ => value + 1,
    }
}

/// Where the ways of the columns lead, worked out once.
pub struct Routes {
    response: Trie,
    choice: Trie,
    /// The columns that start at the line, where it holds more than the response.
    outer: Trie,
    choices: usize,
    object: usize,
    message: usize,
    /// For each column and each of its ways the number of a node.
    ends: Vec<Vec<usize>>,
    reads_line: bool,
}

impl Routes {
    /// None: the strict path is to read all lines of such columns.
    pub fn new(columns: &[Column]) -> Option<Self> {
        let (mut response, mut choice, mut outer) = (Trie::new(), Trie::new(), Trie::new());
        let choices = response.add(&["choices".to_owned()]);
        let object = response.add(&["object".to_owned()]);
        let message = choice.add(&["message".to_owned()]);
        choice.nodes[message].is_leaf = false; // a message that is no object is a fault
        let ends: Vec<Vec<usize>> = columns
            .iter()
            .map(|column| {
                let trie = match column.root {
                    Root::Response => &mut response,
                    Root::Choice => &mut choice,
                    Root::Envelope | Root::Line => &mut outer,
                };
                column.ways.iter().map(|way| trie.add(&way.keys)).collect()
            })
            .collect();
        if !columns.iter().all(is_plain) || columns.iter().any(|one| crosses(one, columns)) {
            return None;
        }
        let reads_line = columns.iter().any(|column| column.root == Root::Line);
        Some(Routes {
            response,
            choice,
            outer,
            choices,
            object,
            message,
            ends,
            reads_line,
        })
    }
}

/// Says whether a column is of a shape that this path knows.
fn is_plain(column: &Column) -> bool {
    let shape = match column.kind {
        Kind::Position => column.grain == Grain::Choice,
        Kind::ChoiceCount | Kind::Hash | Kind::Line | Kind::LogId | Kind::Source => {
            column.root == Root::Response && column.grain == Grain::Response
        }
        _ => column.root == Root::Choice || column.grain != Grain::Choice,
    };
    let parts = column.ways.iter().any(|way| way.part.is_some());
    shape && (column.kind == Kind::Text || !parts)
}

/// Says whether a path ends where the path of another column goes on, or its own one,
/// but for a number: that is read whatever the paths that go on behind it.
fn crosses(column: &Column, columns: &[Column]) -> bool {
    let goes_on = |keys: &[String], other: &Column| {
        let is_own = std::ptr::eq(column, other) && column.kind == Kind::Number;
        other.root == column.root
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
#[derive(Default)]
pub struct Workspace {
    buffers: Buffers,
    tape: Vec<Node<'static>>,
    response: Vec<u32>,
    choice: Vec<u32>,
    outer: Vec<u32>,
    choices: Vec<usize>,
}

/// The bytes that must stand behind a line, so that it is read in whole vectors.
pub const PADDING: usize = simd_json::INPUT_PADDING;

/// Reads a line into the columns from a row on, and returns how many rows it has.
///
/// None: it is left to the strict path, and what was set of it must be truncated.
/// `copy` begins with the same bytes as `raw`, goes on behind them, and is written over.
#[allow(clippy::too_many_arguments)] // one call, from one place
pub fn read_line(
    plan: &Plan,
    routes: &Routes,
    workspace: &mut Workspace,
    line: i64,
    raw: &[u8],
    copy: &mut [u8],
    columns: &mut [Building],
    row: usize,
) -> Option<usize> {
    let base = copy.as_ptr() as usize;
    let mut parsed = Tape(std::mem::take(&mut workspace.tape)).reset();
    let rows = simd_json::fill_tape_padded(copy, raw.len(), &mut workspace.buffers, &mut parsed)
        .ok()
        .and_then(|()| {
            let line = Line {
                plan,
                routes,
                line,
                raw,
                base,
                tape: &parsed.0,
            };
            line.read(workspace, columns, row)
        });
    workspace.tape = parsed.reset().0;
    rows
}

struct Line<'t, 'a> {
    plan: &'t Plan,
    routes: &'t Routes,
    line: i64,
    raw: &'t [u8],
    base: usize,
    tape: &'t [Node<'a>],
}

impl Line<'_, '_> {
    fn read(
        &self,
        workspace: &mut Workspace,
        columns: &mut [Building],
        row: usize,
    ) -> Option<usize> {
        // Fewer nodes than levels cannot stand too deep.
        if self.tape.len() > self.plan.deepest && is_too_deep(self.raw, self.plan.deepest) {
            return None;
        }
        let Workspace {
            response,
            choice,
            outer,
            choices,
            ..
        } = workspace;
        let routes = self.routes;
        reset(response, routes.response.nodes.len());
        routes.response.walk(self.tape, 0, TOP, response)?;
        let is_bare = self.choices_of(response[routes.choices], choices);
        let hash = if is_bare {
            xxhash_rust::xxh3::xxh3_64(trimmed(self.raw))
        } else {
            let above = self.find_response()?;
            reset(response, routes.response.nodes.len());
            routes
                .response
                .walk(self.tape, *above.last()?, TOP, response)?;
            if !self.choices_of(response[routes.choices], choices) {
                return None;
            }
            xxhash_rust::xxh3::xxh3_64(self.slice_of(&above)?)
        };
        let count = choices.len();
        if count > self.plan.most_items {
            return None;
        }
        let width = routes.choice.nodes.len();
        reset(choice, width * count);
        let mut has_message = false;
        for (item, slots) in choices.iter().zip(choice.chunks_exact_mut(width)) {
            routes.choice.walk(self.tape, *item, TOP, slots)?;
            has_message |= !self.is_null(slots[routes.message]);
        }
        if !has_message && !self.is_whole(response[routes.object]) {
            return None; // perhaps a chunk
        }
        if !is_bare || routes.reads_line {
            reset(outer, routes.outer.nodes.len());
            routes.outer.walk(self.tape, 0, TOP, outer)?;
        }
        let mut repeated = 0;
        let all = self.plan.columns.iter().zip(&routes.ends).zip(columns);
        for ((column, ends), building) in all {
            match column.kind {
                Kind::LogId | Kind::Source => {} // the same in all rows of a block
                Kind::Line => (row..row + count).for_each(|row| building.set_int(row, self.line)),
                Kind::Position => {
                    (0..count).for_each(|place| building.set_int(row + place, place as i64));
                }
                Kind::ChoiceCount => {
                    (row..row + count).for_each(|row| building.set_int(row, count as i64));
                }
                Kind::Hash => {
                    (row..row + count).for_each(|row| building.set_int(row, hash as i64));
                }
                _ if column.root == Root::Choice => {
                    for (place, slots) in choice.chunks_exact(width).enumerate() {
                        if is_absent(ends, slots) {
                            continue;
                        }
                        self.cell(column, ends, slots, building, row + place)?;
                        if column.private && self.plan.drops_text {
                            drop_text(column, building, row + place);
                        }
                    }
                }
                _ => {
                    let slots = match column.root {
                        Root::Envelope if is_bare => continue,
                        Root::Envelope | Root::Line => &*outer,
                        _ => &*response,
                    };
                    if is_absent(ends, slots) {
                        continue;
                    }
                    let rows = if column.grain == Grain::Response {
                        count
                    } else {
                        1
                    };
                    for row in row..row + rows {
                        repeated += self.cell(column, ends, slots, building, row)?;
                        if column.private && self.plan.drops_text {
                            drop_text(column, building, row);
                        }
                    }
                }
            }
        }
        if count > 1 && repeated > self.plan.repeated_bytes {
            return None;
        }
        Some(count)
    }

    fn is_null(&self, at: u32) -> bool {
        at == 0 || is_null(&self.tape[at as usize])
    }

    /// Says whether `object` names a response that is no chunk.
    fn is_whole(&self, at: u32) -> bool {
        at != 0
            && matches!(&self.tape[at as usize], Node::String(kind)
                if !kind.is_empty() && *kind != "chat.completion.chunk")
    }

    /// Notes the places of choices, if they are objects and there are some.
    fn choices_of(&self, list: u32, choices: &mut Vec<usize>) -> bool {
        choices.clear();
        let Node::Array { len, .. } = self.tape[list as usize] else {
            return false;
        };
        let mut place = list as usize + 1;
        for _ in 0..len {
            let Node::Object { .. } = self.tape[place] else {
                return false;
            };
            choices.push(place);
            place = behind(self.tape, place);
        }
        len > 0
    }

    /// The place of a field; of a key that repeats the last stands.
    fn find(&self, object: usize, key: &str) -> Option<usize> {
        let Node::Object { len, .. } = self.tape[object] else {
            return None;
        };
        let mut found = None;
        let mut place = object + 1;
        for _ in 0..len {
            let Node::String(name) = self.tape[place] else {
                return None;
            };
            if name == key {
                found = Some(place + 1);
            }
            place = behind(self.tape, place + 1);
        }
        found
    }

    /// The objects that lead from the line to the response in an envelope.
    fn find_response(&self) -> Option<Vec<usize>> {
        if self.find(0, "choices").is_some() {
            return None; // what choices it has are odd
        }
        for keys in &self.plan.envelopes {
            let mut above = vec![0];
            for key in keys {
                let Some(value) = self.find(*above.last()?, key) else {
                    break;
                };
                match self.tape[value] {
                    Node::Object { .. } => above.push(value),
                    Node::String(_) => return None, // perhaps JSON in a string
                    _ => break,
                }
            }
            if above.len() == keys.len() + 1 {
                match self
                    .find(*above.last()?, "choices")
                    .map(|at| &self.tape[at])
                {
                    Some(Node::Array { .. }) => return Some(above),
                    Some(_) => return None,
                    None => {}
                }
            }
        }
        None
    }

    /// The bytes of the last of these objects, as they were written.
    ///
    /// A tape tells where keys stand and not where an object ends: that is found going
    /// back from what stands behind it.
    fn slice_of(&self, above: &[usize]) -> Option<&[u8]> {
        let (object, parents) = above.split_last()?;
        let start = back_to(self.raw, self.quote_before(object + 1)?, b'{')?;
        let next = behind(self.tape, *object);
        let mut closing = 1;
        let mut end = None;
        for parent in parents.iter().rev() {
            if next < behind(self.tape, *parent) {
                end = Some(back_to(self.raw, self.quote_before(next)?, b',')?);
                break;
            }
            closing += 1;
        }
        let mut end = end.unwrap_or(self.raw.len());
        let mut last = end;
        for _ in 0..closing {
            last = back_to(self.raw, end, b'}')?;
            end = last;
        }
        self.raw.get(start..=last)
    }

    /// The place of the quote that opens a key.
    fn quote_before(&self, key: usize) -> Option<usize> {
        let Node::String(text) = self.tape.get(key)? else {
            return None;
        };
        let place = (text.as_ptr() as usize).checked_sub(self.base + 1)?;
        (self.raw.get(place) == Some(&b'"')).then_some(place)
    }

    /// Sets the cell of a row, if there is a value, and returns the bytes of its text.
    fn cell(
        &self,
        column: &Column,
        ends: &[usize],
        slots: &[u32],
        building: &mut Building,
        row: usize,
    ) -> Option<usize> {
        for (way, end) in column.ways.iter().zip(ends) {
            let at = slots[*end] as usize;
            if at == 0 {
                continue;
            }
            let drops = column.private && self.plan.drops_text;
            let node = &self.tape[at];
            match (column.kind, node) {
                (_, Node::Static(StaticNode::Null)) => continue,
                (_, Node::Object { .. }) if way.passes_objects => continue,
                (Kind::Content, Node::Array { .. }) => {
                    let Some(text) = self.joined(at, "text")? else {
                        continue;
                    };
                    if !drops {
                        building.set_bytes(row, text.as_bytes());
                    }
                }
                (Kind::Characters, Node::Array { .. }) => {
                    let Some(text) = self.joined(at, "text")? else {
                        continue;
                    };
                    building.set_int(row, characters(&text));
                }
                (_, Node::Array { .. }) if way.part.is_some() => {
                    let Some(text) = self.joined(at, way.part.as_deref()?)? else {
                        continue;
                    };
                    if !drops {
                        building.set_bytes(row, text.as_bytes());
                    }
                }
                _ if way.part.is_some() => continue,
                (Kind::String | Kind::Label, Node::String("")) => continue,
                (Kind::String | Kind::Label | Kind::Text | Kind::Content, Node::String(text)) => {
                    if !drops {
                        building.set_bytes(row, text.as_bytes());
                        return Some(text.len());
                    }
                }
                (Kind::Characters, Node::String(text)) => {
                    building.set_int(row, characters(text));
                }
                (Kind::Label, Node::Static(value)) => {
                    let text = label(value)?;
                    building.set_bytes(row, text.as_bytes());
                    return Some(text.len());
                }
                (Kind::Count, Node::Static(value)) => {
                    building.set_int(row, count(value, column)?);
                }
                (Kind::Number, Node::Static(value)) => building.set_float(row, number(value)?),
                (Kind::Timestamp, Node::Static(value)) => match self.timestamp(value)? {
                    0 => continue,
                    micros => building.set_int(row, micros),
                },
                (Kind::Timestamp, Node::String("")) => continue,
                (Kind::Timestamp, Node::String(digits)) => match self.digits(digits)? {
                    0 => continue,
                    micros => building.set_int(row, micros),
                },
                (Kind::ToolCalls, Node::Array { .. }) if way.is_list => {
                    building.set(row, &Cell::Calls(self.calls(at, drops)?));
                }
                (Kind::Items, Node::Array { len, .. }) => building.set_int(row, *len as i64),
                (Kind::LogprobSum, Node::Array { .. }) => {
                    let Some(sum) = self.logprobs(at) else {
                        continue;
                    };
                    building.set_float(row, sum);
                }
                (Kind::Items | Kind::LogprobSum, _) => continue,
                _ => return None,
            }
            return Some(0);
        }
        Some(0)
    }

    /// Joins the parts of a kind in a list, each a string; None inside: there is none.
    fn joined(&self, list: usize, kind: &str) -> Option<Option<String>> {
        let Node::Array { len, .. } = self.tape[list] else {
            return None;
        };
        let mut joined: Option<String> = None;
        let mut place = list + 1;
        for _ in 0..len {
            let Node::Object { .. } = self.tape[place] else {
                return None;
            };
            let is_kind = self
                .find(place, "type")
                .is_some_and(|at| matches!(&self.tape[at], Node::String(named) if *named == kind));
            if is_kind && let Some(at) = self.find(place, kind) {
                match &self.tape[at] {
                    Node::String(text) => joined.get_or_insert_default().push_str(text),
                    Node::Static(StaticNode::Null) => {}
                    _ => return None,
                }
            }
            place = behind(self.tape, place);
        }
        Some(joined)
    }

    /// Microseconds; 0 is no time.
    fn timestamp(&self, value: &StaticNode) -> Option<i64> {
        let seconds = match value {
            StaticNode::I64(value) => *value,
            StaticNode::U64(value) => i64::try_from(*value).ok()?,
            _ => return None, // a fraction counts as it is written in decimal
        };
        let scale = 10_i64.checked_pow(u32::try_from(self.plan.created_scale).ok()?)?;
        let micros = seconds.checked_mul(scale)?;
        (0..self.plan.latest_microsecond)
            .contains(&micros)
            .then_some(micros)
    }

    fn digits(&self, digits: &str) -> Option<i64> {
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        microseconds(
            digits,
            self.plan.created_scale,
            self.plan.latest_microsecond,
        )
    }

    /// Calls of functions, each field a string or not there.
    fn calls(&self, list: usize, drops: bool) -> Option<Vec<Call<'_>>> {
        let Node::Array { len, .. } = self.tape[list] else {
            return None;
        };
        if len > self.plan.most_items {
            return None;
        }
        let mut calls: Vec<Call<'_>> = Vec::with_capacity(len);
        let mut place = list + 1;
        for _ in 0..len {
            let Node::Object { .. } = self.tape[place] else {
                return None;
            };
            if self.find(place, "custom").is_some() {
                return None;
            }
            let (mut name, mut arguments) = (None, None);
            if let Some(function) = self.find(place, "function") {
                name = self.text(function, "name")?;
                arguments = self.text(function, "arguments")?.filter(|_| !drops);
            }
            calls.push([
                self.text(place, "id")?,
                self.text(place, "type")?,
                name,
                arguments,
            ]);
            place = behind(self.tape, place);
        }
        Some(calls)
    }

    /// A field of an object: a string or nothing; anything else is odd.
    fn text(&self, object: usize, key: &str) -> Option<Option<Cow<'_, str>>> {
        let Node::Object { .. } = self.tape[object] else {
            return None;
        };
        match self.find(object, key).map(|at| &self.tape[at]) {
            None | Some(Node::Static(StaticNode::Null)) => Some(None),
            Some(Node::String(text)) => Some(Some(Cow::Borrowed(*text))),
            Some(_) => None,
        }
    }

    fn logprobs(&self, list: usize) -> Option<f64> {
        let Node::Array { len, .. } = self.tape[list] else {
            return None;
        };
        let mut total = 0.0;
        let mut place = list + 1;
        for _ in 0..len {
            total += match self.find(place, "logprob").map(|at| &self.tape[at]) {
                Some(Node::Static(StaticNode::F64(value))) => *value,
                Some(Node::Static(StaticNode::I64(value))) => *value as f64,
                Some(Node::Static(StaticNode::U64(value))) => *value as f64,
                _ => return None,
            };
            place = behind(self.tape, place);
        }
        total.is_finite().then_some(total)
    }
}

/// Leaves of a private cell what is no text: the calls, which were set without it.
fn drop_text(column: &Column, building: &mut Building, row: usize) {
    if column.kind != Kind::ToolCalls {
        building.truncate(row);
    }
}

fn reset(slots: &mut Vec<u32>, length: usize) {
    slots.clear();
    slots.resize(length, 0);
}

fn is_null(node: &Node<'_>) -> bool {
    matches!(node, Node::Static(StaticNode::Null))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trimmed(raw: &[u8]) -> &[u8] {
    let start = raw
        .iter()
        .position(|&byte| !is_space(byte))
        .unwrap_or(raw.len());
    let end = raw
        .iter()
        .rposition(|&byte| !is_space(byte))
        .map_or(start, |last| last + 1);
    &raw[start..end]
}

/// Goes back from a place over white space to a sign that must stand there.
fn back_to(raw: &[u8], from: usize, sign: u8) -> Option<usize> {
    let last = raw.get(..from)?.iter().rposition(|&byte| !is_space(byte))?;
    (raw[last] == sign).then_some(last)
}

/// Counts code points.
fn characters(text: &str) -> i64 {
    bytecount::num_chars(text.as_bytes()) as i64
}

/// Says whether none of these paths leads to anything: most columns of a line are null.
#[inline]
fn is_absent(ends: &[usize], slots: &[u32]) -> bool {
    ends.iter().all(|end| slots[*end] == 0)
}

/// The JSON text of a number or boolean; 0 may have been written as -0.
fn label<'a>(value: &StaticNode) -> Option<Cow<'a, str>> {
    match value {
        StaticNode::I64(value) if *value != 0 => Some(Cow::Owned(value.to_string())),
        StaticNode::U64(value) if *value != 0 => Some(Cow::Owned(value.to_string())),
        StaticNode::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        _ => None,
    }
}

fn count(value: &StaticNode, column: &Column) -> Option<i64> {
    let value = match value {
        StaticNode::I64(value) => *value,
        StaticNode::U64(value) => i64::try_from(*value).ok()?,
        StaticNode::F64(value) if value.fract() == 0.0 && value.abs() < 1e15 => *value as i64,
        _ => return None,
    };
    let low = column.minimum.unwrap_or(i64::MIN);
    let high = column.maximum.unwrap_or(i64::MAX);
    (low..=high).contains(&value).then_some(value)
}

fn number(value: &StaticNode) -> Option<f64> {
    match value {
        StaticNode::F64(value) if value.is_finite() => Some(*value),
        StaticNode::I64(value) if *value != 0 => Some(*value as f64),
        StaticNode::U64(value) if *value != 0 => Some(*value as f64),
        _ => None,
    }
}
