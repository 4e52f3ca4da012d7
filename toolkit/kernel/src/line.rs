//! The values that a walk found in a line: which API they are of, and the cells they become.

use crate::columns::ColumnBuilder;
use crate::json::Node;
use crate::plan::{Column, Kind, Path, Plan, Root};
use crate::routes::{Check, Checks, Place, Route, Routes, Sum, Target};
use crate::scanner::{JsonType, Value};
use crate::strict::without_text;
use crate::trie::has_value;
use crate::values::{Cell, is_expected, read_raw};
use crate::walk::{Candidate, Choices};

/// The response or chunk that a line has.
pub struct LineRows {
    pub api: usize,
    /// One row each, or one row if there are none.
    pub choices: usize,
    pub hash: u64,
}

/// What a way led to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// A count of 0, which is not set: another way may have more.
    Zero,
    /// The cell is set to a count.
    Count(i64),
    /// The cell is set; so many bytes of text, if it is one.
    Text(usize),
}

/// What was found in a line.
#[derive(Clone, Copy)]
pub struct LineValues<'w> {
    pub plan: &'w Plan,
    pub routes: &'w Routes,
    pub line: &'w str,
    /// The text of strings with escapes.
    pub texts: &'w [u8],
    pub slots: &'w [Value],
    /// Has the lists of the line that were opened, and nothing else.
    pub opened: &'w Node<'w>,
    /// The object that is read as a response.
    pub candidate: Candidate,
}

/// Checks of a candidate: which pass, and which do or still may.
struct Checked {
    passed: u128,
    possible: u128,
}

impl<'w> LineValues<'w> {
    /// Returns the first API that the candidate is of, or None if there is none; fails if it is
    /// a chunk or an error that is not read.
    pub fn api(&self) -> Option<Option<usize>> {
        let mut checked = self.checked()?;
        for (number, route) in self.routes.apis.iter().enumerate() {
            let mut meets = |alternatives: &[Checks]| {
                let mut each = alternatives.iter();
                each.any(|checks| self.meets(checks, &mut checked))
            };
            if meets(&route.tests) && self.choices(route).is_some() && !meets(&route.unless) {
                return (!meets(&route.refused)).then_some(Some(number));
            }
        }
        Some(None)
    }

    /// The checks that pass because a value is there, and those that may pass.
    fn checked(&self) -> Option<Checked> {
        let readers = &self.routes.checked;
        let row = |base: usize| &self.slots[base..];
        let line = readers.line(self.candidate.envelope);
        let mut possible = readers.response.of(row(self.candidate.base))? | line.of(row(0))?;
        let lists = self.candidate.lists.iter().enumerate();
        for (list, choices) in lists.filter(|(_, choices)| !choices.is_odd) {
            for base in choices.rows() {
                possible |= readers.choices[list].of(row(base))?;
            }
        }
        let passed = possible & self.routes.presences;
        Some(Checked { passed, possible })
    }

    /// Returns whether the checks pass that must, and the others do not.
    #[inline]
    fn meets(&self, checks: &Checks, checked: &mut Checked) -> bool {
        loop {
            if checks.passed & !checked.possible | checks.failed & checked.passed != 0 {
                return false;
            }
            let known = checked.passed | !checked.possible;
            let unknown = (checks.passed | checks.failed) & !known;
            if unknown == 0 {
                return true;
            }
            let number = unknown.trailing_zeros();
            match self.has(&self.routes.checks[number as usize]) {
                true => checked.passed |= 1 << number,
                false => checked.possible &= !(1 << number),
            }
        }
    }

    /// The first slot of each choice; None: the value at their path is not a list.
    #[inline]
    pub fn choices(&self, route: &Route) -> Option<impl Iterator<Item = usize> + Clone + use<>> {
        let Some(list) = route.list else {
            return Some(Choices::one(self.candidate.base).rows());
        };
        let choices = &self.candidate.lists[list];
        let row = &self.slots[self.candidate.base..];
        let node = self.routes.lists[list];
        let value = Some(&row[node]).filter(|_| has_value(row, node));
        let value = value.filter(|value| !value.is_null());
        let is_odd = value.is_some_and(|value| value.kind != JsonType::List || choices.is_odd);
        (!is_odd).then(|| choices.rows())
    }

