//! Lines that are like an earlier one but for some values.
//!
//! The lines of a log are written by few programs: most have the keys of the line before,
//! in its order, and half of its values. A shape is such a line, cut at the values that
//! were seen to differ. A line that has all bytes between them, and at each cut a
//! value of the same type, is read by its shape: its other bytes are compared, not parsed,
//! and the cells that are the same in all its lines are written for many rows at once.
//!
//! Shapes change no result. They are learned from lines that a walk has read; what has
//! the bytes of such a line has its structure; and where a value that differs means
//! something else than before (an empty name, a number out of range), a walk reads it.

use crate::columns::ColumnBuilder;
use crate::forks::{Forks, Step, general};
use crate::json::Node;
use crate::line::{Found, LineRows, LineValues};
use crate::pace::Pace;
use crate::plan::Plan;
use crate::routes::{Place, Routes};
use crate::scanner::{JsonType, Scanner, Texts, Value};
use crate::table::Rows;
use crate::walk::{Candidate, Line};

/// The most shapes that are kept.
const MOST_SHAPES: usize = 512;
/// Once there are so many forks to a shape, most are of shapes that were replaced.
const MOST_FORKS: usize = 64;
/// A longer line, or one with more values, is not learned.
const LONGEST: usize = 1 << 14;
const MOST_TOKENS: usize = 512;
/// A longer string is likely another one in the next line, as is a number.
const LIKELY_SAME: usize = 16;

/// The shapes of the last lines.
#[derive(Default)]
pub struct Shapes {
    shapes: Vec<Shape>,
    forks: Forks,
    /// The number of the shape of the last line.
    latest: usize,
    /// Its last rows, whose constant cells are not written yet: the first one, and how many
    /// they are. They follow each other: flush before a row is set by other means.
    first_waiting: usize,
    waiting: usize,
    table: usize,
    /// The values at the cuts of a line.
    values: Vec<Value>,
    clock: usize,
    pace: Pace,
}

struct Shape {
    /// The line it was learned from, its values, and which were seen to differ.
    line: Box<[u8]>,
    tokens: Vec<Token>,
    varies: Vec<bool>,
    api: usize,
    steps: Vec<Step>,
    /// The bytes behind the last cut.
    tail: Box<[u8]>,
    /// The last of its forks.
    fork: usize,
    /// Targets that read a cut alone: the cut, the target, and by which way.
    uses: Vec<(usize, usize, usize)>,
    /// Where the response starts and ends.
    response: (Spot, Spot),
    /// Cells of one row, by column: the same in all lines.
    constants: Vec<(usize, ColumnBuilder)>,
    /// Targets and sums, by number, whose cells are read from several values, or from a list
    /// or object in which one varies: as a walk does, from slots.
    composed: Vec<usize>,
    sums: Vec<usize>,
    candidate: Candidate,
    slots: Vec<Value>,
    /// What of the slots they need.
    moves: Vec<Move>,
    /// When it was used or learned.
    used: usize,
}

/// Where the value of a slot is in a line: at a cut, or between two places.
struct Move {
    slot: usize,
    cut: Option<usize>,
    span: (Spot, Spot),
}

/// A place in all lines of a shape: behind so many cuts, and so many bytes.
struct Spot {
    cuts: usize,
    bytes: usize,
}

impl Spot {
    fn new(at: usize, cuts: &[&Token]) -> Self {
        let before = cuts.iter().take_while(|cut| cut.end <= at);
        let end = before.clone().last().map_or(0, |cut| cut.end);
        Spot {
            cuts: before.count(),
            bytes: at - end,
        }
    }

    fn of(&self, values: &[Value]) -> usize {
        match self.cuts {
            0 => self.bytes,
            cuts => values[cuts - 1].end as usize + self.bytes,
        }
    }
}

/// A value that is neither list nor object.
#[derive(Clone)]
struct Token {
    kind: JsonType,
    start: usize,
    end: usize,
}

impl Token {
    /// Returns whether the next line likely has another value here.
    fn is_likely_to_vary(&self) -> bool {
        let is_long = self.end - self.start > LIKELY_SAME;
        self.kind == JsonType::Number || self.kind == JsonType::String && is_long
    }
}

