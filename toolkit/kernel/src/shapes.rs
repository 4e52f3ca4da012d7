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
use crate::line::{Found, LineRows, LineValues};
use crate::pace::Pace;
use crate::plan::Plan;
use crate::routes::{CHOICE, Routes};
use crate::scanner::{JsonType, Scanner, Texts, Value};
use crate::walk::Line;

/// The most shapes that are kept.
const MOST_SHAPES: usize = 32;
/// The most shapes that are tried on a line.
const MOST_TRIES: u32 = 6;
/// A longer line, or one with more values, is not learned.
const LONGEST: usize = 1 << 16;
const MOST_TOKENS: usize = 512;

/// The shapes of the last lines.
#[derive(Default)]
pub struct Shapes {
    shapes: Vec<Shape>,
    /// The number of the shape of the last line.
    latest: usize,
    /// Its last rows, whose constant cells are not written yet: the first one, and how many
    /// they are. They follow each other: flush before a row is set by other means.
    first_waiting: usize,
    waiting: usize,
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
    steps: Vec<Step>,
    /// Cells for which several values are tried.
    picks: Vec<Pick>,
    /// The bytes behind the last cut.
    tail: Box<[u8]>,
    /// Where the response starts and ends.
    response: (Place, Place),
    /// Cells of one row, by column: the same in all lines.
    constants: Vec<(usize, ColumnBuilder)>,
    /// By number of another shape: how many of their first steps are alike.
    shared: Vec<usize>,
    /// When it was used or learned.
    used: usize,
}

/// The bytes up to a cut, and the type of the value at it.
struct Step {
    before: Box<[u8]>,
    kind: JsonType,
    is_read: bool,
    /// The targets that read it alone, and by which way.
    uses: Vec<(usize, usize)>,
}

/// A cell that is the first of some values, each at a step and read by a way.
struct Pick {
    target: usize,
    sources: Vec<(usize, usize)>,
    /// The cell if none of them has a value.
    rest: Option<ColumnBuilder>,
}

impl Step {
    fn is_same(&self, other: &Step) -> bool {
        self.before == other.before && self.kind == other.kind && self.is_read == other.is_read
    }
}

/// A place in all lines of a shape: behind so many cuts, and so many bytes.
struct Place {
    cuts: usize,
    bytes: usize,
}

/// A value that is neither list nor object.
struct Token {
    kind: JsonType,
    start: usize,
    end: usize,
}

impl Shapes {
    /// Reads a line by one of the shapes; None: by none of them.
    pub fn read(
        &mut self,
        plan: &Plan,
        routes: &Routes,
        texts: &mut Texts,
        line: Line<'_>,
        columns: &mut [ColumnBuilder],
        row: usize,
    ) -> Option<LineRows> {
        if !self.pace.may_try() {
            return None;
        }
        texts.end = 0;
        let number = self.find(texts, line)?;
        if number != self.latest || self.waiting == 0 {
            self.flush(columns);
            self.latest = number;
            self.first_waiting = row;
        }
        let shape = &self.shapes[number];
        let found = LineValues {
            plan,
            line: line.data,
            texts: &texts.bytes,
            slots: [&[]; 3],
            envelope: None,
            routes,
        };
        for (step, value) in shape.steps.iter().zip(&self.values) {
            for &(target, way) in &step.uses {
                let target = &routes.cells[target];
                let building = &mut columns[target.column];
                match found.way(target, way, value, building, row) {
                    Some(Found::Zero) => building.set_int(row, 0),
                    Some(_) => {}
                    None => {
                        columns.iter_mut().for_each(|column| column.truncate(row));
                        return None;
                    }
                }
            }
        }
        for pick in &shape.picks {
            let building = &mut columns[routes.cells[pick.target].column];
            if pick
                .cell(routes, &found, &self.values, building, row)
                .is_none()
            {
                columns.iter_mut().for_each(|column| column.truncate(row));
                return None;
            }
        }
        let place = |place: &Place| match place.cuts {
            0 => place.bytes,
            cuts => self.values[cuts - 1].end as usize + place.bytes,
        };
        let (start, end) = (place(&shape.response.0), place(&shape.response.1));
        let hash = xxhash_rust::xxh3::xxh3_64(&line.data[start..end]);
        self.waiting += 1;
        self.pace.hit();
        self.note_use(number);
        Some(LineRows { choices: 1, hash })
    }

