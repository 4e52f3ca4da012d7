//! The values that a walk found in a line, and the cells that they become.

use crate::columns::ColumnBuilder;
use crate::plan::{Kind, Path, Plan, Root, Test, Type};
use crate::routes::{CHOICE, Check, OUTER, Place, RESPONSE, Rival, Routes, Target, has_rival};
use crate::scanner::{JsonType, Value};
use crate::strict::without_text;
use crate::trie::TOP;
use crate::values::{Cell, is_expected, read_raw};

/// The rows of a line, and the hash of its response.
pub struct LineRows {
    /// One row each.
    pub choices: usize,
    pub hash: u64,
}

/// What a way led to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// A count of 0, which is not set: another way may have more.
    Zero,
    /// The cell is set; so many bytes of text, if it is one.
    Text(usize),
}

/// What was found in a line.
pub struct LineValues<'w> {
    pub plan: &'w Plan,
    pub line: &'w [u8],
    pub texts: &'w [u8],
    pub slots: [&'w [Value]; 3],
    /// The envelope that holds the response; None: the line is the response.
    pub envelope: Option<usize>,
    pub routes: &'w Routes,
}

impl<'w> LineValues<'w> {
    /// Writes the cells of the line.
    pub fn write(&self, columns: &mut [ColumnBuilder], row: usize, count: usize) -> Option<()> {
        let routes = self.routes;
        let width = routes.tries[CHOICE].nodes.len();
        if !self.is_whole() {
            return None;
        }
        let mut repeated = 0;
        let most = match count {
            2.. => routes.most_facts.min(self.plan.repeated_bytes),
            _ => routes.most_facts,
        };
        let has = |tree: usize| self.slots[tree].first().map_or(0, |top| top.extra);
        let (inner, outer) = (has(RESPONSE), has(OUTER));
        for target in &routes.cells {
            let building = &mut columns[target.column];
            let is_shared = inner & target.bits[RESPONSE] | outer & target.bits[OUTER] != 0;
            if target.is_of_choice {
                let choices = self.slots[CHOICE].chunks_exact(width);
                for (row, choice) in (row..).zip(choices) {
                    if is_shared || choice[TOP].extra & target.bits[CHOICE] != 0 {
                        self.cell(target, choice, building, row)?;
                    }
                }
            } else if is_shared {
                let repeats = if target.repeats { count } else { 1 };
                for row in row..row + repeats {
                    repeated += self.cell(target, &[], building, row)?;
                    if repeated > most {
                        return None;
                    }
                }
            } // most columns of a line are null
        }
        Some(())
    }

    /// The value at the end of a path; None: it is null, or the path starts nowhere.
    #[inline]
    pub fn value<'v>(&'v self, place: &Place, choice: &'v [Value]) -> Option<&'v Value> {
        let (tree, starts) = match place.root {
            Root::Response => (self.slots[RESPONSE], true),
            Root::Choice => (choice, true),
            Root::Line => (self.slots[OUTER], true),
            Root::Envelope => (self.slots[OUTER], self.envelope.is_some()),
            Root::At => {
                let is_at = self.envelope.is_some() && self.envelope == place.at;
                (self.slots[OUTER], is_at)
            }
        };
        let value = if starts { tree.get(place.node) } else { None };
        value.filter(|value| !value.is_null())
    }

    /// Returns whether this is of the API.
    fn is_whole(&self) -> bool {
        let routes = self.routes;
        let width = routes.tries[CHOICE].nodes.len();
        let meets = |condition: &[Vec<Check>]| {
            let passes = |check: &Check| self.passes(check, width);
            condition.iter().any(|checks| checks.iter().all(passes))
        };
        let conditions = routes.conditions.iter();
        let mut meets = conditions.map(|[tests, unless]| meets(tests) && !meets(unless));
        let (slots, texts) = (self.slots[RESPONSE], self.texts);
        meets.next() == Some(true)
            && !meets.any(|is_other| is_other)
            && !has_rival(&routes.inner_rivals, slots, self.line, texts)
    }

    #[inline]
    fn passes(&self, check: &Check, width: usize) -> bool {
        let has = |choice: &[Value]| {
            let value = self.value(&check.place, choice);
            value.is_some_and(|value| check.is_presence || self.is_expected(value, &check.test))
        };
        let found = match check.place.root {
            Root::Choice => {
                let mut rest = self.slots[CHOICE];
                loop {
                    match rest.split_at_checked(width) {
                        Some((choice, _)) if has(choice) => break true,
                        Some((_, more)) => rest = more,
                        None => break false,
                    }
                }
            }
            _ => has(&[]),
        };
        found == check.test.expected
    }

    fn is_expected(&self, value: &Value, test: &Test) -> bool {
        let raw = value.raw(self.line);
        is_expected(raw, value.label(self.line, self.texts), test)
    }