impl Shapes {
    /// Reads a line by one of the shapes; None: by none of them.
    pub fn read(
        &mut self,
        plan: &Plan,
        routes: &Routes,
        texts: &mut Texts,
        line: Line<'_>,
        tables: &mut [Rows; 2],
    ) -> Option<LineRows> {
        if !self.pace.may_try() {
            return None;
        }
        texts.end = 0;
        let end = line.text.len();
        let number = self.forks.find(line.data, end, texts, &mut self.values)?;
        if number != self.latest {
            self.flush(tables);
            self.latest = number;
        }
        let shape = &mut self.shapes[number];
        let route = &routes.apis[shape.api];
        if line.text.len() > route.longest_alike {
            return None;
        }
        let rows = &mut tables[route.table];
        let (row, columns) = (rows.count, &mut rows.columns);
        if self.waiting == 0 {
            (self.first_waiting, self.table) = (row, route.table);
        }
        shape.place(line, texts, &self.values)?;
        let opened = Node::default();
        let found = LineValues {
            plan,
            routes,
            line: line.text,
            texts: &texts.bytes,
            slots: &shape.slots,
            opened: &opened,
            candidate: shape.candidate,
        };
        if shape.write(&found, &self.values, columns, row).is_none() {
            columns.iter_mut().for_each(|column| column.truncate(row));
            return None;
        }
        let [start, end] = [&shape.response.0, &shape.response.1].map(|it| it.of(&self.values));
        let read = LineRows {
            api: shape.api,
            choices: found.choices(route)?.count(),
            hash: xxhash_rust::xxh3::xxh3_64(&line.data[start..end]),
        };
        self.waiting += 1;
        self.pace.hit();
        self.note_use(number);
        Some(read)
    }

    /// Writes the constant cells of the rows that wait for them.
    pub fn flush(&mut self, tables: &mut [Rows; 2]) {
        if self.waiting > 0 {
            let columns = &mut tables[self.table].columns;
            for (column, cell) in &self.shapes[self.latest].constants {
                columns[*column].set_rows(self.first_waiting, self.waiting, cell);
            }
            self.waiting = 0;
        }
    }

    /// Learns a line that a walk has just read as one row.
    pub fn learn(&mut self, routes: &Routes, walked: &WalkedLine<'_>, columns: &[ColumnBuilder]) {
        let candidates = [walked.outer.candidate, walked.found.candidate];
        let mut lists = candidates.iter().flat_map(|it| it.lists);
        if lists.any(|list| list.count > 1) || !self.pace.may_learn() {
            return;
        }
        let Some(tokens) = scalars(walked.line.as_bytes()) else {
            return;
        };
        let is_known = |shape: &Shape| shape.has_form_of(walked.line.as_bytes(), &tokens);
        let known = self.shapes.iter().position(is_known);
        let new = |varies| Shape::new(routes, walked, &tokens, varies, columns);
        let differing =
            |number: usize| self.shapes[number].differing(walked.line.as_bytes(), &tokens);
        let likely = || tokens.iter().map(Token::is_likely_to_vary).collect();
        // The values that decide which API it is must be the same in all lines of a shape.
        let (known, shape) = match known.and_then(|number| new(differing(number))) {
            Some(shape) => (known, Some(shape)),
            None => (
                None,
                new(likely()).or_else(|| new(vec![false; tokens.len()])),
            ),
        };
        let Some(shape) = shape else {
            return;
        };
        let number = known
            .or_else(|| self.least_used())
            .unwrap_or(self.shapes.len());
        if number < self.shapes.len() {
            self.forks.remove(self.shapes[number].fork, number);
            self.shapes[number] = shape;
        } else {
            self.shapes.push(shape);
        }
        self.add_forks(number);
        if self.forks.count() > MOST_FORKS * MOST_SHAPES {
            self.forks = Forks::default();
            (0..self.shapes.len()).for_each(|number| self.add_forks(number));
        }
        self.latest = number;
        self.note_use(number);
    }

    fn add_forks(&mut self, number: usize) {
        let shape = &mut self.shapes[number];
        shape.fork = self.forks.add(shape.steps.iter(), &shape.tail, number);
    }

    fn note_use(&mut self, number: usize) {
        self.clock += 1;
        self.shapes[number].used = self.clock;
    }

    /// The shape that was not used for longest, once there are enough of them.
    fn least_used(&self) -> Option<usize> {
        let numbers = 0..self.shapes.len();
        let least = numbers.min_by_key(|&number| self.shapes[number].used);
        least.filter(|_| self.shapes.len() == MOST_SHAPES)
    }
}

/// A line that a walk has read as one row.
pub struct WalkedLine<'w> {
    pub line: &'w str,
    pub api: usize,
    /// The line itself as a response, and the response.
    pub outer: LineValues<'w>,
    pub found: LineValues<'w>,
}

