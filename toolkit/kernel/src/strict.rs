//! One line, decoded as `reference_decoder.py` does: strictly, step by step.

use std::rc::Rc;

use typed_arena::Arena;

use crate::events::{END, strip_event};
use crate::find::{Response, choices_of, find_response};
use crate::json::{LineError, Node, checked};
use crate::plan::{Api, Column, Grain, Kind, Path, Plan, Stream};
use crate::streams::find_stream;
use crate::values::{Cell, read_cell, too_large};

/// The cells of a response or chunk: for each column one for each row, or one for all rows. By
/// default the end of a stream.
#[derive(Default)]
pub struct Cells<'a> {
    /// The choices; where there is none there is one row.
    pub choices: usize,
    pub hash: u64,
    /// The place of its API in the plan.
    pub api: Option<usize>,
    /// Its place in a line with a whole stream.
    pub chunk_position: Option<i64>,
    /// The characters of the facts that its rows repeat.
    repeated: usize,
    /// A cell that is not there is null, or a fact of the line.
    pub cells: Vec<Vec<Cell<'a>>>,
}

/// Reads a line, adds the cells of each response or chunk, and returns whether the line is a
/// chunk or framing; or returns why it is rejected, with all of them.
pub fn read_line<'a>(
    plan: &Plan,
    raw: &'a [u8],
    tail: bool,
    arena: &'a Arena<String>,
    mut add: impl FnMut(Cells<'a>),
) -> Result<bool, LineError> {
    if raw.len() > plan.longest {
        return Err(LineError::new("line_too_long"));
    }
    let line = simdutf8::basic::from_utf8(raw).map_err(|_| LineError::new("invalid_utf8"))?;
    let data = strip_event(line, arena);
    if data.is_empty() {
        return if tail {
            Err(LineError::new("truncated"))
        } else {
            Ok(true)
        };
    }
    if data == END {
        add(Cells::default());
        return Ok(true);
    }
    let value = checked(data, plan.deepest).map_err(|fault| match fault.code {
        "invalid_json" if tail => LineError::new("truncated"),
        _ => fault,
    })?;
    // A number without a line feed may be the beginning of a longer one.
    let mut fault = LineError::new(if tail { "truncated" } else { "not_a_response" });
    let line = value
        .starts_with('{')
        .then(|| Rc::new(Node::open(value, Vec::new())));
    if let Some(line) = &line {
        match find_response(plan, line.clone(), false, arena) {
            Ok((_, api)) if plan.apis[api].stream == Stream::Carriers => {
                fault = LineError::new("stream_chunk");
            }
            Ok((response, api)) => {
                add(read_response(plan, &response, api)?);
                return Ok(plan.apis[api].stream != Stream::Whole);
            }
            Err(error) if !error.path.is_empty() || error.code == "stream_chunk" => {
                return Err(error);
            }
            Err(error) => fault = error,
        }
    }
    let (place, items) = find_stream(plan, value, line.as_ref(), arena)?.ok_or(fault)?;
    let (mut rows, mut repeated) = (0, 0);
    for (position, item) in (0..).zip(items) {
        let (raw, depth) = item.item;
        let outer = || Rc::new(Node::open(raw, item.path[..depth].to_vec()));
        let line = line.clone().unwrap_or_else(outer);
        let node = Rc::new(Node::open(item.raw, item.path));
        let choices = choices_of(plan, &plan.apis[item.found_as], &node)?;
        let response = Response {
            line,
            place: Some(place.clone()),
            node,
            choices: Rc::new(choices.unwrap_or_default()),
        };
        let cells = read_response(plan, &response, item.api)?;
        rows += cells.choices.max(1);
        repeated += cells.repeated;
        if rows > plan.most_chunks || repeated > plan.repeated_bytes + data.len() {
            return Err(too_long().below(&place));
        }
        let is_chunk = plan.apis[item.api].stream != Stream::Whole;
        let chunk_position = is_chunk.then_some(position);
        add(Cells {
            chunk_position,
            ..cells
        });
    }
    Ok(false)
}

