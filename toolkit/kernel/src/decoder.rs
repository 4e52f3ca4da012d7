//! Blocks of lines into two Arrow batches: choices and rejects.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use typed_arena::Arena;

use crate::columns::{ColumnBuilder, Zeros};
use crate::fast::Memory;
use crate::json::{LineError, write_path};
use crate::plan::{Grain, Kind, Plan};
use crate::routes::Routes;
use crate::strict::read_line;
use crate::values::Cell;
use crate::walk::Line;

/// Whole lines of one log; see `toolkit.reading.blocks.Block`.
pub struct Block<'a> {
    pub log_id: i32,
    pub source: &'a str,
    pub pieces: &'a [Piece<'a>],
    pub line: i64,
    pub offset: i64,
    pub tail: bool,
    pub growing: bool,
    pub skipped: Option<i64>,
}

/// Whole lines within some bytes.
pub struct Piece<'a> {
    pub held: &'a [u8],
    pub start: usize,
    pub end: usize,
}

impl Piece<'_> {
    fn lines(&self) -> &[u8] {
        &self.held[self.start..self.end]
    }
}

/// The result of a block; see `toolkit.reading.blocks.Decoded`.
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
    /// Rows of the last block, and bytes of each of its columns, to a mebibyte of log: so
    /// much room the next one is likely to want.
    sizes: Vec<AtomicUsize>,
    /// What threads that are between two blocks have learned.
    memories: Mutex<Vec<Memory>>,
}

const SIZED_BYTES: usize = 1 << 20;
/// A longer line goes the strict way: places in it, and in its texts, are of 32 bits.
const FAST_BYTES: usize = 256 * 1024 * 1024;
/// After so many responses of other APIs the fast path is tried on one line of so many.
const PATIENCE: usize = 8;
/// Verdicts on a last line that more bytes could still change.
const UNFINISHED: [&str; 4] = ["truncated", "invalid_utf8", "too_deep", "line_too_long"];

impl Decoder {
    pub fn new(plan: Plan, choices: SchemaRef, rejects: SchemaRef) -> Self {
        let routes = Routes::new(&plan);
        let sizes = (0..=plan.columns.len()).map(|_| AtomicUsize::default());
        Decoder {
            sizes: sizes.collect(),
            plan,
            routes,
            choices,
            rejects,
            memories: Mutex::default(),
        }
    }

    /// The same decoder by the strict path alone: what the fast path is held against.
    pub fn without_fast_path(self) -> Self {
        Decoder {
            routes: None,
            ..self
        }
    }

    fn memory(&self) -> Option<Memory> {
        let mut kept = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.pop();
        kept.or_else(|| self.routes.as_ref().map(Memory::new))
    }

    fn keep(&self, memory: Memory) {
        let kept = self.memories.lock();
        kept.unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    pub fn decode(&self, block: &Block<'_>) -> Result<Decoded, ArrowError> {
        let bytes: usize = block.pieces.iter().map(|piece| piece.lines().len()).sum();
        let room = |size: &AtomicUsize| {
            let size = size.load(Relaxed);
            (size + size / 8) * bytes / SIZED_BYTES
        };
        let [rows, texts @ ..] = &self.sizes[..] else {
            return Err(ArrowError::SchemaError("no columns".to_owned()));
        };
        let fields = self.choices.fields().iter().zip(texts);
        let choices = fields
            .map(|(field, texts)| ColumnBuilder::new(field.data_type(), room(rows), room(texts)))
            .collect::<Result<Vec<_>, _>>()?;
        let fields = self.rejects.fields().iter();
        let rejects = fields
            .map(|field| ColumnBuilder::new(field.data_type(), 0, 0))
            .collect::<Result<Vec<_>, _>>()?;
        let mut work = Work {
            decoder: self,
            block,
            choices,
            rejects,
            responses: Vec::with_capacity(room(rows)),
            rows: 0,
            rejected: 0,
            lines: 0,
            blank: 0,
            pending: 0,
        };
        work.run();
        work.fill_given();
        let had = |size: usize| size * SIZED_BYTES / bytes.max(SIZED_BYTES);
        rows.store(had(work.rows), Relaxed);
        for (size, column) in texts.iter().zip(&work.choices) {
            size.store(had(column.bytes()), Relaxed);
        }
        Ok(Decoded {
            choices: batch(work.choices, &self.choices, work.rows)?,
            rejects: batch(work.rejects, &self.rejects, work.rejected)?,
            lines: work.lines,
            blank: work.blank,
            pending: work.pending,
        })
    }
}

/// What the rows of a response share.
struct Response {
    line: i64,
    choices: usize,
    hash: u64,
    /// The place of its API in the plan.
    api: usize,
}

impl Response {
    /// One row a choice, one where there is none.
    fn rows(&self) -> usize {
        self.choices.max(1)
    }
}

struct Work<'a> {
    decoder: &'a Decoder,
    block: &'a Block<'a>,
    choices: Vec<ColumnBuilder>,
    rejects: Vec<ColumnBuilder>,
    responses: Vec<Response>,
    rows: usize,
    rejected: usize,
    lines: i64,
    blank: i64,
    pending: i64,
}

