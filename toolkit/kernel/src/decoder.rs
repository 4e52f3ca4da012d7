//! Blocks of lines into Arrow batches: choices, chunks and rejects.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use typed_arena::Arena;

use crate::fast::Memory;
use crate::json::{LineError, write_path};
use crate::plan::{CHOICES, CHUNKS, Grain, Plan};
use crate::routes::Routes;
use crate::strict::{Cells, read_line};
use crate::table::{Response, Rows, Table};
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
    pub chunk_rows: Option<RecordBatch>,
    pub chunks: i64,
}

pub struct Decoder {
    plan: Plan,
    /// None: no line goes the fast path.
    routes: Option<Routes>,
    tables: [Table; 2],
    rejects: Table,
    /// What threads that are between two blocks have learned.
    memories: Mutex<Vec<Memory>>,
}

/// A longer line goes the strict way: places in it, and in its texts, are of 32 bits.
const FAST_BYTES: usize = 256 * 1024 * 1024;
/// Verdicts on a last line that more bytes could still change.
const UNFINISHED: [&str; 4] = ["truncated", "invalid_utf8", "too_deep", "line_too_long"];

impl Decoder {
    pub fn new(plan: Plan, tables: [SchemaRef; 2], rejects: SchemaRef) -> Self {
        let [choices, chunks] = tables;
        let tables = [
            Table::new(choices, &plan.columns[CHOICES]),
            Table::new(chunks, &plan.columns[CHUNKS]),
        ];
        let is_read = tables.each_ref().map(Table::is_read);
        Decoder {
            routes: Routes::new(&plan, is_read.each_ref().map(Vec::as_slice)),
            plan,
            tables,
            rejects: Table::whole(rejects),
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

    /// Returns what a thread has learned from lines before, or an empty memory.
    fn memory(&self) -> Option<Memory> {
        let mut kept = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pop().or_else(|| self.routes.as_ref().map(Memory::new))
    }

    fn keep(&self, memory: Option<Memory>) {
        let kept = self.memories.lock();
        kept.unwrap_or_else(PoisonError::into_inner).extend(memory);
    }

    pub fn decode(&self, block: &Block<'_>) -> Result<Decoded, ArrowError> {
        let bytes: usize = block.pieces.iter().map(|piece| piece.lines().len()).sum();
        let begin = |table: &Table| table.begin(bytes);
        let [choices, chunks] = &self.tables;
        let mut work = Work {
            decoder: self,
            block,
            tables: [begin(choices)?, begin(chunks)?],
            rejects: begin(&self.rejects)?,
            lines: 0,
            blank: 0,
            pending: 0,
            chunks: 0,
        };
        work.run();
        let mut tables = work.tables;
        for (rows, columns) in tables.iter_mut().zip(&self.plan.columns) {
            rows.fill_given(columns, &self.plan.apis, block.log_id, block.source);
        }
        let [choice_rows, chunk_rows] = tables;
        let chunk_rows = (chunk_rows.count > 0).then_some(chunk_rows);
        Ok(Decoded {
            choices: choices.finish(choice_rows, bytes)?,
            rejects: self.rejects.finish(work.rejects, bytes)?,
            lines: work.lines,
            blank: work.blank,
            pending: work.pending,
            chunk_rows: chunk_rows
                .map(|rows| chunks.finish(rows, bytes))
                .transpose()?,
            chunks: work.chunks,
        })
    }
}

struct Work<'a> {
    decoder: &'a Decoder,
    block: &'a Block<'a>,
    tables: [Rows; 2],
    rejects: Rows,
    lines: i64,
    blank: i64,
    pending: i64,
    chunks: i64,
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
        self.flush(memory.as_mut());
        self.decoder.keep(memory);
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
        let whole = simdutf8::basic::from_utf8(piece.lines()).ok();
        let lines = piece.lines();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', lines) {
            let line = &lines[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let text = match whole {
                Some(whole) => Some(&whole[start..start + line.len()]),
                None => simdutf8::basic::from_utf8(line).ok(),
            };
            let data = &piece.held[piece.start + start..];
            let is_read = match (text, memory.as_deref_mut()) {
                (Some(text), Some(memory)) => self.read(Line { data, text }, memory),
                _ => false,
            };
            if !is_read {
                self.flush(memory.as_deref_mut());
                self.line(line, offset + start as i64, false, false);
            }
            start = end + 1;
        }
        if start < lines.len() {
            self.flush(memory);
            self.line(&lines[start..], offset + start as i64, true, leaves);
        }
    }

    /// Writes what is still to be written of the lines that were read by the fast path.
    fn flush(&mut self, memory: Option<&mut Memory>) {
        if let Some(memory) = memory {
            memory.flush(&mut self.tables);
        }
    }

    /// Reads a line by the fast path; returns whether it could.
    fn read(&mut self, line: Line<'_>, memory: &mut Memory) -> bool {
        let Decoder { plan, routes, .. } = self.decoder;
        let length = line.text.len();
        let Some(routes) = routes
            .as_ref()
            .filter(|_| (1..=plan.longest.min(FAST_BYTES)).contains(&length))
        else {
            return false;
        };
        let line = match line.text.strip_prefix("data:") {
            Some(text) => Line {
                data: &line.data[length - text.len()..],
                text,
            },
            None => line,
        };
        let Some(read) = memory.read_line(plan, routes, line, &mut self.tables) else {
            for rows in &mut self.tables {
                rows.truncate(rows.responses.len(), rows.count);
            }
            return false;
        };
        let table = routes.apis[read.api].table;
        self.add(table, read.choices, read.hash, Some(read.api), None);
        self.lines += 1;
        self.chunks += table as i64;
        true
    }

    /// Notes the response or chunk whose cells were set.
    fn add(
        &mut self,
        table: usize,
        choices: usize,
        hash: u64,
        api: Option<usize>,
        chunk_position: Option<i64>,
    ) {
        self.tables[table].add(Response {
            line: self.block.line + self.lines,
            choices,
            hash,
            api,
            chunk_position,
        });
    }

    /// Sets the cells of a response or chunk.
    fn set(&mut self, cells: &Cells<'_>) {
        let plan = &self.decoder.plan;
        let table = cells.api.map_or(CHUNKS, |api| plan.apis[api].table());
        let rows = &mut self.tables[table];
        let columns = rows.columns.iter_mut().zip(&plan.columns[table]);
        for ((building, column), cells_of) in columns.zip(&cells.cells) {
            for place in 0..cells.choices.max(1) {
                let of_all = column.grain == Grain::Response;
                if let Some(cell) = cells_of.get(if of_all { 0 } else { place }) {
                    building.set(rows.count + place, cell);
                }
            }
        }
        let Cells {
            choices,
            hash,
            api,
            chunk_position,
            ..
        } = *cells;
        self.add(table, choices, hash, api, chunk_position);
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
        let before = self
            .tables
            .each_ref()
            .map(|rows| (rows.responses.len(), rows.count));
        let read = read_line(plan, raw, tail, &arena, |cells| self.set(&cells));
        if read.is_err() {
            for (rows, (responses, row)) in self.tables.iter_mut().zip(before) {
                rows.truncate(responses, row);
            }
        }
        match read {
            Ok(is_chunk) => {
                self.lines += 1;
                self.chunks += i64::from(is_chunk);
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
        for (column, cell) in self.rejects.columns.iter_mut().zip(&cells) {
            column.set(self.rejects.count, cell);
        }
        self.rejects.count += 1;
    }
}