/// Reads the cells of a response or chunk.
fn read_response<'a>(
    plan: &Plan,
    response: &Response<'a>,
    place: usize,
) -> Result<Cells<'a>, LineError> {
    let api = &plan.apis[place];
    let columns = &plan.columns[api.table()];
    let mut cells: Vec<Vec<Cell<'_>>> = Vec::with_capacity(columns.len());
    for (column, paths) in columns.iter().zip(&api.paths) {
        cells.push(if !column.adds.is_empty() && paths.is_empty() {
            let names = columns.iter().map(|column| &column.name);
            let added = names
                .zip(&cells)
                .filter(|(name, _)| column.adds.contains(name));
            sums(
                column,
                &added.map(|(_, cells)| &cells[..]).collect::<Vec<_>>(),
            )?
        } else {
            read_column(plan, column, api, paths, response)?
        });
    }
    let repeated = count_repeated(plan, api, &cells, response)?;
    Ok(Cells {
        choices: response.choices.len(),
        hash: xxhash_rust::xxh3::xxh3_64(response.node.raw.as_bytes()),
        api: Some(place),
        chunk_position: None,
        repeated,
        cells,
    })
}

/// Adds other columns row by row; null if one of the cells is.
fn sums<'a>(column: &Column, columns: &[&[Cell<'a>]]) -> Result<Vec<Cell<'a>>, LineError> {
    let add = |row: usize| {
        let mut cells = columns.iter().map(|cells| match cells.get(row) {
            Some(Cell::Int(value)) => Some(value),
            _ => None,
        });
        match cells.try_fold(0_i64, |total, cell| Some(total.saturating_add(*cell?))) {
            Some(total) if !column.allows(total) => Err(too_large(column)),
            total => Ok(total.map_or(Cell::Null, Cell::Int)),
        }
    };
    let rows = columns.first().map_or(0, |cells| cells.len());
    (0..rows).map(add).collect()
}

fn read_column<'a>(
    plan: &Plan,
    column: &Column,
    api: &Api,
    paths: &[Path],
    response: &Response<'a>,
) -> Result<Vec<Cell<'a>>, LineError> {
    if column.kind.is_given() || paths.is_empty() {
        return Ok(Vec::new());
    }
    let read = |choice: &Node<'a>| {
        let cell = read_cell(|path| response.start(path, choice), column, paths, plan)?;
        Ok(match cell {
            cell if column.private && plan.drops_text => without_text(cell),
            Cell::Text(word) if column.kind == Kind::FinishReason => {
                Cell::Text(match api.finish_reasons.get(&*word) {
                    Some(word) => word.clone().into(),
                    None => word,
                })
            }
            cell => cell,
        })
    };
    if column.grain == Grain::Choice && !response.choices.is_empty() {
        return response.choices.iter().map(|choice| read(choice)).collect();
    }
    Ok(match column.grain {
        Grain::Response | Grain::Summed => vec![read(&response.node)?],
        Grain::Choice => Vec::new(),
    })
}

/// Leaves of a private cell what is no text: the calls without their arguments.
pub fn without_text(cell: Cell<'_>) -> Cell<'_> {
    match cell {
        Cell::Calls(mut calls) => {
            calls.iter_mut().for_each(|call| call[3] = None);
            Cell::Calls(calls)
        }
        _ => Cell::Null,
    }
}

/// Returns how much text the rows of a response repeat, or an error if too much.
fn count_repeated(
    plan: &Plan,
    api: &Api,
    cells: &[Vec<Cell<'_>>],
    response: &Response<'_>,
) -> Result<usize, LineError> {
    let count = response.choices.len();
    let is_chunk = api.stream != Stream::Whole;
    if count < 2 && !is_chunk {
        return Ok(0);
    }
    let columns = plan.columns[api.table()].iter();
    let columns = columns.zip(&api.paths).zip(cells);
    let repeated: usize = columns
        .filter(|((column, paths), _)| column.grain == Grain::Response && !paths.is_empty())
        .map(|(_, cells)| match &cells[0] {
            Cell::Text(text) => text.chars().count(),
            _ => 0,
        })
        .sum();
    let is_long = count > 1 && repeated * count > plan.repeated_bytes;
    if is_long || is_chunk && repeated > plan.most_facts {
        return Err(too_long().below(&response.node.along(&api.choices)));
    }
    Ok(repeated * count.max(1))
}

fn too_long() -> LineError {
    let reason = "expected fewer choices, or shorter facts to repeat for each";
    LineError::because("out_of_range", reason.to_owned())
}
