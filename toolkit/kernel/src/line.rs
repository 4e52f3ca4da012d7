//! The values that a walk found in a line, and the cells that they become.

use crate::chunk::Signs;
use crate::columns::ColumnBuilder;
use crate::plan::{Kind, Plan, Root};
use crate::routes::{CHOICE, End, OUTER, RESPONSE, Routes, Target};
use crate::scanner::{JsonType, Value};
use crate::strict::without_text;
use crate::trie::TOP;
use crate::values::{Cell, read_value};

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
    /// Microseconds in the unit of `created`, if that is not a smaller one.
    pub unit: Option<i64>,
}

impl LineValues<'_> {
    /// Writes the cells of the line.
    pub fn write(
        &self,
        routes: &Routes,
        columns: &mut [ColumnBuilder],
        row: usize,
        count: usize,
    ) -> Option<()> {
        let width = routes.tries[CHOICE].nodes.len();
        if self.is_chunk(routes) {
            return None;
        }
        let mut repeated = 0;
        let has = |tree: usize| self.slots[tree].first().map_or(0, |top| top.extra);
        let (inner, outer) = (has(RESPONSE), has(OUTER));
        for target in &routes.cells {
            let building = &mut columns[target.column];
            if target.is_of_choice {
                let choices = self.slots[CHOICE].chunks_exact(width);
                for (row, choice) in (row..).zip(choices) {
                    if choice[TOP].extra & target.bits[CHOICE] != 0 {
                        self.cell(routes, target, choice, building, row)?;
                    }
                }
            } else if inner & target.bits[RESPONSE] | outer & target.bits[OUTER] != 0 {
                let repeats = if target.repeats { count } else { 1 };
                for row in row..row + repeats {
                    repeated += self.cell(routes, target, &[], building, row)?;
                }
            } // most columns of a line are null
        }
        if count > 1 && repeated > self.plan.repeated_bytes {
            return None;
        }
        Some(())
    }

    /// The value at the end of a path; None: it is null, or the path starts nowhere.
    #[inline]
    pub fn value<'v>(
        &'v self,
        routes: &Routes,
        end: &End,
        choice: &'v [Value],
    ) -> Option<&'v Value> {
        let (tree, starts) = match end.root {
            Root::Response => (self.slots[RESPONSE], true),
            Root::Choice => (choice, true),
            Root::Completion => (choice, choice[routes.message].is_null()),
            Root::Envelope => (self.slots[OUTER], self.envelope.is_some()),
            Root::Batch => (
                self.slots[OUTER],
                self.envelope.is_some() && self.envelope == routes.batch,
            ),
            Root::Line => (self.slots[OUTER], true),
        };
        let value = if starts { tree.get(end.node) } else { None };
        value.filter(|value| !value.is_null())
    }

    /// What shows whether it is a chunk.
    pub fn signs(&self, routes: &Routes) -> Signs {
        let mut signs = Signs {
            usage: !self.slots[RESPONSE][routes.usage].is_null(),
            ..Signs::default()
        };
        let is_empty =
            |value: &Value| value.kind == JsonType::String && value.end - value.start == 2;
        let has = |value: &Value| !value.is_null() && !is_empty(value);
        let width = routes.tries[CHOICE].nodes.len();
        for slots in self.slots[CHOICE].chunks_exact(width) {
            let delta = &slots[routes.delta];
            signs.choice = true;
            signs.message |= !slots[routes.message].is_null();
            signs.delta |= !delta.is_null();
            signs.object_delta |= delta.kind == JsonType::Object;
            signs.finish_reason |= has(&slots[routes.finish_reason]);
            signs.text |= has(&slots[routes.text]);
        }
        signs
    }

    fn is_chunk(&self, routes: &Routes) -> bool {
        let signs = self.signs(routes);
        let object = &self.slots[RESPONSE][routes.object];
        !signs.are_whole()
            && signs.are_of_chunk(match object.kind {
                JsonType::String => Some(self.text(object)),
                _ => object.is_null().then_some(b""),
            })
    }

    /// Where the values are that decide whether it is a chunk, if not their mere presence does.
    pub fn deciders(&self, routes: &Routes) -> Vec<u32> {
        if self.signs(routes).are_whole() {
            return Vec::new();
        }
        let choice = self.slots[CHOICE];
        let ends = [routes.finish_reason, routes.text].map(|node| choice[node].start);
        [self.slots[RESPONSE][routes.object].start]
            .into_iter()
            .chain(ends)
            .collect()
    }

    fn text(&self, string: &Value) -> &[u8] {
        string.text(self.line, self.texts)
    }

    /// Sets the cell of a row, if there is a value, and returns the bytes of its text.
    #[inline]
    fn cell(
        &self,
        routes: &Routes,
        target: &Target,
        choice: &[Value],
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<usize> {
        let mut has_zero = false;
        for (way, end) in target.ends.iter().enumerate() {
            let Some(value) = self.value(routes, end, choice) else {
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
        if end.has_part && value.kind != JsonType::List {
            return Some(Found::Nothing);
        }
        match (target.kind, value.kind) {
            (Kind::Marker, _) => {
                let path = &self.plan.columns[target.column].ways[way];
                let begins = || self.text(value).starts_with(path.prefix.as_bytes());
                if !(end.is_presence || value.kind == JsonType::String && begins()) {
                    return Some(Found::Nothing);
                }
                building.set_bytes(row, path.word.as_bytes());
                return Some(Found::Text(path.word.len()));
            }
            (Kind::String | Kind::Label | Kind::Text | Kind::Content, JsonType::String) => {
                let text = self.text(value);
                if text.is_empty() && matches!(target.kind, Kind::String | Kind::Label) {
                    return Some(Found::Nothing);
                }
                if !target.drops {
                    building.set_bytes(row, text);
                }
                return Some(Found::Text(text.len()));
            }
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
            (_, JsonType::Object) if end.passes_objects => return Some(Found::Nothing),
            _ => return self.rare(target, way, value, building, row),
        }
        Some(Found::Text(0))
    }

    /// Microseconds; None: past all times.
    fn time(&self, value: u64) -> Option<i64> {
        let micros = i64::try_from(value).ok()?.checked_mul(self.unit?)?;
        (micros < self.plan.latest_microsecond).then_some(micros)
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
        let column = &self.plan.columns[target.column];
        let way = &column.ways[way];
        let cell = match read_value(raw, column, way, self.plan) {
            Ok(Cell::Null) => return Some(Found::Nothing),
            Ok(Cell::Int(0)) if target.passes_zero => return Some(Found::Zero),
            Err(_) if way.takes_any_shape => return Some(Found::Nothing),
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
