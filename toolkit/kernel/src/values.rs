//! The kinds of values: each reads a raw value of a type it knows, or returns an error.
//!
//! The same as `json_values.py`, in its order and words.

use std::borrow::Cow;

use crate::json::{LineError, Node, Step, count, is_number, items, short_list, text};
use crate::plan::{Column, ColumnPath, Kind, Plan, Root};

/// A call that a model asks for: id, type, name, arguments.
pub type Call<'a> = [Option<Cow<'a, str>>; 4];

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

type Read<'a> = Result<Cell<'a>, LineError>;

const PAST_ALL_RANGES: usize = 20; // digits

/// Reads the first value that is present on the ways to a column, each from its start.
///
/// Of counts it is the first above 0; behind a 0 nothing is an error.
pub fn read_cell<'n, 'a: 'n>(
    start: impl Fn(Root) -> Option<&'n Node<'a>>,
    column: &Column,
    plan: &Plan,
) -> Read<'a> {
    let mut found = Cell::Null;
    for way in &column.ways {
        let Some(node) = start(way.root) else {
            continue;
        };
        match read_way(node, column, way, plan) {
            Ok(Cell::Null) => {}
            Ok(Cell::Int(0)) if column.kind == Kind::Count => found = Cell::Int(0),
            Err(_) if way.takes_any_shape || found != Cell::Null => {}
            cell => return cell,
        }
    }
    Ok(found)
}

/// Reads the value at the end of one way to a column.
fn read_way<'a>(node: &Node<'a>, column: &Column, way: &ColumnPath, plan: &Plan) -> Read<'a> {
    let Some(raw) = node.find(&way.keys)? else {
        return Ok(Cell::Null);
    };
    if way.passes_objects && raw.starts_with('{') {
        return Ok(Cell::Null);
    }
    read_value(raw, column, way, plan).map_err(|fault| {
        let mut path = node.path.clone();
        path.extend(way.keys.iter().cloned().map(Step::Key));
        fault.below(&path)
    })
}

/// Reads a value by one way to a column.
pub fn read_value<'a>(raw: &'a str, column: &Column, way: &ColumnPath, plan: &Plan) -> Read<'a> {
    if let Some(part) = &way.part {
        return if raw.starts_with('[') {
            join_parts(raw, part)
        } else {
            Ok(Cell::Null)
        };
    }
    let expected = |kind: &str| plan.expected.get(kind).map_or("", String::as_str);
    match column.kind {
        Kind::String => Ok(unless_empty(read_text(raw, expected("string"))?)),
        Kind::Label => read_label(raw, expected("label")),
        Kind::Text => read_text(raw, expected("text")),
        Kind::Content => read_content(raw, expected("content")),
        Kind::Characters => Ok(match read_content(raw, expected("content"))? {
            Cell::Text(text) => Cell::Int(text.chars().count() as i64),
            _ => Cell::Null,
        }),
        Kind::ToolCalls if way.is_list => read_tool_calls(raw, plan),
        Kind::ToolCalls => read_function_call(raw),
        Kind::Items if raw.starts_with('[') => Ok(Cell::Int(count(raw) as i64)),
        Kind::LogprobSum if raw.starts_with('[') => Ok(read_logprob_sum(raw)),
        Kind::Count => read_count(raw, column, expected("count")),
        Kind::Number => read_number(raw, way, expected("number")),
        Kind::Timestamp => read_timestamp(raw, plan, expected("timestamp")),
        Kind::Flag => Ok(read_flag(raw)),
        Kind::Marker => Ok(read_marker(raw, way)),
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
        b'[' => join_parts(raw, "text"),
        b'{' => Ok(Cell::Text(Cow::Borrowed(raw))),
        _ => read_text(raw, expected),
    }
}

/// Joins the parts of a kind; what a part holds is a string or a list of texts.
fn join_parts<'a>(raw: &str, kind: &str) -> Read<'a> {
    let mut joined: Option<String> = None;
    for (place, item) in items(raw).into_iter().enumerate() {
        if !item.starts_with('{') {
            return Err(LineError::wrong_type("an object", item).below(&[Step::Place(place)]));
        }
        let part = Node::open(item, Vec::new());
        let is_kind = part
            .get("type")
            .is_some_and(|raw| raw.starts_with('"') && text(raw) == kind);
        let Some(value) = part.get(kind).filter(|_| is_kind) else {
            continue;
        };
        let here = [Step::Place(place), Step::Key(kind.to_owned())];
        let piece = match value.as_bytes()[0] {
            b'"' => Cell::Text(text(value)),
            b'[' if kind != "text" => {
                join_parts(value, "text").map_err(|fault| fault.below(&here))?
            }
            _ => return Err(LineError::wrong_type("a string", value).below(&here)),
        };
        if let Cell::Text(piece) = piece {
            joined.get_or_insert_default().push_str(&piece);
        }
    }
    Ok(joined.map_or(Cell::Null, |joined| Cell::Text(Cow::Owned(joined))))
}

