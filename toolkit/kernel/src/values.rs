//! The kinds of values: each reads a raw value of a type it knows, or returns an error.
//!
//! The same as `cells.py`, in its order and words.

use std::borrow::Cow;

use crate::json::{LineError, Node, Nodes, Step, count, fields, is_number, items, label, text};
use crate::plan::{Column, Items, Kind, Path, Plan, Steps, Test, Type};
use crate::times::{lacks_zone, read_time};

/// A call that a model asks for: id, type, name, arguments, and of a piece its index.
pub type Call<'a> = [Option<Cow<'a, str>>; 5];

/// The value of one cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Calls(Vec<Call<'a>>),
    Bytes(&'a [u8]),
}

impl Cell<'_> {
    /// Returns whether the cell is read only if no later path has another one.
    pub fn is_last_resort(&self, kind: Kind) -> bool {
        match (self, kind) {
            (Cell::Int(value), Kind::Count) => *value == 0,
            (Cell::Float(value), Kind::Number) => *value == 0.0,
            (Cell::Text(word), Kind::TimestampProblem) => *word == NO_TIME_ZONE,
            _ => false,
        }
    }
}

type Read<'a> = Result<Cell<'a>, LineError>;

/// A raw value, and its path.
pub enum Value<'a> {
    Plain(&'a str, Vec<Step>),
    /// The item of a list at a place.
    Item(Nodes<'a>, usize),
}

impl<'a> Value<'a> {
    pub fn raw(&self) -> &'a str {
        match self {
            Value::Plain(raw, _) => raw,
            Value::Item(items, place) => items[*place].raw,
        }
    }

    fn path(&self) -> Vec<Step> {
        match self {
            Value::Plain(_, path) => path.clone(),
            Value::Item(items, place) => items[*place].along(&[]),
        }
    }
}

/// The problem of a time without a zone.
const NO_TIME_ZONE: &str = "no_time_zone";

/// Reads the first value that is present on the paths of a column, each from its start.
///
/// Some values are read only if no later path has another; behind them nothing is an error.
pub fn read_cell<'n, 'a: 'n>(
    start: impl Fn(&Path) -> Option<&'n Node<'a>>,
    column: &Column,
    paths: &[Path],
    plan: &Plan,
) -> Read<'a> {
    let mut found = Cell::Null;
    for path in paths {
        let Some(node) = start(path) else {
            continue;
        };
        match read_path(node, column, path, plan) {
            Ok(Cell::Null) => {}
            Ok(cell) if cell.is_last_resort(column.kind) => found = cell,
            Err(_) if path.takes_any_shape || found != Cell::Null => {}
            Ok(Cell::Text(word)) if word.is_empty() && column.kind.is_word() => {
                return Ok(Cell::Null);
            }
            cell => return cell,
        }
    }
    Ok(found)
}

/// Reads the values at the end of a path as one cell, or their sum with others.
fn read_path<'a>(node: &Node<'a>, column: &Column, path: &Path, plan: &Plan) -> Read<'a> {
    let read = |steps: &Steps| match node.find(&steps.keys)? {
        None => Ok(Cell::Null),
        Some(raw) => read_raw(node, raw, steps.items.as_ref(), column, path, plan)
            .map_err(|fault| fault.below(&node.along(&steps.keys))),
    };
    let mut cell = read(&path.steps)?;
    if let (Cell::Null, Some(steps)) = (&cell, &path.zero_if)
        && values_at(node, steps, plan)?.is_some_and(|values| !values.is_empty())
    {
        cell = Cell::Int(0);
    }
    let Cell::Int(mut total) = cell else {
        return Ok(cell);
    };
    for paths in &path.plus {
        for steps in paths {
            match read(steps)? {
                Cell::Int(more) if more != 0 => {
                    total = total.saturating_add(more);
                    break;
                }
                _ => {} // what is not there is 0
            }
        }
    }
    let is_sum = !path.plus.is_empty();
    match is_sum && !column.allows(total) {
        true => Err(too_large(column).below(&node.along(&path.steps.keys))),
        false => Ok(Cell::Int(total)),
    }
}

/// Reads a value below an object, or those in its items, as one cell.
pub fn read_raw<'a>(
    node: &Node<'a>,
    raw: &'a str,
    items: Option<&Items>,
    column: &Column,
    path: &Path,
    plan: &Plan,
) -> Read<'a> {
    let is_passed = |raw: &str| path.passes_objects && raw.starts_with('{');
    if items.is_none() && path.fields.is_empty() {
        return match is_passed(raw) {
            true => Ok(Cell::Null),
            false => read_value(raw, column, path, plan),
        };
    }
    match values_in(node, raw, Vec::new(), items, plan)? {
        None => Ok(Cell::Null),
        Some(values) if values.first().is_some_and(|it| is_passed(it.raw())) => Ok(Cell::Null),
        Some(values) if path.fields.is_empty() => read_values(values, column, path, plan),
        Some(values) => read_calls(values, path),
    }
}

