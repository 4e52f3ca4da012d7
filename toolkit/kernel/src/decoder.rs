//! Blocks of lines into two Arrow batches: choices and rejects.

use std::borrow::Cow;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use typed_arena::Arena;

use crate::columns::Building;
use crate::fast::{self, Line, Routes, Workspace};
use crate::json::{Fault, write_path};
use crate::plan::{Kind, Plan};
use crate::strict::read_line;
use crate::values::Cell;

/// Whole lines of one log; see `toolkit.blocks.Block`.
pub struct Block<'a> {
    pub log_id: i32,
    pub source: &'a str,
    pub data: &'a [u8],
    pub line: i64,
    pub offset: i64,
    pub tail: bool,
    pub growing: bool,
    pub skipped: Option<i64>,
}

/// What became of a block; see `toolkit.blocks.Decoded`.
pub struct Decoded {
    pub choices: RecordBatch,
    pub rejects: RecordBatch,
    pub lines: i64,
    pub blank: i64,
    pub pending: i64,
}

pub struct Decoder {
    plan: Plan,
    /// None: no line goes the fast path.
    routes: Option<Routes>,
    choices: SchemaRef,
    rejects: SchemaRef,
}

/// Places in a line are noted in 32 bits.
const FAST_BYTES: usize = u32::MAX as usize;
/// Verdicts on a last line that more bytes could still change.
const UNFINISHED: [&str; 4] = ["truncated", "invalid_utf8", "too_deep", "line_too_long"];

impl Decoder {
    pub fn new(plan: Plan, choices: SchemaRef, rejects: SchemaRef) -> Self {
        let routes = Routes::new(&plan);
        Decoder {
            plan,
            routes,
            choices,
            rejects,
        }
    }

    /// The same decoder by the strict path alone: what the fast path is held against.
    pub fn without_fast_path(self) -> Self {
        Decoder {
            routes: None,
            ..self
        }
    }

    pub fn decode(&self, block: &Block<'_>) -> Result<Decoded, ArrowError> {
        let rows = memchr::memchr_iter(b'\n', block.data).count() + 1;
        let mut work = Work {
            decoder: self,
            block,
            choices: columns(&self.choices, rows)?,
            rejects: columns(&self.rejects, 0)?,
            rows: 0,
            rejected: 0,
            lines: 0,
            blank: 0,
            pending: 0,
        };
        work.run();
        work.fill_given();
        Ok(Decoded {
            choices: batch(work.choices, &self.choices, work.rows)?,
            rejects: batch(work.rejects, &self.rejects, work.rejected)?,
            lines: work.lines,
            blank: work.blank,
            pending: work.pending,
        })
    }
}

struct Work<'a> {
    decoder: &'a Decoder,
    block: &'a Block<'a>,
    choices: Vec<Building>,
    rejects: Vec<Building>,
    rows: usize,
    rejected: usize,
    lines: i64,
    blank: i64,
    pending: i64,
}