fn read_count<'a>(raw: &str, column: &Column, expected: &str) -> Read<'a> {
    if !is_number(raw) {
        return Err(LineError::wrong_type(expected, raw));
    }
    let (low, high) = (
        column.minimum.unwrap_or(i64::MIN),
        column.maximum.unwrap_or(i64::MAX),
    );
    let too_large = || {
        let written = |bound: Option<i64>| bound.map_or("None".to_owned(), |it| it.to_string());
        let (low, high) = (written(column.minimum), written(column.maximum));
        let reason = format!("expected a whole number from {low} to {high}");
        LineError::because("out_of_range", reason)
    };
    let value = if !raw.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        if raw.len() > PAST_ALL_RANGES {
            return Err(too_large());
        }
        raw.parse::<i64>().map_err(|_| too_large())?
    } else {
        let number = raw.parse::<f64>().unwrap_or(f64::INFINITY);
        if number.is_infinite() {
            return Err(too_large());
        }
        if number.fract() != 0.0 {
            let reason = "expected a whole number, got a fraction".to_owned();
            return Err(LineError::because("wrong_type", reason));
        }
        if number < low as f64 || number > high as f64 {
            return Err(too_large());
        }
        number as i64
    };
    if value < low || value > high {
        return Err(too_large());
    }
    Ok(Cell::Int(value))
}

/// Reads a number, or a string with one, and divides it.
fn read_number<'a>(raw: &str, way: &ColumnPath, expected: &str) -> Read<'a> {
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
    if way.skips_zero && number == 0.0 {
        return Ok(Cell::Null);
    }
    Ok(Cell::Float(number / way.divisor))
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
            .then(|| Node::open(item, Vec::new()).get("logprob"))
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
    let word = match raw.starts_with('"') {
        true => text(raw),
        false => Cow::Borrowed(raw),
    };
    match &*word {
        "true" | "True" => Cell::Bool(true),
        "false" | "False" => Cell::Bool(false),
        _ => Cell::Null,
    }
}

/// The word that a value stands for; a text must begin with the prefix.
fn read_marker<'a>(raw: &str, way: &ColumnPath) -> Cell<'a> {
    let begins = || raw.starts_with('"') && text(raw).starts_with(&way.prefix);
    if way.prefix.is_empty() || begins() {
        Cell::Text(Cow::Owned(way.word.clone()))
    } else {
        Cell::Null
    }
}

/// The kinds of tool that a call may name, and where each keeps its input.
const TOOLS: [(&str, &str); 2] = [("function", "arguments"), ("custom", "input")];

fn read_tool_calls<'a>(raw: &'a str, plan: &Plan) -> Read<'a> {
    if raw.starts_with('{') && Node::open(raw, Vec::new()).is_empty() {
        return Ok(Cell::Null);
    }
    if !raw.starts_with('[') {
        return Err(LineError::wrong_type("a list", raw));
    }
    let mut calls = Vec::new();
    let items = short_list(raw, plan.most_items).ok_or_else(|| plan.too_many())?;
    for (place, item) in items.into_iter().enumerate() {
        let here = vec![Step::Place(place)];
        if !item.starts_with('{') {
            return Err(LineError::wrong_type("an object", item).below(&here));
        }
        let call = Node::open(item, here);
        let (id, kind) = (call_text(&call, "id")?, call_text(&call, "type")?);
        let mut name = None;
        let mut arguments = None;
        for (tool, _) in TOOLS {
            if name.is_none()
                && let Some(node) = call.child(tool)?
            {
                name = call_text(&node, "name")?;
            }
        }
        for (tool, input) in TOOLS {
            if arguments.is_none()
                && let Some(node) = call.child(tool)?
            {
                arguments = call_input(&node, input)?;
            }
        }
        calls.push([id, kind, name, arguments]);
    }
    Ok(Cell::Calls(calls))
}

