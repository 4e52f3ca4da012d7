//! The values that a walk found in a line, and the cells that they become.

use crate::columns::ColumnBuilder;
use crate::plan::{Kind, Plan};
use crate::routes::{CHOICE, RESPONSE, Routes, Target};
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

/// What was found in a line.
pub struct LineValues<'w> {
    pub plan: &'w Plan,
    pub line: &'w [u8],
    pub texts: &'w [u8],
    pub slots: [&'w [Value]; 3],
    pub is_bare: bool,
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
        if !self.has_message(routes) && !self.is_whole(self.object(routes)) {
            return None; // perhaps a chunk
        }
        let mut repeated = 0;
        for target in &routes.cells {
            let building = &mut columns[target.column];
            match self.slots_of(target) {
                None => {}
                Some(slots) if target.tree == CHOICE => {
                    for (row, slots) in (row..).zip(slots.chunks_exact(width)) {
                        self.cell(target, slots, building, row)?;
                    }
                }
                Some(slots) => {
                    let repeats = if target.repeats { count } else { 1 };
                    for row in row..row + repeats {
                        repeated += self.cell(target, slots, building, row)?;
                    }
                }
            }
        }
        if count > 1 && repeated > self.plan.repeated_bytes {
            return None;
        }
        Some(())
    }

    /// The values at the nodes of the tree of a column, of all choices if it is theirs;
    /// None: the column is null.
    pub fn slots_of(&self, target: &Target) -> Option<&[Value]> {
        let is_null = self.is_bare && target.needs_envelope;
        (!is_null).then_some(self.slots[target.tree])
    }

    /// Returns whether a choice has a message: no chunk has.
    pub fn has_message(&self, routes: &Routes) -> bool {
        let width = routes.tries[CHOICE].nodes.len();
        let mut choices = self.slots[CHOICE].chunks_exact(width);
        choices.any(|slots| !slots[routes.message].is_null())
    }

    /// What names the kind of the response.
    pub fn object(&self, routes: &Routes) -> &Value {
        &self.slots[RESPONSE][routes.object]
    }

    /// Returns whether `object` names a response that is no chunk.
    fn is_whole(&self, object: &Value) -> bool {
        object.kind == JsonType::String && {
            let name = self.text(object);
            !name.is_empty() && name != b"chat.completion.chunk"
        }
    }

    fn text(&self, string: &Value) -> &[u8] {
        string.text(self.line, self.texts)
    }

    /// Sets the cell of a row, if there is a value, and returns the bytes of its text.
    #[inline]
    fn cell(
        &self,
        target: &Target,
        slots: &[Value],
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<usize> {
        if slots[TOP].extra & target.bits == 0 {
            return Some(0); // most columns of a line are null
        }
        for (way, end) in target.ends.iter().enumerate() {
            let value = &slots[end.node];
            if !value.is_null()
                && let Some(size) = self.way(target, way, value, building, row)?
            {
                return Some(size);
            }
        }
        Some(0)
    }

    /// Sets a cell by one of its ways; None inside: it has no value.
    #[inline]
    pub fn way(
        &self,
        target: &Target,
        way: usize,
        value: &Value,
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<Option<usize>> {
        let end = &target.ends[way];
        if end.has_part && value.kind != JsonType::List {
            return Some(None);
        }
        match (target.kind, value.kind) {
            (Kind::String | Kind::Label | Kind::Text | Kind::Content, JsonType::String) => {
                let text = self.text(value);
                if text.is_empty() && matches!(target.kind, Kind::String | Kind::Label) {
                    return Some(None);
                }
                if !target.drops {
                    building.set_bytes(row, text);
                }
                return Some(Some(text.len()));
            }
            (Kind::Characters, JsonType::String) => {
                building.set_int(row, bytecount::num_chars(self.text(value)) as i64);
            }
            (Kind::Count, JsonType::Whole)
                if (target.minimum..=target.maximum).contains(&(value.extra as i64)) =>
            {
                building.set_int(row, value.extra as i64);
            }
            (Kind::Timestamp, JsonType::Whole) => match self.time(value.extra) {
                Some(micros @ 1..) => building.set_int(row, micros),
                _ => return self.rare(target, way, value, building, row),
            },
            (_, JsonType::Object) if end.passes_objects => return Some(None),
            _ => return self.rare(target, way, value, building, row),
        }
        Some(Some(0))
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
    ) -> Option<Option<usize>> {
        let raw = str::from_utf8(value.raw(self.line)).ok()?;
        let column = &self.plan.columns[target.column];
        let cell = read_value(raw, column, &column.ways[way], self.plan).ok()?;
        if cell == Cell::Null {
            return Some(None);
        }
        let size = match &cell {
            Cell::Text(text) => text.len(),
            _ => 0,
        };
        if target.drops {
            building.set(row, &without_text(cell));
        } else {
            building.set(row, &cell);
        }
        Some(Some(size))
    }
}