impl Work<'_> {
    fn run(&mut self) {
        let leaves = self.decoder.plan.leave_pending && self.block.growing;
        let mut memory = self.decoder.memory();
        let mut offset = self.block.offset;
        for piece in self.block.pieces {
            self.piece(piece, offset, leaves, memory.as_mut());
            offset += (piece.end - piece.start) as i64;
        }
        if let Some(mut memory) = memory {
            memory.flush(&mut self.choices);
            self.decoder.keep(memory);
        }
        match self.block.skipped {
            Some(length) if self.block.tail && leaves => self.pending = length,
            Some(length) => {
                self.lines += 1;
                let fault = LineError::new("line_too_long");
                self.reject(&fault, self.block.line, self.block.offset, length, None);
            }
            None => {}
        }
    }

    fn piece(
        &mut self,
        piece: &Piece<'_>,
        offset: i64,
        leaves: bool,
        mut memory: Option<&mut Memory>,
    ) {
        let is_utf8 = simdutf8::basic::from_utf8(piece.lines()).is_ok();
        let lines = piece.lines();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', lines) {
            let line = &lines[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let is_taken = memory.as_mut().is_some_and(|memory| {
                let is_taken = (is_utf8 || simdutf8::basic::from_utf8(line).is_ok())
                    && self.take(&piece.held[piece.start + start..], line.len(), memory);
                if !is_taken {
                    memory.flush(&mut self.choices);
                }
                is_taken
            });
            if !is_taken {
                self.line(line, offset + start as i64, false, false);
            }
            start = end + 1;
        }
        if start < lines.len() {
            if let Some(memory) = memory {
                memory.flush(&mut self.choices);
            }
            self.line(&lines[start..], offset + start as i64, true, leaves);
        }
    }

    /// Writes the facts of the block and of its responses.
    fn fill_given(&mut self) {
        let log_id = i64::from(self.block.log_id);
        let plan = &self.decoder.plan;
        for (column, building) in plan.columns.iter().zip(&mut self.choices) {
            let responses = self.responses.iter();
            let fact = |response: &Response| match (column.kind, column.name.as_str()) {
                (Kind::ChoiceCount, _) => response.choices as i64,
                (Kind::Hash, _) => response.hash as i64,
                (_, "line") => response.line,
                _ => log_id,
            };
            match (column.kind, column.grain) {
                (Kind::Position, _) => {
                    building.set_ints(responses.flat_map(|it| 0..it.rows() as i64));
                }
                (kind, grain) if !kind.is_given() || grain == Grain::Choice => {}
                (kind, _) if kind == Kind::Api || column.name == "source" => {
                    let mut row = 0;
                    for alike in self.responses.chunk_by(|one, other| one.api == other.api) {
                        let text = match kind {
                            Kind::Api => &plan.apis[alike[0].api].name,
                            _ => self.block.source,
                        };
                        let rows = alike.iter().map(Response::rows).sum();
                        let mut cell = building.empty();
                        cell.set_bytes(0, text.as_bytes());
                        building.set_rows(row, rows, &cell);
                        row += rows;
                    }
                }
                (_, Grain::Response) => {
                    building.set_ints(
                        responses.flat_map(|it| std::iter::repeat_n(fact(it), it.rows())),
                    );
                }
                _ => {
                    let mut row = 0;
                    for response in responses {
                        building.set_int(row, fact(response));
                        row += response.rows();
                    }
                }
            }
        }
    }

    /// Returns whether the fast path passes a line, as of a log of other APIs than its own.
    fn rests(&self) -> bool {
        let last = self.responses.last_chunk::<PATIENCE>();
        last.is_some_and(|last| last.iter().all(|it| it.api > 0))
            && !(self.lines as usize).is_multiple_of(PATIENCE)
    }

    /// Reads the line that begins the data by the fast path; returns whether it could.
    fn take(&mut self, data: &[u8], end: usize, memory: &mut Memory) -> bool {
        let Decoder {
            plan,
            routes: Some(routes),
            ..
        } = self.decoder
        else {
            return false;
        };
        if end == 0 || end > plan.longest.min(FAST_BYTES) || self.rests() {
            return false;
        }
        let line = Line { data, end };
        let row = self.rows;
        match memory.read_line(plan, routes, line, &mut self.choices, row) {
            Some(taken) => {
                self.add(taken.choices, taken.hash, 0);
                true
            }
            None => {
                let columns = self.choices.iter_mut();
                columns.for_each(|column| column.truncate(row));
                false
            }
        }
    }

    /// Notes the response whose rows were set.
    fn add(&mut self, choices: usize, hash: u64, api: usize) {
        let response = Response {
            line: self.block.line + self.lines,
            choices,
            hash,
            api,
        };
        self.rows += response.rows();
        self.lines += 1;
        self.responses.push(response);
    }

    fn line(&mut self, raw: &[u8], offset: i64, tail: bool, waits: bool) {
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
        match read_line(plan, raw, tail, &arena) {
            Ok(rows) => {
                let columns = self.choices.iter_mut().zip(&plan.columns);
                for ((building, column), cells) in columns.zip(&rows.cells) {
                    for place in 0..rows.choices.max(1) {
                        let of_all = column.grain == Grain::Response;
                        if let Some(cell) = cells.get(if of_all { 0 } else { place }) {
                            building.set(self.rows + place, cell);
                        }
                    }
                }
                self.add(rows.choices, rows.hash, rows.api);
            }
            Err(fault) if waits && UNFINISHED.contains(&fault.code) => {
                self.pending = raw.len() as i64;
            }
            Err(fault) => {
                let kept = (fault.code != "line_too_long").then_some(raw);
                self.lines += 1;
                self.reject(&fault, number, offset, raw.len() as i64, kept);
            }
        }
    }

    fn reject(
        &mut self,
        fault: &LineError,
        line: i64,
        offset: i64,
        length: i64,
        raw: Option<&[u8]>,
    ) {
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
            Cell::Int(offset),
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

fn batch(
    columns: Vec<ColumnBuilder>,
    schema: &SchemaRef,
    rows: usize,
) -> Result<RecordBatch, ArrowError> {
    let zeros = Zeros::new(rows);
    let arrays = columns
        .into_iter()
        .zip(schema.fields())
        .map(|(column, field)| column.finish(rows, field.data_type(), &zeros))
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema.clone(), arrays)
}
