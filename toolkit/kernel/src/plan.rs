//! What is to be read, as Python declares it: columns with their kinds and paths.
//!
//! The crate knows JSON and Arrow, and no column by name.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// How the value of a column is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    LogId,
    Source,
    Line,
    Position,
    ChoiceCount,
    Hash,
    String,
    Label,
    Text,
    Content,
    Characters,
    ToolCalls,
    Items,
    LogprobSum,
    Count,
    Number,
    Timestamp,
    Flag,
    Marker,
}

impl Kind {
    /// Returns whether the cell is a fact of the line or its response, of no value in it.
    pub fn is_given(self) -> bool {
        use Kind::{ChoiceCount, Hash, Line, LogId, Position, Source};
        matches!(self, LogId | Source | Line | Position | ChoiceCount | Hash)
    }
}

/// How the value of a column repeats over the rows of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    Response,
    Choice,
    Summed,
}

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    Response,
    Choice,
    /// The choice, unless it has a message.
    Completion,
    /// The line, unless it is the response itself.
    Envelope,
    /// The line, if the response is where a batch has it.
    Batch,
    Line,
}

/// Where a line of a batch's output file has the response.
pub const BATCH: [&str; 2] = ["response", "body"];

/// One path of a column.
#[derive(Clone, Debug)]
pub struct ColumnPath {
    pub keys: Vec<String>,
    pub root: Root,
    /// The path ends in `[]`.
    pub is_list: bool,
    /// `a.b[].part`: the parts of that type in a list.
    pub part: Option<String>,
    /// A later path goes deeper, so that an object here is only a container.
    pub passes_objects: bool,
    /// What is not as declared is null, not an error.
    pub takes_any_shape: bool,
    /// How the text must begin.
    pub prefix: String,
    /// The cell, if there is a value.
    pub word: String,
    /// Of a number.
    pub divisor: f64,
    /// A number of 0 is null.
    pub skips_zero: bool,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub kind: Kind,
    pub grain: Grain,
    pub root: Root,
    pub private: bool,
    pub minimum: Option<i64>,
    pub maximum: Option<i64>,
    pub ways: Vec<ColumnPath>,
}

pub struct Plan {
    pub columns: Vec<Column>,
    pub drops_text: bool,
    pub envelopes: Vec<Vec<String>>,
    /// Power of ten from the unit of `created` to microseconds.
    pub created_scale: i32,
    pub latest_microsecond: i64,
    pub longest: usize,
    pub leave_pending: bool,
    pub deepest: usize,
    pub repeated_bytes: usize,
    /// Of choices, and of the calls of a choice.
    pub most_items: usize,
    /// The fixed sentence of each code.
    pub reasons: HashMap<String, String>,
    /// What each kind expects, in words.
    pub expected: HashMap<String, String>,
}

type PyColumnPath = (
    Vec<String>,
    String,
    bool,
    Option<String>,
    bool,
    bool,
    String,
    String,
    f64,
    bool,
);

impl ColumnPath {
    fn new(path: PyColumnPath) -> PyResult<Self> {
        let (keys, start, is_list, part, passes_objects, takes_any_shape, ..) = path;
        let (.., prefix, word, divisor, skips_zero) = path;
        Ok(ColumnPath {
            keys,
            root: root(&start)?,
            is_list,
            part,
            passes_objects,
            takes_any_shape,
            prefix,
            word,
            divisor,
            skips_zero,
        })
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Column {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let text = |name: &str| object.getattr(name)?.extract::<String>();
        let ways = object.getattr("ways")?.extract::<Vec<PyColumnPath>>()?;
        Ok(Column {
            kind: kind(&text("kind")?, &text("name")?)?,
            grain: match text("grain")?.as_str() {
                "R" => Grain::Response,
                "C" => Grain::Choice,
                "U" => Grain::Summed,
                other => return Err(unknown("grain", other)),
            },
            root: root(&text("root")?)?,
            private: object.getattr("private")?.extract()?,
            minimum: object.getattr("minimum")?.extract()?,
            maximum: object.getattr("maximum")?.extract()?,
            ways: ways
                .into_iter()
                .map(ColumnPath::new)
                .collect::<PyResult<_>>()?,
        })
    }
}

impl Plan {
    pub fn too_many(&self) -> crate::json::LineError {
        let reason = format!("expected at most {} items", self.most_items);
        crate::json::LineError::because("out_of_range", reason)
    }
}

/// The facts that the reader of a log gives have no kind of their own but a name.
fn kind(word: &str, name: &str) -> PyResult<Kind> {
    Ok(match (word, name) {
        ("given", "log_id") => Kind::LogId,
        ("given", "source") => Kind::Source,
        ("given", "line") => Kind::Line,
        ("position", _) => Kind::Position,
        ("choice_count", _) => Kind::ChoiceCount,
        ("hash", _) => Kind::Hash,
        ("string", _) => Kind::String,
        ("label", _) => Kind::Label,
        ("text", _) => Kind::Text,
        ("content", _) => Kind::Content,
        ("characters", _) => Kind::Characters,
        ("tool_calls", _) => Kind::ToolCalls,
        ("items", _) => Kind::Items,
        ("logprob_sum", _) => Kind::LogprobSum,
        ("count", _) => Kind::Count,
        ("number", _) => Kind::Number,
        ("timestamp", _) => Kind::Timestamp,
        ("flag", _) => Kind::Flag,
        ("marker", _) => Kind::Marker,
        (other, _) => return Err(unknown("kind", other)),
    })
}

fn root(word: &str) -> PyResult<Root> {
    Ok(match word {
        "response" => Root::Response,
        "choice" => Root::Choice,
        "completion" => Root::Completion,
        "envelope" => Root::Envelope,
        "batch" => Root::Batch,
        "line" => Root::Line,
        other => return Err(unknown("root", other)),
    })
}

fn unknown(what: &str, word: &str) -> PyErr {
    PyValueError::new_err(format!("the kernel knows no {what} {word:?}"))
}