/// Returns the values at the end of a path; None if nothing is there.
pub fn values_at<'a>(
    node: &Node<'a>,
    steps: &Steps,
    plan: &Plan,
) -> Result<Option<Vec<Value<'a>>>, LineError> {
    match node.find(&steps.keys)? {
        None => Ok(None),
        Some(raw) => values_in(
            node,
            raw,
            node.along(&steps.keys),
            steps.items.as_ref(),
            plan,
        ),
    }
}

/// Returns a value, or the values in its items if a path goes on into them.
fn values_in<'a>(
    node: &Node<'a>,
    raw: &'a str,
    path: Vec<Step>,
    items: Option<&Items>,
    plan: &Plan,
) -> Result<Option<Vec<Value<'a>>>, LineError> {
    let Some(selected) = items else {
        return Ok(Some(vec![Value::Plain(raw, path)]));
    };
    if raw.starts_with('{') && Node::open(raw, Vec::new()).is_empty() {
        return Ok(None);
    }
    if !raw.starts_with('[') {
        return Err(LineError::wrong_type("a list", raw).below(&path));
    }
    let mut found = Vec::new();
    let items = node.items(raw, &path, plan.most_items)?;
    for (place, item) in items.iter().enumerate() {
        if !item.raw.starts_with('{') {
            return Err(LineError::wrong_type("an object", item.raw).below(&item.along(&[])));
        }
        if is_selected(item, selected) {
            match &selected.then[..] {
                [] => found.push(Value::Item(items.clone(), place)),
                then => found.append(&mut values_of(item, then, plan)?),
            }
        }
    }
    Ok(Some(found))
}

/// Returns whether a path goes on into an item.
fn is_selected(node: &Node<'_>, items: &Items) -> bool {
    let value = || node.get(&items.key);
    match &items.words[..] {
        _ if items.key.is_empty() => true,
        [] => value().is_some_and(|raw| raw != "false") != items.without,
        words => value().is_some_and(|raw| words.iter().any(|word| *word == label(raw))),
    }
}

/// Returns the values at the first path that is there.
///
/// A path that cannot be read is passed over, but for the last.
fn values_of<'a>(
    node: &Node<'a>,
    then: &[Steps],
    plan: &Plan,
) -> Result<Vec<Value<'a>>, LineError> {
    let Some((last, others)) = then.split_last() else {
        return Ok(Vec::new());
    };
    for steps in others {
        if let Ok(Some(values)) = values_at(node, steps, plan) {
            return Ok(values);
        }
    }
    Ok(values_at(node, last, plan)?.unwrap_or_default())
}

/// Returns whether a value is as a test expects; its label counts where the test has words.
pub fn is_expected(raw: &[u8], label: &[u8], test: &Test) -> bool {
    let is = |sign| raw[0] == sign;
    let list = || str::from_utf8(raw).ok().filter(|_| is(b'[')).map(items);
    let is_object = |item: &&str| item.starts_with('{');
    let is_of_type = match test.r#type {
        Type::Any => true,
        Type::Object => is(b'{'),
        Type::List => is(b'['),
        Type::String => is(b'"'),
        Type::Boolean => is(b't') || is(b'f'),
        Type::Filled => raw != b"\"\"",
        Type::Empty => list().is_some_and(|items| items.is_empty()),
        Type::Objects => list().is_some_and(|items| items.iter().all(is_object)),
    };
    let is_label = |word: &String| word.as_bytes() == label;
    is_of_type && (test.words.is_empty() || test.words.iter().any(is_label))
}

/// Reads values as one cell.
fn read_values<'a>(values: Vec<Value<'a>>, column: &Column, path: &Path, plan: &Plan) -> Read<'a> {
    let mut found = Cell::Null;
    for value in values {
        let cell = read_value(value.raw(), column, path, plan);
        let cell = cell.map_err(|fault| fault.below(&value.path()))?;
        found = match (found, cell, column.kind) {
            (Cell::Null, cell, _) => cell,
            (Cell::Text(one), Cell::Text(other), Kind::Text | Kind::Content) => {
                Cell::Text(one + other)
            }
            (Cell::Int(one), Cell::Int(other), Kind::Characters) => Cell::Int(one + other),
            (first, ..) => first,
        };
    }
    Ok(found)
}