    /// Returns whether a check passes.
    fn has(&self, check: &Check) -> bool {
        let has = |choice: usize| {
            let value = self.value(&check.place, choice);
            value.is_some_and(|value| self.is_expected(value, check))
        };
        match check.list {
            Some(list) => self.candidate.lists[list].rows().any(has),
            None => has(0),
        }
    }

    fn is_expected(&self, value: &Value, check: &Check) -> bool {
        let line = self.line.as_bytes();
        is_expected(value.raw(line), value.label(line, self.texts), &check.test)
    }

    /// Returns whether the candidate is of this API, or of none, whatever its varying values
    /// are; `varies` returns whether a value does, by its place.
    pub fn is_settled(&self, api: Option<usize>, varies: impl Fn(&Value) -> bool) -> bool {
        let last = api.map_or(self.routes.apis.len(), |api| api + 1);
        let routes = self.routes.apis[..last].iter();
        let routes = routes.filter(|route| self.choices(route).is_some());
        let Some(mut checked) = self.checked() else {
            return false;
        };
        let may_change = |&number: &usize| {
            let check = &self.routes.checks[number];
            let choices = check.list.map(|list| &self.candidate.lists[list]);
            let has_choice = choices.is_none_or(|it| it.count == 1 && !it.is_odd);
            let choice = choices.map_or(0, |it| it.base);
            check.is_by_text()
                && has_choice
                && self.value(&check.place, choice).is_some_and(&varies)
        };
        let numbers = 0..self.routes.checks.len();
        let changing = numbers.filter(may_change);
        let constant = !changing.fold(0_u128, |bits, number| bits | 1 << number);
        let mut alternatives = routes
            .flat_map(|route| [&route.tests, &route.unless, &route.refused])
            .flatten();
        alternatives.all(|checks| {
            let settled = Checks {
                passed: checks.passed & constant,
                failed: checks.failed & constant,
            };
            let is_constant = (checks.passed | checks.failed) & !constant == 0;
            is_constant || !self.meets(&settled, &mut checked)
        })
    }

    /// Writes the cells of the candidate, and returns how many choices it has.
    pub fn write(&self, api: usize, columns: &mut [ColumnBuilder], row: usize) -> Option<usize> {
        let route = &self.routes.apis[api];
        let choices = self.choices(route)?;
        let count = choices.clone().count();
        let envelope = self.candidate.envelope;
        let shared = route.ways.response.of(&self.slots[self.candidate.base..])?
            | route.ways.line(envelope).of(self.slots)?;
        let most = match count {
            2.. => route.most_facts.min(self.plan.repeated_bytes),
            _ => route.most_facts,
        };
        let mut ways = shared & !route.of_choice;
        let mut repeated = 0;
        if count == 0 {
            self.cells(route, ways, 0, columns, row)?;
        }
        let readers = &route.ways.choices[route.list.unwrap_or(0)];
        for (row, choice) in (row..).zip(choices) {
            let own = readers.of(&self.slots[choice..])?;
            ways |= (shared | own) & route.of_choice;
            repeated += self.cells(route, ways, choice, columns, row)?;
            if repeated > most {
                return None;
            }
            ways = shared & route.repeated;
        }
        for sum in &route.sums {
            self.add(route, sum, &mut columns[sum.column], row)?;
        }
        Some(count)
    }