    /// Where the values are that decide whether it is a whole response, if not their type does,
    /// or whether the line is one itself; of a line with one choice.
    pub fn deciders(&self) -> Vec<u32> {
        let routes = self.routes;
        let width = routes.tries[CHOICE].nodes.len();
        let decider = |check: &Check| {
            let value = self.value(&check.place, self.slots[CHOICE])?;
            let by_text = !check.test.words.is_empty() || check.test.r#type == Type::Filled;
            by_text.then_some(value.start)
        };
        let is_open = |checks: &&Vec<Check>| {
            let is_refuted = |check| decider(check).is_none() && !self.passes(check, width);
            !checks.iter().any(is_refuted)
        };
        let alternatives = routes.conditions.iter().flatten().flatten();
        let within = alternatives.filter(is_open).flatten().filter_map(decider);
        let worded = |rivals: &'w [Vec<Rival>], tree: usize| {
            let worded = rivals
                .iter()
                .flatten()
                .filter(|(.., words)| !words.is_empty());
            worded.filter_map(move |&(node, ..)| self.slots[tree].get(node))
        };
        let outer = worded(&routes.rivals, OUTER).filter(|_| self.envelope.is_some());
        let rivals = worded(&routes.inner_rivals, RESPONSE).chain(outer);
        within.chain(rivals.map(|value| value.start)).collect()
    }

    fn text(&self, string: &Value) -> &[u8] {
        string.text(self.line, self.texts)
    }

    /// Sets the cell of a row, if there is a value, and returns the bytes of its text.
    #[inline]
    fn cell(
        &self,
        target: &Target,
        choice: &[Value],
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<usize> {
        let mut has_zero = false;
        for (way, end) in target.ends.iter().enumerate() {
            let Some(value) = self.value(&end.place, choice) else {
                continue;
            };
            match self.way(target, way, value, building, row)? {
                Found::Text(size) => return Some(size),
                Found::Zero => has_zero = true,
                Found::Nothing => {}
            }
        }
        if has_zero {
            building.set_int(row, 0);
        }
        Some(0)
    }

    /// Sets a cell by one of its ways.
    #[inline]
    pub fn way(
        &self,
        target: &Target,
        way: usize,
        value: &Value,
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<Found> {
        let end = &target.ends[way];
        if end.passes(value.kind) {
            return Some(Found::Nothing);
        }
        if end.has_items {
            return self.rare(target, way, value, building, row);
        }
        match (target.kind, value.kind) {
            (Kind::Marker, _) => {
                let path = self.path(target, way);
                let begins = || self.text(value).starts_with(path.prefix.as_bytes());
                if !(end.is_presence || value.kind == JsonType::String && begins()) {
                    return Some(Found::Nothing);
                }
                let word = path.word.as_deref().unwrap_or_default();
                if !word.is_empty() {
                    building.set_bytes(row, word.as_bytes());
                }
                return Some(Found::Text(word.len()));
            }
            (kind, JsonType::String) if kind.is_text() => {
                let text = self.text(value); // if it is dropped perhaps with its escapes
                if text.is_empty() && !matches!(kind, Kind::Text | Kind::Content) {
                    return Some(Found::Nothing);
                }
                if !target.drops {
                    building.set_bytes(row, text);
                }
                return Some(Found::Text(text.len()));
            }
            (Kind::Characters, JsonType::String) if !target.is_read => {}
            (Kind::Characters, JsonType::String) => {
                building.set_int(row, bytecount::num_chars(self.text(value)) as i64);
            }
            (Kind::Count, JsonType::Whole) if value.extra == 0 && target.passes_zero => {
                return Some(Found::Zero);
            }
            (Kind::Count, JsonType::Whole)
                if (target.minimum..=target.maximum).contains(&(value.extra as i64)) =>
            {
                building.set_int(row, value.extra as i64);
            }
            (Kind::Flag, JsonType::Bool) => {
                building.set_int(row, i64::from(value.raw(self.line)[0] == b't'));
            }
            (Kind::Timestamp, JsonType::Whole) => match self.time(value.extra) {
                Some(micros @ 1..) => building.set_int(row, micros),
                _ => return self.rare(target, way, value, building, row),
            },
            (Kind::TimestampProblem, JsonType::Whole)
                if matches!(self.time(value.extra), Some(1..)) => {}
            (_, JsonType::Object) if end.passes_objects => return Some(Found::Nothing),
            _ => return self.rare(target, way, value, building, row),
        }
        Some(Found::Text(0))
    }

    /// Microseconds; None: past all times.
    fn time(&self, value: u64) -> Option<i64> {
        let micros = i64::try_from(value).ok()?.checked_mul(self.routes.unit?)?;
        (micros < self.plan.latest_microsecond).then_some(micros)
    }

    fn path(&self, target: &Target, way: usize) -> &Path {
        &self.plan.apis[self.routes.api].paths[target.column][way]
    }

    /// Reads a value as the strict path does.
    fn rare(
        &self,
        target: &Target,
        way: usize,
        value: &Value,
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<Found> {
        let raw = str::from_utf8(value.raw(self.line)).ok()?;
        let column = &self.plan.columns[self.routes.table][target.column];
        let path = self.path(target, way);
        let items = path.steps.items.as_ref();
        let cell = read_raw(raw, items, column, path, self.plan);
        let cell = match cell {
            Ok(Cell::Null) => return Some(Found::Nothing),
            Ok(Cell::Int(0)) if target.passes_zero && target.kind == Kind::Count => {
                return Some(Found::Zero);
            }
            Ok(Cell::Float(0.0)) if target.passes_zero && target.kind == Kind::Number => {
                return raw.starts_with('0').then_some(Found::Zero); // not -0
            }
            Ok(Cell::Text(word)) if target.kind.is_word() => match word.is_empty() {
                true => return Some(Found::Text(0)),
                false if target.passes_zero => return None,
                false => Cell::Text(word),
            },
            Err(_) if path.takes_any_shape => return Some(Found::Nothing),
            cell => cell.ok()?,
        };
        let size = match &cell {
            Cell::Text(text) => text.len(),
            _ => 0,
        };
        if target.drops {
            building.set(row, &without_text(cell));
        } else {
            building.set(row, &cell);
        }
        Some(Found::Text(size))
    }
}