/// Reads a value by one path of a column.
fn read_value<'a>(raw: &'a str, column: &Column, path: &Path, plan: &Plan) -> Read<'a> {
    match column.kind {
        Kind::String => Ok(unless_empty(read_text(raw, plan.expected("string"))?)),
        Kind::Label | Kind::FinishReason => read_label(raw, plan.expected("label")),
        Kind::Text => read_text(raw, plan.expected("text")),
        Kind::Content => read_content(raw, plan.expected("content")),
        Kind::Characters => Ok(match read_content(raw, plan.expected("content"))? {
            Cell::Text(text) => Cell::Int(text.chars().count() as i64),
            _ => Cell::Null,
        }),
        Kind::Items if raw.starts_with('[') => Ok(Cell::Int(count(raw) as i64)),
        Kind::LogprobSum if raw.starts_with('[') => Ok(read_logprob_sum(raw)),
        Kind::Count => read_count(raw, column, plan.expected("count")),
        Kind::Number => read_number(raw, path, plan.expected("number")),
        Kind::Timestamp => Ok(read_time(raw, plan)?.map_or(Cell::Null, Cell::Int)),
        Kind::TimestampProblem => Ok(match read_time(raw, plan)? {
            None if lacks_zone(raw) => Cell::Text(NO_TIME_ZONE.into()),
            None => Cell::Null,
            Some(_) => Cell::Text("".into()),
        }),
        Kind::Flag => Ok(read_flag(raw)),
        Kind::Marker => Ok(read_marker(raw, path)),
        _ => Ok(Cell::Null),
    }
}

fn unless_empty(cell: Cell<'_>) -> Cell<'_> {
    match cell {
        Cell::Text(text) if text.is_empty() => Cell::Null,
        other => other,
    }
}

fn read_text<'a>(raw: &'a str, expected: &str) -> Read<'a> {
    if raw.starts_with('"') {
        Ok(Cell::Text(text(raw)))
    } else {
        Err(LineError::wrong_type(expected, raw))
    }
}

fn read_label<'a>(raw: &'a str, expected: &str) -> Read<'a> {
    match raw.as_bytes()[0] {
        b'{' | b'[' => Err(LineError::wrong_type(expected, raw)),
        b'"' => Ok(unless_empty(Cell::Text(text(raw)))),
        _ => Ok(Cell::Text(Cow::Borrowed(raw))),
    }
}

fn read_content<'a>(raw: &'a str, expected: &str) -> Read<'a> {
    match raw.as_bytes()[0] {
        b'[' => join_parts(raw),
        b'{' => Ok(Cell::Text(Cow::Borrowed(raw))),
        _ => read_text(raw, expected),
    }
}

/// Joins the parts of a list that are texts.
fn join_parts<'a>(raw: &str) -> Read<'a> {
    let mut joined: Option<String> = None;
    for (place, item) in items(raw).into_iter().enumerate() {
        if !item.starts_with('{') {
            return Err(LineError::wrong_type("an object", item).below(&[Step::Place(place)]));
        }
        let [kind, text_of] = fields(item, ["type", "text"]);
        let is_text = kind.is_some_and(|raw| label(raw) == "text");
        let Some(raw) = text_of.filter(|_| is_text) else {
            continue;
        };
        if !raw.starts_with('"') {
            let here = [Step::Place(place), Step::Key("text".to_owned())];
            return Err(LineError::wrong_type("a string", raw).below(&here));
        }
        joined.get_or_insert_default().push_str(&text(raw));
    }
    Ok(joined.map_or(Cell::Null, |joined| Cell::Text(Cow::Owned(joined))))
}

fn read_count<'a>(raw: &str, column: &Column, expected: &str) -> Read<'a> {
    if !is_number(raw) {
        return Err(LineError::wrong_type(expected, raw));
    }
    let value = if !raw.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        raw.parse::<i64>().ok()
    } else {
        let number = raw.parse::<f64>().unwrap_or(f64::INFINITY);
        if number.is_finite() && number.fract() != 0.0 {
            let reason = "expected a whole number, got a fraction".to_owned();
            return Err(LineError::because("wrong_type", reason));
        }
        // A double past all integers is none of them.
        (number.abs() < 9.3e18).then_some(number as i64)
    };
    match value.filter(|&value| column.allows(value)) {
        Some(value) => Ok(Cell::Int(value)),
        None => Err(too_large(column)),
    }
}