fn read_function_call<'a>(raw: &'a str) -> Read<'a> {
    if !raw.starts_with('{') {
        return Err(LineError::wrong_type("an object", raw));
    }
    let call = Node::open(raw, Vec::new());
    let (name, arguments) = (call_text(&call, "name")?, call_input(&call, "arguments")?);
    let is_empty = |text: &Option<Cow<'_, str>>| text.as_ref().is_none_or(|text| text.is_empty());
    if is_empty(&name) && is_empty(&arguments) {
        return Ok(Cell::Null);
    }
    Ok(Cell::Calls(vec![[None, None, name, arguments]]))
}

fn call_text<'a>(node: &Node<'a>, key: &str) -> Result<Option<Cow<'a, str>>, LineError> {
    match node.get(key) {
        None => Ok(None),
        Some(raw) if raw.starts_with('"') => Ok(Some(text(raw))),
        Some(raw) => Err(LineError::wrong_type("a string", raw).below(&node.at(key))),
    }
}

fn call_input<'a>(node: &Node<'a>, key: &str) -> Result<Option<Cow<'a, str>>, LineError> {
    match node.get(key) {
        Some(raw) if raw.starts_with('{') => Ok(Some(Cow::Borrowed(raw))),
        _ => call_text(node, key),
    }
}

fn read_timestamp<'a>(raw: &str, plan: &Plan, expected: &str) -> Read<'a> {
    let digits = if raw.starts_with('"') {
        text(raw)
    } else {
        Cow::Borrowed(raw)
    };
    if raw.starts_with('"') {
        if digits.is_empty() {
            return Ok(Cell::Null);
        }
        let points = digits.bytes().filter(|&byte| byte == b'.').count();
        let numbers = digits.bytes().filter(u8::is_ascii_digit).count();
        if points > 1 || numbers == 0 || points + numbers != digits.len() {
            let reason = "expected a Unix time, got a string without one".to_owned();
            return Err(LineError::because("wrong_type", reason));
        }
    } else if !is_number(raw) {
        return Err(LineError::wrong_type(expected, raw));
    }
    match microseconds(&digits, plan.created_scale, plan.latest_microsecond) {
        Some(0) => Ok(Cell::Null),
        Some(micros) => Ok(Cell::Int(micros)),
        None => {
            let reason = "expected a time from 1970 to before 2200".to_owned();
            Err(LineError::because("out_of_range", reason))
        }
    }
}

/// A decimal number times a power of ten, exactly as written, rounded half to even.
///
/// None if it is negative after rounding, or not before the latest.
pub fn microseconds(number: &str, scale: i32, latest: i64) -> Option<i64> {
    let (mantissa, exponent) = match number.find(['e', 'E']) {
        Some(at) => (&number[..at], exponent_of(&number[at + 1..])),
        None => (number, 0),
    };
    let negative = mantissa.starts_with('-');
    let mantissa = mantissa.trim_start_matches('-');
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole
        .bytes()
        .chain(fraction.bytes())
        .map(|byte| byte - b'0')
        .collect();
    let first = digits.iter().position(|&digit| digit != 0);
    let Some(first) = first else { return Some(0) };
    // How many of the digits are before the point, once it is moved.
    let shift = exponent.saturating_add(i64::from(scale));
    let point = (whole.len() as i64).saturating_add(shift);
    let significant = point.saturating_sub(first as i64);
    if significant > PAST_ALL_RANGES as i64 {
        return None;
    }
    let digit = |place: i64| {
        usize::try_from(place)
            .ok()
            .and_then(|place| digits.get(place))
            .copied()
            .unwrap_or(0)
    };
    let mut value = 0_i128;
    for place in first as i64..point.max(first as i64) {
        value = value * 10 + i128::from(digit(place));
    }
    let next = if point >= 0 { digit(point) } else { 0 };
    let rest = (point + 1).max(0) as usize;
    let has_more = digits
        .get(rest..)
        .unwrap_or_default()
        .iter()
        .any(|&digit| digit != 0);
    if next > 5 || (next == 5 && (has_more || value % 2 == 1)) {
        value += 1;
    }
    if (negative && value != 0) || value >= i128::from(latest) {
        return None;
    }
    i64::try_from(value).ok()
}

/// The exponent; one past all bounds stays past them.
fn exponent_of(text: &str) -> i64 {
    const BOUND: i64 = 1 << 40;
    let digits = text.trim_start_matches(['+', '-']).trim_start_matches('0');
    let size = match digits.len() {
        0 => 0,
        1..=12 => digits.parse().unwrap_or(BOUND),
        _ => BOUND,
    };
    if text.starts_with('-') { -size } else { size }
}