impl Work<'_> {
    fn run(&mut self) {
        let mut workspace = self.decoder.routes.as_ref().map(Workspace::new);
        let is_utf8 = simdutf8::basic::from_utf8(self.block.data).is_ok();
        let leaves = self.decoder.plan.leave_pending && self.block.growing;
        let data = self.block.data;
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', data) {
            let line = &data[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let is_taken = workspace.as_mut().is_some_and(|workspace| {
                (is_utf8 || simdutf8::basic::from_utf8(line).is_ok())
                    && self.take(&data[start..], line.len(), workspace)
            });
            if !is_taken {
                self.line(line, start, false, false);
            }
            start = end + 1;
        }
        if start < data.len() {
            self.line(&data[start..], start, true, leaves);
        }
        match self.block.skipped {
            Some(length) if self.block.tail && leaves => self.pending = length,
            Some(length) => {
                self.lines += 1;
                self.reject(
                    &Fault::new("line_too_long"),
                    self.block.line,
                    0,
                    length,
                    None,
                );
            }
            None => {}
        }
    }

    /// Writes what is the same in all rows of a block.
    fn fill_given(&mut self) {
        for (column, building) in self.decoder.plan.columns.iter().zip(&mut self.choices) {
            match column.kind {
                Kind::LogId => (0..self.rows)
                    .for_each(|row| building.set_int(row, i64::from(self.block.log_id))),
                Kind::Source => (0..self.rows)
                    .for_each(|row| building.set_bytes(row, self.block.source.as_bytes())),
                _ => {}
            }
        }
    }

    /// Takes the line that begins the data by the fast path; says whether it was taken.
    fn take(&mut self, data: &[u8], end: usize, workspace: &mut Workspace) -> bool {
        let Decoder {
            plan,
            routes: Some(routes),
            ..
        } = self.decoder
        else {
            return false;
        };
        if end == 0 || end > plan.longest.min(FAST_BYTES) {
            return false;
        }
        let number = self.block.line + self.lines;
        let line = Line { number, data, end };
        let row = self.rows;
        let rows = fast::read_line(plan, routes, workspace, line, &mut self.choices, row);
        match rows {
            Some(rows) => {
                self.rows += rows;
                self.lines += 1;
            }
            None => self
                .choices
                .iter_mut()
                .for_each(|column| column.truncate(row)),
        }
        rows.is_some()
    }

    fn line(&mut self, raw: &[u8], start: usize, tail: bool, waits: bool) {
        let plan = &self.decoder.plan;
        let number = self.block.line + self.lines;
        let is_blank = raw.len() <= plan.longest
            && raw.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
        if is_blank {
            if waits {
                self.pending = raw.len() as i64;
            } else {
                self.lines += 1;
                self.blank += 1;
            }
            return;
        }
        let arena = Arena::new();
        match read_line(plan, raw, tail, number, &arena) {
            Ok(rows) => {
                for (column, cells) in self.choices.iter_mut().zip(&rows.cells) {
                    for (place, cell) in cells.iter().enumerate() {
                        column.set(self.rows + place, cell);
                    }
                }
                self.rows += rows.count;
                self.lines += 1;
            }
            Err(fault) if waits && UNFINISHED.contains(&fault.code) => {
                self.pending = raw.len() as i64;
            }
            Err(fault) => {
                let kept = (fault.code != "line_too_long").then_some(raw);
                self.lines += 1;
                self.reject(&fault, number, start, raw.len() as i64, kept);
            }
        }
    }

    fn reject(&mut self, fault: &Fault, line: i64, start: usize, length: i64, raw: Option<&[u8]>) {
        let sentence = self
            .decoder
            .plan
            .reasons
            .get(fault.code)
            .map_or("", String::as_str);
        let path = write_path(&fault.path);
        let text = |text| Cell::Text(Cow::Borrowed(text));
        let cells = [
            Cell::Int(i64::from(self.block.log_id)),
            text(self.block.source),
            Cell::Int(line),
            Cell::Int(self.block.offset + start as i64),
            Cell::Int(length),
            text(fault.code),
            if path.is_empty() {
                Cell::Null
            } else {
                text(&path)
            },
            text(fault.reason.as_deref().unwrap_or(sentence)),
            raw.map_or(Cell::Null, Cell::Bytes),
        ];
        for (column, cell) in self.rejects.iter_mut().zip(&cells) {
            column.set(self.rejected, cell);
        }
        self.rejected += 1;
    }
}

fn columns(schema: &SchemaRef, rows: usize) -> Result<Vec<Building>, ArrowError> {
    schema
        .fields()
        .iter()
        .map(|field| Building::new(field.data_type(), rows))
        .collect()
}

fn batch(
    columns: Vec<Building>,
    schema: &SchemaRef,
    rows: usize,
) -> Result<RecordBatch, ArrowError> {
    let arrays = columns
        .into_iter()
        .zip(schema.fields())
        .map(|(column, field)| column.finish(rows, field.data_type()))
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema.clone(), arrays)
}