/// The error of a count outside the range of a column.
pub fn too_large(column: &Column) -> LineError {
    let written = |bound: Option<i64>| bound.map_or("None".to_owned(), |it| it.to_string());
    let (low, high) = (written(column.minimum), written(column.maximum));
    let reason = format!("expected a whole number from {low} to {high}");
    LineError::because("out_of_range", reason)
}

/// Reads a number, or a string with one, and divides it.
fn read_number<'a>(raw: &str, path: &Path, expected: &str) -> Read<'a> {
    let mut digits = Cow::Borrowed(raw);
    if raw.starts_with('"') {
        digits = text(raw);
        if !is_decimal(digits.strip_prefix('-').unwrap_or(&digits)) {
            let reason = "expected a number, got a string without one".to_owned();
            return Err(LineError::because("wrong_type", reason));
        }
    } else if !is_number(raw) {
        return Err(LineError::wrong_type(expected, raw));
    }
    let number = digits.parse::<f64>().unwrap_or(f64::INFINITY);
    if number.is_infinite() {
        let reason = "expected a number that a double can hold".to_owned();
        return Err(LineError::because("out_of_range", reason));
    }
    if path.skips_zero && number == 0.0 {
        return Ok(Cell::Null);
    }
    Ok(Cell::Float(number / path.divisor))
}

/// Returns whether a text is digits, or digits with a point between them.
fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_whole = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    is_whole(whole) && is_whole(fraction)
}

fn read_logprob_sum<'a>(raw: &str) -> Cell<'a> {
    let mut total = 0.0;
    for item in items(raw) {
        let number = item
            .starts_with('{')
            .then(|| fields(item, ["logprob"])[0])
            .flatten()
            .filter(|raw| is_number(raw));
        match number.and_then(|raw| raw.parse::<f64>().ok()) {
            Some(number) => total += number,
            None => return Cell::Null,
        }
    }
    if total.is_finite() {
        Cell::Float(total)
    } else {
        Cell::Null
    }
}

fn read_flag<'a>(raw: &str) -> Cell<'a> {
    match &*label(raw) {
        "true" | "True" => Cell::Bool(true),
        "false" | "False" => Cell::Bool(false),
        _ => Cell::Null,
    }
}

/// Returns the word of a path that has a value; a text must begin with the prefix.
fn read_marker<'a>(raw: &str, path: &Path) -> Cell<'a> {
    let begins = || raw.starts_with('"') && text(raw).starts_with(&path.prefix);
    if path.prefix.is_empty() || begins() {
        Cell::Text(path.word.clone().unwrap_or_default().into())
    } else {
        Cell::Null
    }
}

/// Reads calls; a single one without name and arguments is null.
fn read_calls<'a>(values: Vec<Value<'a>>, path: &Path) -> Read<'a> {
    let mut calls = Vec::new();
    for value in values {
        calls.push(read_call(value, &path.fields)?);
    }
    let Some(items) = &path.steps.items else {
        let is_filled =
            |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|it| !it.is_empty());
        calls.retain(|call| call[2..4].iter().any(is_filled));
        return Ok(match calls.is_empty() {
            true => Cell::Null,
            false => Cell::Calls(calls),
        });
    };
    match calls.is_empty() && !items.key.is_empty() {
        true => Ok(Cell::Null),
        false => Ok(Cell::Calls(calls)),
    }
}

/// Reads the fields of a call, each the first on its paths.
fn read_call<'a>(value: Value<'a>, fields: &[Vec<Vec<String>>]) -> Result<Call<'a>, LineError> {
    let opened;
    let node = match &value {
        Value::Item(items, place) => &items[*place],
        Value::Plain(raw, _) if !raw.starts_with('{') => {
            return Err(LineError::wrong_type("an object", raw).below(&value.path()));
        }
        Value::Plain(raw, path) => {
            opened = Node::open(raw, path.clone());
            &opened
        }
    };
    let mut call = Call::default();
    for (place, paths) in fields.iter().enumerate() {
        for keys in paths.iter() {
            call[place] = match node.peek(keys).map_or_else(|| node.find(keys), Ok)? {
                Some(raw) if raw.starts_with('"') => Some(text(raw)),
                Some(raw) if place == 4 => Some(label(raw)),
                Some(raw) if place == 3 && raw.starts_with('{') => Some(Cow::Borrowed(raw)),
                Some(raw) => {
                    return Err(LineError::wrong_type("a string", raw).below(&node.along(keys)));
                }
                None => continue,
            };
            break;
        }
    }
    Ok(call)
}
