//! One line, decoded as `reference_decoder.py` does: strictly, step by step.

use std::rc::Rc;
use std::slice;

use typed_arena::Arena;

use crate::json::{LineError, Node, Step, checked, label, short_list, text};
use crate::plan::{Api, Column, Condition, Grain, Kind, Path, Plan, Root, Test};
use crate::values::{Cell, is_expected, read_cell, too_large, values_at};

/// The cells of a line: for each column one for each row, or one for all rows.
pub struct Rows<'a> {
    /// The choices; where there is none there is one row.
    pub choices: usize,
    pub hash: u64,
    /// The place of the response's API in the plan.
    pub api: usize,
    /// A cell that is not there is null, or a fact of the line.
    pub cells: Vec<Vec<Cell<'a>>>,
}

/// A response that was found in a line.
struct Response<'a> {
    line: Rc<Node<'a>>,
    node: Rc<Node<'a>>,
    choices: Vec<Rc<Node<'a>>>,
}

impl<'a> Response<'a> {
    /// The object where a path starts, None if this response has none.
    fn start<'n>(&'n self, path: &Path, choice: &'n Node<'a>) -> Option<&'n Node<'a>> {
        let place = &self.node.path;
        let is_key = |(step, key): (&Step, &String)| matches!(step, Step::Key(own) if own == key);
        let is_at = || place.len() == path.at.len() && place.iter().zip(&path.at).all(is_key);
        match path.root {
            Root::Response => Some(&self.node),
            Root::Choice => Some(choice),
            Root::Line => Some(&self.line),
            Root::Envelope => (!place.is_empty()).then_some(&*self.line),
            Root::At => is_at().then_some(&*self.line),
        }
    }

    /// Returns whether all tests hold of any of the alternatives.
    fn meets(&self, condition: &Condition, plan: &Plan) -> bool {
        let passes = |test| self.passes(test, plan);
        condition.iter().any(|tests| tests.iter().all(passes))
    }

    fn passes(&self, test: &Test, plan: &Plan) -> bool {
        let starts = match test.path.root {
            Root::Choice => &self.choices,
            _ => slice::from_ref(&self.node),
        };
        let has_value = |choice: &Rc<Node<'a>>| {
            let start = self.start(&test.path, choice);
            // Another shape is not as expected.
            let values = start.and_then(|start| values_at(start, &test.path.steps, plan).ok()?);
            let mut values = values.iter().flatten();
            values.any(|value| {
                let label = (!test.words.is_empty()).then(|| label(value.raw));
                is_expected(
                    value.raw.as_bytes(),
                    label.unwrap_or_default().as_bytes(),
                    test,
                )
            })
        };
        starts.iter().any(has_value) == test.expected
    }
}

/// Returns the cells of a line, or why it is rejected.
pub fn read_line<'a>(
    plan: &Plan,
    raw: &'a [u8],
    tail: bool,
    arena: &'a Arena<String>,
) -> Result<Rows<'a>, LineError> {
    let line = Rc::new(open_line(plan, raw, tail)?);
    let (response, place) = find_response(plan, line, arena)?;
    let api = &plan.apis[place];
    let mut cells: Vec<Vec<Cell<'_>>> = Vec::with_capacity(plan.columns.len());
    for (column, paths) in plan.columns.iter().zip(&api.paths) {
        cells.push(if !column.adds.is_empty() && paths.is_empty() {
            let names = plan.columns.iter().map(|column| &column.name);
            let added = names
                .zip(&cells)
                .filter(|(name, _)| column.adds.contains(name));
            sums(
                column,
                &added.map(|(_, cells)| &cells[..]).collect::<Vec<_>>(),
            )?
        } else {
            read_column(plan, column, api, paths, &response)?
        });
    }
    check_repeated(plan, api, &cells, &response)?;
    Ok(Rows {
        choices: response.choices.len(),
        hash: xxhash_rust::xxh3::xxh3_64(response.node.raw.as_bytes()),
        api: place,
        cells,
    })
}

