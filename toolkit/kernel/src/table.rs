//! The rows of a block in a table, and the facts of the block and its responses in them.

use std::iter::repeat_n;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Field, SchemaRef};

use crate::columns::{ColumnBuilder, Zeros};
use crate::plan::{Api, Column, Grain, Kind};

/// A table that blocks have rows of.
pub struct Table {
    schema: SchemaRef,
    /// By column of the plan: its place in the schema; None: it is only checked.
    places: Vec<Option<usize>>,
    /// Rows of the last block, and bytes of each of its columns, to a mebibyte of log: so
    /// much room the next one is likely to want.
    rows: AtomicUsize,
    texts: Vec<AtomicUsize>,
}

const SIZED_BYTES: usize = 1 << 20;

impl Table {
    /// A table of the columns of the plan that the schema has, in its order.
    pub fn new(schema: SchemaRef, columns: &[Column]) -> Self {
        let places = columns.iter().map(|column| schema.index_of(&column.name));
        Table {
            texts: columns.iter().map(|_| AtomicUsize::default()).collect(),
            rows: AtomicUsize::default(),
            places: places.map(Result::ok).collect(),
            schema,
        }
    }

    /// A table of all columns of a schema.
    pub fn whole(schema: SchemaRef) -> Self {
        let count = schema.fields().len();
        Table {
            texts: (0..count).map(|_| AtomicUsize::default()).collect(),
            rows: AtomicUsize::default(),
            places: (0..count).map(Some).collect(),
            schema,
        }
    }

    /// By column of the plan: whether its cells are built.
    pub fn is_read(&self) -> Vec<bool> {
        self.places.iter().map(Option::is_some).collect()
    }

    /// Begins the rows of a block of so many bytes.
    pub fn begin(&self, bytes: usize) -> Result<Rows, ArrowError> {
        let room = |size: &AtomicUsize| {
            let size = size.load(Relaxed);
            (size + size / 8) * bytes / SIZED_BYTES
        };
        let rows = room(&self.rows);
        let begin = |(place, texts): (&Option<usize>, _)| match place {
            Some(place) => ColumnBuilder::new(self.field(*place).data_type(), rows, room(texts)),
            None => Ok(ColumnBuilder::Unread),
        };
        let columns = self.places.iter().zip(&self.texts).map(begin);
        Ok(Rows {
            columns: columns.collect::<Result<_, _>>()?,
            responses: Vec::with_capacity(rows),
            count: 0,
        })
    }

    /// Returns the rows of a block of so many bytes as a batch.
    pub fn finish(&self, rows: Rows, bytes: usize) -> Result<RecordBatch, ArrowError> {
        let had = |size: usize| size * SIZED_BYTES / bytes.max(SIZED_BYTES);
        self.rows.store(had(rows.count), Relaxed);
        for (size, column) in self.texts.iter().zip(&rows.columns) {
            size.store(had(column.bytes()), Relaxed);
        }
        let zeros = Zeros::new(rows.count);
        let mut arrays = Vec::new();
        for (column, place) in rows.columns.into_iter().zip(&self.places) {
            if let Some(place) = *place {
                let kind = self.field(place).data_type();
                arrays.push((place, column.finish(rows.count, kind, &zeros)?));
            }
        }
        arrays.sort_by_key(|(place, _)| *place);
        let arrays = arrays.into_iter().map(|(_, array)| array);
        RecordBatch::try_new(self.schema.clone(), arrays.collect())
    }

    fn field(&self, place: usize) -> &Field {
        self.schema.field(place)
    }
}

/// What the rows of a response or chunk share.
pub struct Response {
    pub line: i64,
    pub choices: usize,
    pub hash: u64,
    /// The place of its API in the plan; None: it is the end of a stream.
    pub api: Option<usize>,
    /// Its place in a line with a whole stream.
    pub chunk_position: Option<i64>,
}

impl Response {
    /// One row a choice, one where there is none.
    pub fn rows(&self) -> usize {
        self.choices.max(1)
    }
}

/// The rows of a block.
pub struct Rows {
    pub columns: Vec<ColumnBuilder>,
    pub responses: Vec<Response>,
    pub count: usize,
}

impl Rows {
    /// Notes the response whose cells were set.
    pub fn add(&mut self, response: Response) {
        self.count += response.rows();
        self.responses.push(response);
    }

    /// Removes the responses from one on, whose first row is given.
    pub fn truncate(&mut self, responses: usize, row: usize) {
        self.responses.truncate(responses);
        self.count = row;
        let columns = self.columns.iter_mut();
        columns.for_each(|column| column.truncate(row));
    }

    /// Writes the facts of the block and of its responses.
    pub fn fill_given(&mut self, columns: &[Column], apis: &[Api], log_id: i32, source: &str) {
        for (column, building) in columns.iter().zip(&mut self.columns) {
            let responses = self.responses.iter();
            let fact = |response: &Response| match (column.kind, column.name.as_str()) {
                (Kind::ChoiceCount, _) => Some(response.choices as i64),
                (Kind::Hash, _) => Some(response.hash as i64),
                (_, "line") => Some(response.line),
                (_, "log_id") => Some(i64::from(log_id)),
                (_, "chunk_position") => response.chunk_position,
                (_, "is_end") => Some(i64::from(response.api.is_none())),
                _ => None,
            };
            match (column.kind, column.grain) {
                (Kind::Position, _) => {
                    building.set_ints(responses.flat_map(|it| 0..it.rows() as i64));
                }
                (kind, grain) if !kind.is_given() || grain == Grain::Choice => {}
                (kind, _) if kind == Kind::Api || column.name == "source" => {
                    let mut row = 0;
                    for alike in self.responses.chunk_by(|one, other| one.api == other.api) {
                        let text = match (kind, alike[0].api) {
                            (Kind::Api, api) => api.map(|api| apis[api].name.as_str()),
                            _ => Some(source),
                        };
                        let rows = alike.iter().map(Response::rows).sum();
                        if let Some(text) = text {
                            let mut cell = building.empty();
                            cell.set_bytes(0, text.as_bytes());
                            building.set_rows(row, rows, &cell);
                        }
                        row += rows;
                    }
                }
                (_, Grain::Response) if !column.nullable => {
                    let facts = responses.map(|it| (fact(it).unwrap_or_default(), it.rows()));
                    building.set_ints(facts.flat_map(|(fact, rows)| repeat_n(fact, rows)));
                }
                (_, grain) => {
                    let mut row = 0;
                    for response in responses {
                        let repeats = if grain == Grain::Response {
                            response.rows()
                        } else {
                            1
                        };
                        if let Some(fact) = fact(response) {
                            (row..row + repeats).for_each(|row| building.set_int(row, fact));
                        }
                        row += response.rows();
                    }
                }
            }
        }
    }
}
