//! Strict JSON, one level at a time: what `json_values.py` does with msgspec.
//!
//! serde_json validates; a value stays raw text until it is read.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::slice;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::scanner::Scanner;

/// One step of a path: a key, or a place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Place(usize),
}

/// Why a line is rejected: a code, a sentence without content, a place in the line.
#[derive(Clone, Debug)]
pub struct LineError {
    pub code: &'static str,
    /// None: the fixed sentence of the code.
    pub reason: Option<String>,
    pub path: Vec<Step>,
}

impl LineError {
    pub fn new(code: &'static str) -> Self {
        LineError {
            code,
            reason: None,
            path: Vec::new(),
        }
    }

    pub fn because(code: &'static str, reason: String) -> Self {
        LineError {
            code,
            reason: Some(reason),
            path: Vec::new(),
        }
    }

    pub fn too_many(most: usize) -> Self {
        LineError::because("out_of_range", format!("expected at most {most} items"))
    }

    pub fn wrong_type(expected: &str, raw: &str) -> Self {
        LineError::because(
            "wrong_type",
            format!("expected {expected}, got {}", json_type(raw)),
        )
    }

    /// The same error, its path written from further up.
    pub fn below(mut self, above: &[Step]) -> Self {
        self.path.splice(0..0, above.iter().cloned());
        self
    }
}

/// Names the JSON type of a raw value.
pub fn json_type(raw: &str) -> &'static str {
    match raw.as_bytes()[0] {
        b'{' => "an object",
        b'[' => "a list",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        _ => "a number",
    }
}

pub fn is_number(raw: &str) -> bool {
    matches!(raw.as_bytes()[0], b'-' | b'0'..=b'9')
}

/// One JSON object; missing and null are the same.
#[derive(Default)]
pub struct Node<'a> {
    pub raw: &'a str,
    /// Of the item of a list: the path of the list.
    pub path: Vec<Step>,
    place: Option<usize>,
    /// Read when one of them is asked for.
    fields: OnceCell<Vec<(Cow<'a, str>, &'a str)>>,
    /// The fields that were opened: many columns are below each.
    children: RefCell<Vec<(String, Rc<Node<'a>>)>>,
    /// The lists that were opened: of each where its JSON is, and how long the path was.
    lists: RefCell<Vec<((*const u8, usize), Nodes<'a>)>>,
}

/// The items of a list.
pub type Nodes<'a> = Rc<Vec<Node<'a>>>;

impl<'a> Node<'a> {
    /// Opens an object that was validated.
    pub fn open(raw: &'a str, path: Vec<Step>) -> Self {
        Node {
            raw,
            path,
            ..Node::default()
        }
    }

    fn fields(&self) -> &[(Cow<'a, str>, &'a str)] {
        self.fields.get_or_init(|| {
            let mut fields = Vec::with_capacity(8);
            let note = |key, value| fields.push((Cow::Borrowed(key), value));
            if pass(self.raw, b'}', note).is_none() {
                let mut reader = serde_json::Deserializer::from_str(self.raw);
                fields = reader.deserialize_map(Fields).unwrap_or_default();
            }
            fields
        })
    }

    pub fn is_empty(&self) -> bool {
        self.fields().is_empty()
    }

    /// The raw JSON of a field; of a repeated key the last one counts.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        let found = self.fields().iter().rev().find(|(name, _)| name == key)?.1;
        (found != "null").then_some(found)
    }

    /// The path of what is at the end of some keys.
    pub fn along(&self, keys: &[String]) -> Vec<Step> {
        let steps = keys.iter().cloned().map(Step::Key);
        let place = self.place.map(Step::Place);
        let own = self.path.iter().cloned().chain(place);
        own.chain(steps).collect()
    }

    /// A field that must be an object if it is there at all.
    pub fn child(&self, key: &String) -> Result<Option<Rc<Node<'a>>>, LineError> {
        if let Some((_, node)) = self.children.borrow().iter().find(|(name, _)| name == key) {
            return Ok(Some(node.clone()));
        }
        let Some(raw) = self.get(key) else {
            return Ok(None);
        };
        if !raw.starts_with('{') {
            return Err(
                LineError::wrong_type("an object", raw).below(&self.along(slice::from_ref(key)))
            );
        }
        let node = Rc::new(Node::open(raw, self.along(slice::from_ref(key))));
        self.children.borrow_mut().push((key.clone(), node.clone()));
        Ok(Some(node))
    }

    /// The items of a list below this object, which several columns read.
    pub fn items(&self, raw: &'a str, path: &[Step], most: usize) -> Result<Nodes<'a>, LineError> {
        let key = (raw.as_ptr(), path.len());
        if let Some((_, nodes)) = self.lists.borrow().iter().find(|(known, _)| *known == key) {
            return Ok(nodes.clone());
        }
        let open = |(place, raw)| Node {
            place: Some(place),
            ..Node::open(raw, path.to_vec())
        };
        let items = short_list(raw, path, most)?.into_iter().enumerate();
        let nodes = Rc::new(items.map(open).collect::<Vec<_>>());
        self.lists.borrow_mut().push((key, nodes.clone()));
        Ok(nodes)
    }

    /// The same as `find`, for a single look: nothing below is opened; None: there is no object
    /// on the way.
    pub fn peek(&self, keys: &[String]) -> Option<Option<&'a str>> {
        let (first, rest) = keys.split_first()?;
        let mut found = self.get(first);
        for key in rest {
            match found {
                Some(raw) if raw.starts_with('{') => [found] = fields(raw, [key]),
                Some(_) => return None,
                None => break,
            }
        }
        Some(found)
    }

    /// The raw JSON at the end of a path.
    pub fn find(&self, keys: &[String]) -> Result<Option<&'a str>, LineError> {
        match keys {
            [] => Ok(None),
            [last] => Ok(self.get(last)),
            [first, rest @ ..] => match self.child(first)? {
                None => Ok(None),
                Some(node) => node.find(rest),
            },
        }
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            fields.push((key.0, value.get()));
        }
        Ok(fields)
    }
}

