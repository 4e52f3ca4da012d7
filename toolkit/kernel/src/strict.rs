//! One line, decoded as `reference_decoder.py` does: strictly, step by step.

use std::borrow::Cow;

use typed_arena::Arena;

use crate::chunk::Signs;
use crate::json::{LineError, Node, Step, checked, short_list, text};
use crate::plan::{BATCH, Grain, Plan, Root};
use crate::values::{Cell, read_cell};

/// The cells of a line: for each column one for each row.
pub struct Rows<'a> {
    /// The choices; where there is none there is one row.
    pub choices: usize,
    pub hash: u64,
    /// Null for the columns whose cells are not of the line.
    pub cells: Vec<Vec<Cell<'a>>>,
}

/// A response that was found in a line.
struct Response<'a> {
    line: Node<'a>,
    /// None: the line is the response.
    inner: Option<Node<'a>>,
    choices: Vec<Node<'a>>,
}

impl<'a> Response<'a> {
    fn node(&self) -> &Node<'a> {
        self.inner.as_ref().unwrap_or(&self.line)
    }

    /// The object where a path starts, None if this response has none.
    fn start<'n>(&'n self, root: Root, choice: &'n Node<'a>) -> Option<&'n Node<'a>> {
        let is_key = |(step, key): (&Step, &&str)| matches!(step, Step::Key(own) if own == key);
        match root {
            Root::Response => Some(self.node()),
            Root::Choice => Some(choice),
            Root::Completion => choice.get("message").is_none().then_some(choice),
            Root::Line => Some(&self.line),
            Root::Envelope => self.inner.is_some().then_some(&self.line),
            Root::Batch => {
                let path = &self.inner.as_ref()?.path;
                let is_batch = path.len() == BATCH.len() && path.iter().zip(&BATCH).all(is_key);
                is_batch.then_some(&self.line)
            }
        }
    }
}

/// Returns the cells of a line, or why it is rejected.
pub fn read_line<'a>(
    plan: &Plan,
    raw: &'a [u8],
    tail: bool,
    arena: &'a Arena<String>,
) -> Result<Rows<'a>, LineError> {
    let line = open_line(plan, raw, tail)?;
    let response = find_response(plan, line, arena)?;
    let cells = plan
        .columns
        .iter()
        .map(|column| read_column(plan, column, &response))
        .collect::<Result<Vec<_>, _>>()?;
    check_repeated(plan, &cells, &response)?;
    Ok(Rows {
        choices: response.choices.len(),
        hash: xxhash_rust::xxh3::xxh3_64(response.node().raw.as_bytes()),
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

fn find_response<'a>(
    plan: &Plan,
    line: Node<'a>,
    arena: &'a Arena<String>,
) -> Result<Response<'a>, LineError> {
    if let Some(choices) = choices_of(plan, &line)? {
        refuse_chunk(&line, &choices)?;
        return Ok(Response {
            line,
            inner: None,
            choices,
        });
    }
    let mut is_error = line.get("error").is_some();
    for keys in &plan.envelopes {
        let Some(node) = candidate(plan, &line, keys, arena) else {
            continue;
        };
        if let Some(choices) = choices_of(plan, &node)? {
            refuse_chunk(&node, &choices)?;
            return Ok(Response {
                line,
                inner: Some(node),
                choices,
            });
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
    line: &Node<'a>,
    keys: &[String],
    arena: &'a Arena<String>,
) -> Option<Node<'a>> {
    let mut found: Option<Node<'a>> = None;
    for key in keys {
        let node = found.as_ref().unwrap_or(line);
        let mut raw = node.get(key)?;
        if raw.starts_with('"') {
            let inner = arena.alloc(text(raw).into_owned());
            raw = checked(inner, plan.deepest).ok()?;
        }
        if !raw.starts_with('{') {
            return None;
        }
        found = Some(Node::open(raw, node.at(key)));
    }
    found
}

/// Returns the choices of a response, None if this object is none.
fn choices_of<'a>(plan: &Plan, node: &Node<'a>) -> Result<Option<Vec<Node<'a>>>, LineError> {
    let Some(raw) = node.get("choices").filter(|raw| raw.starts_with('[')) else {
        return Ok(None);
    };
    let items = short_list(raw, plan.most_items)
        .ok_or_else(|| plan.too_many().below(&node.at("choices")))?;
    if items.iter().any(|item| !item.starts_with('{')) {
        return Ok(None);
    }
    let open = |(place, item)| {
        let mut path = node.at("choices");
        path.push(Step::Place(place));
        Node::open(item, path)
    };
    Ok(Some(items.into_iter().enumerate().map(open).collect()))
}

/// Rejects a piece of a streamed response.
fn refuse_chunk(node: &Node<'_>, choices: &[Node<'_>]) -> Result<(), LineError> {
    let any = |key: &str, is_sign: fn(&str) -> bool| {
        let mut values = choices.iter().filter_map(|choice| choice.get(key));
        values.any(is_sign)
    };
    let signs = Signs {
        choice: !choices.is_empty(),
        message: any("message", |_| true),
        delta: any("delta", |_| true),
        object_delta: any("delta", |raw| raw.starts_with('{')),
        finish_reason: any("finish_reason", |raw| raw != "\"\""),
        text: any("text", |raw| raw != "\"\""),
        usage: node.get("usage").is_some(),
    };
    let name = match node.get("object") {
        None => Some(Cow::Borrowed("")),
        Some(raw) => raw.starts_with('"').then(|| text(raw)),
    };
    match signs.are_of_chunk(name.as_deref().map(str::as_bytes)) {
        true => Err(LineError::new("stream_chunk")),
        false => Ok(()),
    }
}

fn read_column<'a>(
    plan: &Plan,
    column: &crate::plan::Column,
    response: &Response<'a>,
) -> Result<Vec<Cell<'a>>, LineError> {
    let count = response.choices.len();
    let rows = count.max(1);
    let drops = column.private && plan.drops_text;
    if column.kind.is_given() {
        return Ok(vec![Cell::Null; rows]);
    }
    if column.root == Root::Choice {
        if count == 0 {
            return Ok(vec![Cell::Null]);
        }
        return response
            .choices
            .iter()
            .map(|choice| {
                let cell = read_cell(|root| response.start(root, choice), column, plan)?;
                Ok(if drops { without_text(cell) } else { cell })
            })
            .collect();
    }
    let start = |root| response.start(root, response.node());
    let cell = read_cell(start, column, plan)?;
    let cell = if drops { without_text(cell) } else { cell };
    let mut cells = vec![
        cell;
        if column.grain == Grain::Response {
            rows
        } else {
            1
        }
    ];
    cells.resize(rows, Cell::Null);
    Ok(cells)
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
    cells: &[Vec<Cell<'_>>],
    response: &Response<'_>,
) -> Result<(), LineError> {
    let count = response.choices.len();
    if count < 2 {
        return Ok(());
    }
    let repeated: usize = plan
        .columns
        .iter()
        .zip(cells)
        .filter(|(column, _)| column.grain == Grain::Response && !column.ways.is_empty())
        .map(|(_, cells)| match &cells[0] {
            Cell::Text(text) => text.chars().count(),
            _ => 0,
        })
        .sum();
    if repeated * count > plan.repeated_bytes {
        let reason = "expected fewer choices, or shorter facts to repeat for each".to_owned();
        let path = response.node().at("choices");
        return Err(LineError::because("out_of_range", reason).below(&path));
    }
    Ok(())
}