impl Shape {
    /// None: which API it is depends on a value that varies.
    fn new(
        routes: &Routes,
        walked: &WalkedLine<'_>,
        tokens: &[Token],
        varies: Vec<bool>,
        columns: &[ColumnBuilder],
    ) -> Option<Self> {
        let (found, outer) = (&walked.found, &walked.outer);
        let mut steps: Vec<Step> = Vec::new();
        let mut cuts: Vec<&Token> = Vec::new();
        let mut at = 0;
        for (token, _) in tokens.iter().zip(&varies).filter(|(_, varies)| **varies) {
            steps.push(Step {
                before: walked.line.as_bytes()[at..token.start].into(),
                kind: token.kind,
                is_read: false,
            });
            cuts.push(token);
            at = token.end;
        }
        let cut_in = |value: &Value| {
            let range = value.start as usize..value.end as usize;
            cuts.iter().position(|cut| range.contains(&cut.start))
        };
        let varies_in = |value: &Value| cut_in(value).is_some();
        let is_inner = found.candidate.envelope.is_some();
        if !found.is_settled(Some(walked.api), varies_in)
            || is_inner && !outer.is_settled(None, varies_in)
        {
            return None;
        }
        let route = &routes.apis[walked.api];
        let choice = found.choices(route)?.next();
        let mut shape = Shape {
            line: walked.line.as_bytes().into(),
            api: walked.api,
            tail: walked.line.as_bytes()[at..].into(),
            response: (
                Spot::new(found.candidate.span.0, &cuts),
                Spot::new(found.candidate.span.1, &cuts),
            ),
            constants: Vec::new(),
            composed: Vec::new(),
            sums: Vec::new(),
            candidate: found.candidate,
            slots: found.slots.to_vec(),
            moves: Vec::new(),
            fork: 0,
            uses: Vec::new(),
            used: 0,
            steps: Vec::new(),
            tokens: Vec::new(),
            varies: Vec::new(),
        };
        for (number, target) in route.targets.iter().enumerate() {
            let Some(choice) = choice.or((!target.is_of_choice).then_some(0)) else {
                continue;
            };
            let mut all = Vec::new();
            for (way, end) in target.ends.iter().enumerate() {
                let values = end.places().filter_map(|place| found.value(place, choice));
                all.extend(values.filter(|it| !end.passes(it.kind)).map(|it| (way, it)));
            }
            let varies = |&(way, value): &(usize, &Value)| {
                !target.ends[way].is_presence && cut_in(value).is_some()
            };
            if !all.iter().any(varies) {
                let mut cell = columns[target.column].empty();
                let is_set = found.cell(target, choice, &mut cell, 0)? != Found::Nothing;
                if !matches!(cell, ColumnBuilder::Calls(_)) {
                    if is_set && target.is_read {
                        shape.constants.push((target.column, cell));
                    }
                    continue;
                }
            }
            for &(way, value) in &all {
                if let Some(cut) = cut_in(value) {
                    steps[cut].is_read |= target.ends[way].needs_text;
                }
            }
            match all[..] {
                [(way, value)] if is_scalar(value) && target.ends[way].sum.is_none() => {
                    let cut = cut_in(value)?;
                    if !target.takes(way, steps[cut].kind) {
                        shape.uses.push((cut, number, way));
                    }
                }
                _ => {
                    shape.composed.push(number);
                    shape.add_moves(found, target.places(), choice, &cuts);
                }
            }
        }
        for (number, sum) in route.sums.iter().enumerate() {
            let parts = || {
                sum.parts
                    .iter()
                    .flat_map(|&part| route.targets[part].places())
            };
            let mut values = parts().filter_map(|place| found.value(place, 0));
            if values.any(|value| cut_in(value).is_some()) {
                shape.sums.push(number);
                shape.add_moves(found, parts(), 0, &cuts);
            } else {
                let mut cell = columns[sum.column].empty();
                found.add(route, sum, &mut cell, 0)?;
                shape.constants.push((sum.column, cell));
            }
        }
        shape.steps = steps;
        shape.tokens = tokens.to_vec();
        shape.varies = varies;
        Some(shape)
    }