/// A key that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Vec<&'de str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<&'de RawValue>()? {
            items.push(item.get());
        }
        Ok(items)
    }
}

/// The raw items of a list that was validated.
pub fn items(raw: &str) -> Vec<&str> {
    let mut found = Vec::new();
    if pass(raw, b']', |_, item| found.push(item)).is_none() {
        let mut reader = serde_json::Deserializer::from_str(raw);
        found = reader.deserialize_seq(Items).unwrap_or_default();
    }
    found
}

/// The raw JSON of some fields of an object, as `Node::get` finds it.
pub fn fields<'a, const COUNT: usize>(
    raw: &'a str,
    keys: [&str; COUNT],
) -> [Option<&'a str>; COUNT] {
    let mut found = [None; COUNT];
    let note = |key: &str, value| {
        if let Some(place) = keys.iter().position(|it| *it == key) {
            found[place] = (value != "null").then_some(value);
        }
    };
    if pass(raw, b'}', note).is_none() {
        let node = Node::open(raw, Vec::new());
        found = keys.map(|key| node.get(key));
    }
    found
}

/// Passes each key and value of an object that was validated, or each item of a list, as
/// the fast path does; None: it has signs that serde_json is to read.
fn pass<'a>(raw: &'a str, closing: u8, mut each: impl FnMut(&'a str, &'a str)) -> Option<()> {
    let mut scanner = Scanner::new(raw.as_bytes(), usize::MAX);
    let mut at = scanner.space(1);
    if scanner.sign(at) == closing {
        return Some(());
    }
    loop {
        let mut key = "";
        if closing == b'}' {
            let (has_escapes, end) = scanner.string(at + 1)?;
            key = (!has_escapes).then(|| &raw[at + 1..end - 1])?;
            at = scanner.colon(end)?;
        }
        let start = at;
        at = scanner.value(at, 0)?.1;
        each(key, &raw[start..at]);
        match scanner.goes_on(at, closing)? {
            (true, next) => at = next,
            (false, _) => return Some(()),
        }
    }
}

/// The raw items of a list that may not be endless.
pub fn short_list<'a>(raw: &'a str, path: &[Step], most: usize) -> Result<Vec<&'a str>, LineError> {
    let may_be_long = memchr::memchr_iter(b',', raw.as_bytes()).count() >= most;
    if may_be_long && count(raw) > most {
        Err(LineError::too_many(most).below(path))
    } else {
        Ok(items(raw))
    }
}

/// Counts the items of a list that was validated, without keeping them.
pub fn count(raw: &str) -> usize {
    let mut found = 0;
    if pass(raw, b']', |_, _| found += 1).is_some() {
        return found;
    }
    let mut reader = serde_json::Deserializer::from_str(raw);
    reader.deserialize_seq(Count).unwrap_or_default()
}

struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

/// The text of a string that was validated.
pub fn text(raw: &str) -> Cow<'_, str> {
    match memchr::memchr(b'\\', raw.as_bytes()) {
        None => Cow::Borrowed(&raw[1..raw.len() - 1]),
        Some(_) => serde_json::from_str::<Key<'_>>(raw).map_or_else(|_| "".into(), |key| key.0),
    }
}

/// The text of a string, or the JSON of any other value.
pub fn label(raw: &str) -> Cow<'_, str> {
    match raw.starts_with('"') {
        true => text(raw),
        false => Cow::Borrowed(raw),
    }
}

/// Returns a JSON value without the white space around it, or the error.
pub fn checked(raw: &str, deepest: usize) -> Result<&str, LineError> {
    let mut scanner = Scanner::new(raw.as_bytes(), deepest);
    let start = scanner.space(0);
    if let Some((_, end)) = scanner.value(start, 0)
        && scanner.space(end) == raw.len()
    {
        return Ok(&raw[start..end]);
    }
    if is_too_deep(raw.as_bytes(), deepest) {
        return Err(LineError::new("too_deep"));
    }
    let invalid = || LineError::new("invalid_json");
    serde_json::from_str::<IgnoredAny>(raw).map_err(|_| invalid())?;
    if has_lone_surrogate(raw.as_bytes()) {
        return Err(invalid());
    }
    Ok(raw.trim_matches([' ', '\t', '\r', '\n']))
}

/// Returns whether brackets outside strings are nested deeper than allowed.
pub fn is_too_deep(raw: &[u8], deepest: usize) -> bool {
    let opening = raw
        .iter()
        .filter(|&&byte| byte == b'[' || byte == b'{')
        .count();
    if opening <= deepest {
        return false;
    }
    let mut depth = 0_i64;
    let mut within = false;
    let mut at = 0;
    while at < raw.len() {
        match raw[at] {
            b'"' => within = !within,
            b'\\' if within => at += 1,
            b'[' | b'{' if !within => depth += 1,
            b']' | b'}' if !within => depth -= 1,
            _ => {}
        }
        if depth > deepest as i64 {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns whether an escape names half of a pair alone; the text was validated before.
pub fn has_lone_surrogate(raw: &[u8]) -> bool {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        rest = &rest[at + 1..];
        if rest.first() != Some(&b'u') {
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let unit = unit(rest);
        rest = rest.get(5..).unwrap_or_default();
        match unit {
            0xDC00..=0xDFFF => return true,
            0xD800..=0xDBFF => {
                let follows =
                    rest.starts_with(b"\\u") && (0xDC00..=0xDFFF).contains(&self::unit(&rest[1..]));
                if !follows {
                    return true;
                }
                rest = rest.get(6..).unwrap_or_default();
            }
            _ => {}
        }
    }
    false
}

/// The number of an escape: `u` and four digits.
fn unit(escape: &[u8]) -> u32 {
    escape
        .get(1..5)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .unwrap_or(0)
}

/// Writes keys and places as the rejects table shows them.
pub fn write_path(path: &[Step]) -> String {
    let mut written = String::new();
    for step in path {
        match step {
            Step::Place(place) => written.push_str(&format!("[{place}]")),
            Step::Key(key) if is_identifier(key) => {
                if !written.is_empty() {
                    written.push('.');
                }
                written.push_str(key);
            }
            Step::Key(key) => written.push_str(&format!("[{}]", quoted(key))),
        }
    }
    written
}

fn is_identifier(key: &str) -> bool {
    let mut bytes = key.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Writes a JSON string in ASCII, as Python's json.dumps does.
fn quoted(key: &str) -> String {
    let mut written = String::from("\"");
    for unit in key.encode_utf16() {
        match unit {
            0x22 => written.push_str("\\\""),
            0x5C => written.push_str("\\\\"),
            0x0A => written.push_str("\\n"),
            0x0D => written.push_str("\\r"),
            0x09 => written.push_str("\\t"),
            0x08 => written.push_str("\\b"),
            0x0C => written.push_str("\\f"),
            0x20..=0x7E => written.push(char::from(unit as u8)),
            _ => written.push_str(&format!("\\u{unit:04x}")),
        }
    }
    written.push('"');
    written
}