    /// Writes the constant cells of the rows that wait for them.
    pub fn flush(&mut self, columns: &mut [ColumnBuilder]) {
        if self.waiting > 0 {
            for (column, cell) in &self.shapes[self.latest].constants {
                columns[*column].set_rows(self.first_waiting, self.waiting, cell);
            }
            self.waiting = 0;
        }
    }

    /// Finds the shape of a line, and notes its values.
    fn find(&mut self, texts: &mut Texts, line: Line<'_>) -> Option<usize> {
        let mut scanner = Scanner {
            data: line.data,
            end: line.end,
            deepest: 0, // no list or object is at a cut
            whole: 0,
        };
        self.values.clear();
        let mut number = self.latest;
        let mut tried = 0_u32;
        let mut at = 0;
        // At most this many bytes may be passed in vain: a long line is not read six times.
        let mut spare = line.end;
        loop {
            tried |= 1 << number;
            let shape = self.shapes.get(number)?;
            for step in &shape.steps[self.values.len()..] {
                let Some(value) = step.pass(&mut scanner, at, texts) else {
                    break;
                };
                at = value.end as usize;
                self.values.push(value);
            }
            let passed = self.values.len();
            if passed == shape.steps.len() && line.data[at..line.end] == *shape.tail {
                return Some(number);
            }
            // Another one may go on from here, or from where it parted from this one.
            let shared = &shape.shared;
            let may_be = |&next: &usize| tried & (1 << next) == 0 && shared[next] <= passed;
            let likely = |&next: &usize| (shared[next], self.shapes[next].used);
            let others = (0..self.shapes.len()).filter(may_be);
            number = others.max_by_key(likely)?;
            if tried.count_ones() == MOST_TRIES {
                return None;
            }
            self.values.truncate(shared[number]);
            let back = self.values.last().map_or(0, |value| value.end as usize);
            spare = spare.checked_sub(at - back)?;
            at = back;
        }
    }

    /// Learns a line that a walk has just read as one row.
    pub fn learn(&mut self, routes: &Routes, walked: &WalkedLine<'_>, columns: &[ColumnBuilder]) {
        if !self.pace.may_learn() {
            return;
        }
        let Some(tokens) = scalars(walked.line) else {
            return;
        };
        let is_known = |shape: &Shape| shape.has_form_of(walked.line, &tokens);
        let known = self.shapes.iter().position(is_known);
        let varies = match known {
            Some(number) => self.shapes[number].differing(walked.line, &tokens),
            None => vec![false; tokens.len()],
        };
        let Some(shape) = Shape::new(routes, walked, tokens, varies, columns) else {
            return;
        };
        let place = known.or_else(|| self.least_used());
        let number = place.unwrap_or(self.shapes.len());
        if number == self.shapes.len() {
            self.shapes.push(shape);
        } else {
            self.shapes[number] = shape;
        }
        self.latest = number;
        self.note_use(number);
        self.note_shared(number);
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

    /// Notes what a new shape shares with the others.
    fn note_shared(&mut self, number: usize) {
        let shape = &self.shapes[number];
        let shared: Vec<usize> = self.shapes.iter().map(|other| shape.share(other)).collect();
        for (other, &shared) in self.shapes.iter_mut().zip(&shared) {
            other.shared.resize(other.shared.len().max(number + 1), 0);
            other.shared[number] = shared;
        }
        self.shapes[number].shared = shared;
    }
}

/// A line that a walk has read as one row.
pub struct WalkedLine<'w> {
    pub line: &'w [u8],
    pub found: &'w LineValues<'w>,
    /// Where the response starts and ends.
    pub response: (usize, usize),
}