    /// Writes the cells of a row, by the ways that have a value; returns how many bytes of text
    /// there are in those that are not of the choice.
    fn cells(
        &self,
        route: &Route,
        ways: u128,
        choice: usize,
        columns: &mut [ColumnBuilder],
        row: usize,
    ) -> Option<usize> {
        let mut bytes = 0;
        let mut has_zero = false;
        for (half, mut ways) in [ways as u64, (ways >> 64) as u64].into_iter().enumerate() {
            while ways != 0 {
                let way = ways.trailing_zeros() as usize;
                let target = &route.targets[usize::from(route.owners[64 * half + way])];
                let way = way - target.first as usize;
                let Place { root, node, .. } = target.ends[way].place;
                let building = &mut columns[target.column];
                let found = match &target.ends[way].sum {
                    Some(_) => self.sum(target, way, choice, building, row)?,
                    None => {
                        let base = match root {
                            Root::Choice => choice,
                            Root::Response => self.candidate.base,
                            Root::Line | Root::Envelope | Root::At => 0,
                        };
                        let value = &self.slots[base + node as usize];
                        self.way(target, way, value, building, row)?
                    }
                };
                ways = match found {
                    Found::Nothing | Found::Zero => ways & (ways - 1),
                    Found::Count(_) | Found::Text(_) => ways & !target.ways,
                };
                has_zero = found == Found::Zero || has_zero && found == Found::Nothing;
                if ways & target.ways == 0 && has_zero {
                    building.set_int(row, 0);
                    has_zero = false;
                }
                if let Found::Text(size) = found {
                    bytes += if target.is_of_choice { 0 } else { size };
                }
            }
        }
        Some(bytes)
    }