/// Returns the object of a line, or the error of one that holds none.
fn open_line<'a>(plan: &Plan, raw: &'a [u8], tail: bool) -> Result<Node<'a>, LineError> {
    if raw.len() > plan.longest {
        return Err(LineError::new("line_too_long"));
    }
    let line = simdutf8::basic::from_utf8(raw).map_err(|_| LineError::new("invalid_utf8"))?;
    let value = checked(line, plan.deepest).map_err(|fault| match fault.code {
        "invalid_json" if tail => LineError::new("truncated"),
        _ => fault,
    })?;
    if !value.starts_with('{') {
        // A number without a line feed may be the beginning of a longer one.
        return Err(LineError::new(if tail {
            "truncated"
        } else {
            "not_a_response"
        }));
    }
    Ok(Node::open(value, Vec::new()))
}

/// Finds the response of a line, and the place of its API in the plan.
fn find_response<'a>(
    plan: &Plan,
    line: Rc<Node<'a>>,
    arena: &'a Arena<String>,
) -> Result<(Response<'a>, usize), LineError> {
    let mut is_error = false;
    let inner = plan.envelopes.iter();
    let inner = inner.filter_map(|keys| candidate(plan, &line, keys, arena));
    for node in std::iter::once(line.clone()).chain(inner) {
        for (place, api) in plan.apis.iter().enumerate() {
            let Some(choices) = choices_of(plan, api, &node)? else {
                continue;
            };
            let (line, node) = (line.clone(), node.clone());
            let response = Response {
                line,
                node,
                choices,
            };
            let meets = |condition| response.meets(condition, plan);
            if !meets(&api.tests) || meets(&api.unless) {
                continue;
            }
            return if meets(&api.chunks) {
                Err(LineError::new("stream_chunk"))
            } else if meets(&api.errors) {
                Err(LineError::new("error_response"))
            } else {
                Ok((response, place))
            };
        }
        is_error |= node.get("error").is_some();
    }
    Err(LineError::new(if is_error {
        "error_response"
    } else {
        "not_a_response"
    }))
}

/// Returns the object at a path, where a step may be JSON in a string.
fn candidate<'a>(
    plan: &Plan,
    line: &Rc<Node<'a>>,
    keys: &[String],
    arena: &'a Arena<String>,
) -> Option<Rc<Node<'a>>> {
    keys.iter().try_fold(line.clone(), |node, key| {
        let raw = node.get(key)?;
        if !raw.starts_with('"') {
            return node.child(key).ok()?;
        }
        let raw = checked(arena.alloc(text(raw).into_owned()), plan.deepest).ok()?;
        let open = || Rc::new(Node::open(raw, node.along(slice::from_ref(key))));
        raw.starts_with('{').then(open)
    })
}

/// Returns the choices of a response, None if the object has no such list.
fn choices_of<'a>(
    plan: &Plan,
    api: &Api,
    node: &Rc<Node<'a>>,
) -> Result<Option<Vec<Rc<Node<'a>>>>, LineError> {
    if api.choices.is_empty() {
        return Ok(Some(vec![node.clone()]));
    }
    let raw = match node.find(&api.choices) {
        Ok(None) => return Ok(Some(Vec::new())),
        Ok(Some(raw)) if raw.starts_with('[') => raw,
        _ => return Ok(None),
    };
    let path = node.along(&api.choices);
    let Some(items) = short_list(raw, plan.most_items) else {
        return Err(plan.too_many().below(&path));
    };
    let open = |(place, item): (usize, &'a str)| {
        let path = [&path[..], &[Step::Place(place)]].concat();
        let open = || Rc::new(Node::open(item, path));
        item.starts_with('{').then(open)
    };
    Ok(items.into_iter().enumerate().map(open).collect())
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

/// Rejects a line whose rows would repeat far more text than it holds.
fn check_repeated(
    plan: &Plan,
    api: &Api,
    cells: &[Vec<Cell<'_>>],
    response: &Response<'_>,
) -> Result<(), LineError> {
    let count = response.choices.len();
    if count < 2 {
        return Ok(());
    }
    let columns = plan.columns.iter().zip(&api.paths).zip(cells);
    let repeated: usize = columns
        .filter(|((column, paths), _)| column.grain == Grain::Response && !paths.is_empty())
        .map(|(_, cells)| match &cells[0] {
            Cell::Text(text) => text.chars().count(),
            _ => 0,
        })
        .sum();
    if repeated * count > plan.repeated_bytes {
        let reason = "expected fewer choices, or shorter facts to repeat for each".to_owned();
        let path = response.node.along(&api.choices);
        return Err(LineError::because("out_of_range", reason).below(&path));
    }
    Ok(())
}