impl Shape {
    /// None: a cell is read from a list or object in which a value varies, or one that
    /// varies decides whether it is a chunk.
    fn new(
        routes: &Routes,
        walked: &WalkedLine<'_>,
        tokens: Vec<Token>,
        varies: Vec<bool>,
        columns: &[ColumnBuilder],
    ) -> Option<Self> {
        let mut steps: Vec<Step> = Vec::new();
        let mut cuts: Vec<&Token> = Vec::new();
        let mut at = 0;
        for (token, _) in tokens.iter().zip(&varies).filter(|(_, varies)| **varies) {
            steps.push(Step {
                before: walked.line[at..token.start].into(),
                kind: token.kind,
                is_read: false,
                uses: Vec::new(),
            });
            cuts.push(token);
            at = token.end;
        }
        let tail = walked.line[at..].into();
        let deciders = walked.found.deciders();
        if cuts
            .iter()
            .any(|cut| deciders.contains(&(cut.start as u32)))
        {
            return None;
        }
        let mut constants = Vec::new();
        let mut picks = Vec::new();
        for (number, target) in routes.cells.iter().enumerate() {
            let mut pick = Pick {
                target: number,
                sources: Vec::new(),
                rest: None,
            };
            for (way, end) in target.ends.iter().enumerate() {
                let Some(value) = walked.found.value(&end.place, walked.found.slots[CHOICE]) else {
                    continue;
                };
                if end.passes(value.kind) {
                    continue;
                }
                let range = value.start as usize..value.end as usize;
                let mut cuts = cuts.iter().enumerate();
                let cut = cuts.find(|(_, cut)| range.contains(&cut.start));
                if let Some((cut, _)) = cut.filter(|_| !end.is_presence) {
                    if matches!(value.kind, JsonType::List | JsonType::Object) {
                        return None;
                    }
                    steps[cut].is_read |= end.needs_text;
                    pick.sources.push((cut, way));
                    continue;
                }
                let mut cell = columns[target.column].empty();
                let found = walked.found.way(target, way, value, &mut cell, 0)?;
                if found == Found::Zero {
                    cell.set_int(0, 0);
                }
                if found != Found::Nothing {
                    if matches!(cell, ColumnBuilder::Calls(_)) {
                        return None;
                    }
                    pick.rest = Some(cell);
                }
                if matches!(found, Found::Text(_)) {
                    break;
                }
            }
            match (pick.sources.as_slice(), pick.rest.take()) {
                ([], Some(cell)) if target.is_read => constants.push((target.column, cell)),
                ([], _) => {}
                (&[(cut, way)], None) if target.takes(way, steps[cut].kind) => {}
                (&[(cut, way)], None) => steps[cut].uses.push((number, way)),
                (_, rest) => picks.push(Pick { rest, ..pick }),
            }
        }
        let place = |at: usize| {
            let before = cuts.iter().take_while(|cut| cut.end <= at);
            let end = before.clone().last().map_or(0, |cut| cut.end);
            Place {
                cuts: before.count(),
                bytes: at - end,
            }
        };
        let response = (place(walked.response.0), place(walked.response.1));
        Some(Shape {
            line: walked.line.into(),
            tokens,
            varies,
            steps,
            picks,
            tail,
            response,
            constants,
            shared: Vec::new(),
            used: 0,
        })
    }

    /// How many of the first steps are alike.
    fn share(&self, other: &Shape) -> usize {
        let pairs = self.steps.iter().zip(&other.steps);
        pairs.take_while(|(own, other)| own.is_same(other)).count()
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

impl Step {
    /// Passes the bytes up to the cut and at it.
    #[inline]
    fn pass(&self, scanner: &mut Scanner<'_>, at: usize, texts: &mut Texts) -> Option<Value> {
        if !scanner.data.get(at..)?.starts_with(&self.before) {
            return None;
        }
        let start = at + self.before.len();
        let mut extra = 0;
        let (kind, end) = if self.kind != JsonType::String {
            let (kind, end) = scanner.value(start, 0)?;
            extra = scanner.whole;
            (kind, end)
        } else if scanner.sign(start) != b'"' {
            return None;
        } else if !self.is_read {
            (JsonType::String, scanner.string(start + 1)?.1)
        } else {
            let before = texts.end;
            let end = scanner.text(start + 1, texts)?;
            if texts.end > before {
                extra = (before as u64) << 32 | texts.end as u64;
            }
            (JsonType::String, end)
        };
        (general(kind) == self.kind).then_some(Value {
            kind,
            start: start as u32,
            end: end as u32,
            extra,
        })
    }
}

impl Pick {
    /// Sets the cell of a row; None: a walk is to read the line.
    fn cell(
        &self,
        routes: &Routes,
        found: &LineValues<'_>,
        values: &[Value],
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<()> {
        let target = &routes.cells[self.target];
        let mut has_zero = false;
        for &(step, way) in &self.sources {
            match found.way(target, way, &values[step], building, row)? {
                Found::Text(_) => return Some(()),
                Found::Zero => has_zero = true,
                Found::Nothing => {}
            }
        }
        match &self.rest {
            Some(rest) => building.set_rows(row, 1, rest),
            None if has_zero => building.set_int(row, 0),
            None => {}
        }
        Some(())
    }
}

/// The type of a value, all numbers alike.
fn general(kind: JsonType) -> JsonType {
    match kind {
        JsonType::Whole => JsonType::Number,
        kind => kind,
    }
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