    /// The value at the end of a path; None: it is null, or the path starts nowhere.
    #[inline]
    pub fn value(&self, place: &Place, choice: usize) -> Option<&'w Value> {
        let base = self.base(place, choice)?;
        let (row, node) = (&self.slots[base..], place.node as usize);
        let value = &row[node];
        (has_value(row, node) && !value.is_null()).then_some(value)
    }

    /// The first slot of the object where a path starts, if there is one.
    #[inline]
    pub fn base(&self, place: &Place, choice: usize) -> Option<usize> {
        let envelope = self.candidate.envelope;
        let (base, starts) = match place.root {
            Root::Response => (self.candidate.base, true),
            Root::Choice => (choice, true),
            Root::Line => (0, true),
            Root::Envelope => (0, envelope.is_some()),
            Root::At => (
                0,
                envelope.is_some() && envelope == place.at.map(usize::from),
            ),
        };
        starts.then_some(base)
    }

    fn text(&self, string: &Value) -> &[u8] {
        string.text(self.line.as_bytes(), self.texts)
    }

    /// Sets the cell of a row, if there is a value.
    pub fn cell(
        &self,
        target: &Target,
        choice: usize,
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<Found> {
        let mut has_zero = false;
        for (way, end) in target.ends.iter().enumerate() {
            let found = match self.value(&end.place, choice) {
                _ if end.sum.is_some() => self.sum(target, way, choice, building, row)?,
                Some(value) => self.way(target, way, value, building, row)?,
                None => continue,
            };
            match found {
                Found::Nothing => {}
                Found::Zero => has_zero = true,
                found => return Some(found),
            }
        }
        if has_zero {
            building.set_int(row, 0);
            return Some(Found::Count(0));
        }
        Some(Found::Nothing)
    }

    /// Sets a cell to the sum of counts, one for each part of a way.
    #[inline(never)]
    fn sum(
        &self,
        target: &Target,
        way: usize,
        choice: usize,
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<Found> {
        let end = &target.ends[way];
        let count = |place: &Place| match self.value(place, choice) {
            Some(value) => self.count(target, way, value),
            None => Some(None),
        };
        let parts = end.sum.as_ref()?;
        let zero = parts.zero_if.as_ref().and_then(|it| self.value(it, choice));
        let Some(mut total) = count(&end.place)?.or(zero.map(|_| 0)) else {
            return Some(Found::Nothing);
        };
        for places in &parts.plus {
            for place in places {
                if let Some(more @ 1..) = count(place)? {
                    total += more;
                    break;
                }
            }
        }
        self.set_count(target, total, building, row)
    }

    /// Reads a count; `Some(None)`: it is null.
    fn count(&self, target: &Target, way: usize, value: &Value) -> Option<Option<i64>> {
        let most = target.maximum.max(0) as u64;
        if value.kind == JsonType::Whole && value.extra <= most {
            return Some(Some(value.extra as i64));
        }
        let path = self.path(target, way);
        let column = self.column(target);
        match read_raw(self.opened, self.raw(value), None, column, path, self.plan) {
            Ok(Cell::Int(count @ 0..)) => Some(Some(count)),
            Ok(Cell::Null) => Some(None),
            _ => None,
        }
    }

    #[inline(always)]
    fn set_count(
        &self,
        target: &Target,
        count: i64,
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<Found> {
        if !(target.minimum..=target.maximum).contains(&count) {
            return None;
        }
        if count == 0 && target.passes_zero {
            return Some(Found::Zero);
        }
        building.set_int(row, count);
        Some(Found::Count(count))
    }

    /// Sets the cell of a column that adds others, unless one of them is null.
    pub fn add(
        &self,
        route: &Route,
        sum: &Sum,
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<()> {
        let mut total = 0_i64;
        for &part in &sum.parts {
            match self.cell(&route.targets[part], 0, &mut ColumnBuilder::Unread, 0)? {
                Found::Count(count) => total = total.saturating_add(count),
                _ => return Some(()),
            }
        }
        if !(sum.minimum..=sum.maximum).contains(&total) {
            return None;
        }
        building.set_int(row, total);
        Some(())
    }

    /// Sets a cell by one of its ways.
    #[inline(always)]
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
            (Kind::FinishReason, JsonType::String) if target.is_read => {
                let word = str::from_utf8(self.text(value)).ok()?;
                return self.finish_reason(target, word, building, row);
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
            (Kind::Count, JsonType::Whole) => {
                return self.set_count(target, value.extra as i64, building, row);
            }
            (Kind::Flag, JsonType::Bool) => {
                building.set_int(row, i64::from(self.raw(value) == "true"));
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

    /// Sets a cell to the word of chat completions for one of the API's own.
    fn finish_reason(
        &self,
        target: &Target,
        word: &str,
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<Found> {
        if word.is_empty() {
            return Some(Found::Nothing);
        }
        let words = &self.plan.apis[target.api].finish_reasons;
        let word = words.get(word).map_or(word, String::as_str);
        building.set_bytes(row, word.as_bytes());
        Some(Found::Text(word.len()))
    }

    /// Microseconds; None: past all times.
    fn time(&self, value: u64) -> Option<i64> {
        let micros = i64::try_from(value).ok()?.checked_mul(self.routes.unit?)?;
        (micros < self.plan.latest_microsecond).then_some(micros)
    }

    fn column(&self, target: &Target) -> &'w Column {
        &self.plan.columns[self.routes.apis[target.api].table][target.column]
    }

    fn path(&self, target: &Target, way: usize) -> &'w Path {
        &self.plan.apis[target.api].paths[target.column][way]
    }

    fn raw(&self, value: &Value) -> &'w str {
        &self.line[value.start as usize..value.end as usize]
    }

    /// Reads a value as the strict path does.
    #[cold]
    #[inline(never)]
    fn rare(
        &self,
        target: &Target,
        way: usize,
        value: &Value,
        building: &mut ColumnBuilder,
        row: usize,
    ) -> Option<Found> {
        let raw = self.raw(value);
        let path = self.path(target, way);
        let items = path.steps.items.as_ref();
        let cell = read_raw(
            self.opened,
            raw,
            items,
            self.column(target),
            path,
            self.plan,
        );
        let cell = match cell {
            Ok(Cell::Null) => return Some(Found::Nothing),
            Ok(Cell::Int(count)) if target.kind == Kind::Count => {
                return self.set_count(target, count, building, row);
            }
            Ok(Cell::Float(0.0)) if target.passes_zero && target.kind == Kind::Number => {
                return raw.starts_with('0').then_some(Found::Zero); // not -0
            }
            Ok(Cell::Text(word)) if target.kind == Kind::FinishReason => {
                return self.finish_reason(target, &word, building, row);
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