    /// Notes what is to be placed in the slots of some places.
    fn add_moves<'p>(
        &mut self,
        found: &LineValues<'_>,
        places: impl Iterator<Item = &'p Place>,
        choice: usize,
        cuts: &[&Token],
    ) {
        for place in places {
            let Some(value) = found.value(place, choice) else {
                continue;
            };
            let base = found.base(place, choice);
            let slot = base.map(|base| base + place.node as usize);
            let slot = slot.filter(|slot| self.moves.iter().all(|it| it.slot != *slot));
            let span = [value.start, value.end].map(|at| Spot::new(at as usize, cuts));
            let [start, end] = span;
            let is_cut = |cut: &&Token| cut.start == value.start as usize;
            self.moves.extend(slot.map(|slot| Move {
                slot,
                cut: cuts.iter().position(is_cut).filter(|_| is_scalar(value)),
                span: (start, end),
            }));
        }
    }

    /// Places the values of a line in the slots.
    fn place(&mut self, line: Line<'_>, texts: &mut Texts, values: &[Value]) -> Option<()> {
        for it in &self.moves {
            let slot = &mut self.slots[it.slot];
            if let Some(cut) = it.cut {
                *slot = values[cut];
                continue;
            }
            let [start, end] = [&it.span.0, &it.span.1].map(|it| it.of(values));
            (slot.start, slot.end) = (start as u32, end as u32);
            if slot.kind == JsonType::String && slot.extra > 0 {
                let scanner = Scanner::new(line.data, 0);
                let before = texts.end;
                scanner.text(start + 1, texts)?;
                slot.extra = (before as u64) << 32 | texts.end as u64;
            }
        }
        Some(())
    }

    /// Writes the cells of a line that are not constant; None: a walk is to read it.
    fn write(
        &self,
        found: &LineValues<'_>,
        values: &[Value],
        columns: &mut [ColumnBuilder],
        row: usize,
    ) -> Option<()> {
        let route = &found.routes.apis[self.api];
        for &(cut, target, way) in &self.uses {
            let target = &route.targets[target];
            let building = &mut columns[target.column];
            if found.way(target, way, &values[cut], building, row)? == Found::Zero {
                building.set_int(row, 0);
            }
        }
        let choice = found.choices(route)?.next();
        for &number in &self.composed {
            let target = &route.targets[number];
            let choice = choice.or((!target.is_of_choice).then_some(0))?;
            found.cell(target, choice, &mut columns[target.column], row)?;
        }
        for &number in &self.sums {
            let sum = &route.sums[number];
            found.add(route, sum, &mut columns[sum.column], row)?;
        }
        Some(())
    }

    /// Returns whether a line differs from this one in values only, and in no type.
    fn has_form_of(&self, line: &[u8], tokens: &[Token]) -> bool {
        let mut ends = (0, 0);
        let mut pairs = self.tokens.iter().zip(tokens);
        self.tokens.len() == tokens.len()
            && pairs.all(|(own, other)| {
                let gaps = (&self.line[ends.0..own.start], &line[ends.1..other.start]);
                ends = (own.end, other.end);
                own.kind == other.kind && gaps.0 == gaps.1
            })
            && self.line[ends.0..] == line[ends.1..]
    }

    /// Returns for each value whether it was seen to differ, or does in a line that is like this.
    fn differing(&self, line: &[u8], tokens: &[Token]) -> Vec<bool> {
        let pairs = self.tokens.iter().zip(tokens).zip(&self.varies);
        pairs
            .map(|((own, other), varies)| {
                *varies || self.line[own.start..own.end] != line[other.start..other.end]
            })
            .collect()
    }
}

/// Returns whether a value is neither a list nor an object.
fn is_scalar(value: &Value) -> bool {
    !matches!(value.kind, JsonType::List | JsonType::Object)
}

/// The values of a line that are neither keys nor lists nor objects; None: too many, or
/// too long a line.
///
/// It is JSON: a walk has read it.
fn scalars(line: &[u8]) -> Option<Vec<Token>> {
    if line.len() > LONGEST {
        return None;
    }
    let mut scanner = Scanner::new(line, 0);
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < line.len() {
        if matches!(
            line[at],
            b'{' | b'}' | b'[' | b']' | b',' | b':' | b' ' | b'\t'
        ) {
            at += 1;
            continue;
        }
        let (kind, end) = scanner.value(at, 0)?;
        let is_key = kind == JsonType::String && scanner.sign(scanner.space(end)) == b':';
        if !is_key {
            if tokens.len() == MOST_TOKENS {
                return None;
            }
            tokens.push(Token {
                kind: general(kind),
                start: at,
                end,
            });
        }
        at = end;
    }
    Some(tokens)
}
