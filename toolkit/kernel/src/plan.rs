//! What is to be read, as Python declares it: columns with their kinds, APIs with their paths.
//!
//! The crate knows JSON and Arrow, and no column and no API by name.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Defines an enum, and how it is read from the words that Python has for its variants.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($variant,)*
        }

        impl<'a, 'py> FromPyObject<'a, 'py> for $name {
            type Error = PyErr;

            fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
                match object.extract::<String>()?.as_str() {
                    $($word => Ok($name::$variant),)*
                    other => Err(PyValueError::new_err(format!(
                        "the kernel knows no {} {other:?}",
                        stringify!($name).to_lowercase()
                    ))),
                }
            }
        }
    };
}

words! {
    /// How the value of a column is read.
    Kind {
        Given = "given",
        Position = "position",
        ChoiceCount = "choice_count",
        Hash = "hash",
        Api = "api",
        String = "string",
        Label = "label",
        Text = "text",
        FinishReason = "finish_reason",
        Content = "content",
        Characters = "characters",
        ToolCalls = "tool_calls",
        Items = "items",
        LogprobSum = "logprob_sum",
        Count = "count",
        Number = "number",
        Timestamp = "timestamp",
        TimestampProblem = "timestamp_problem",
        Flag = "flag",
        Marker = "marker",
    }
}

impl Kind {
    /// Returns whether the cell is a fact of the line or its response, of no value in it.
    pub fn is_given(self) -> bool {
        use Kind::{Api, ChoiceCount, Given, Hash, Position};
        matches!(self, Given | Position | ChoiceCount | Hash | Api)
    }

    /// Returns whether any string is a value of it, which is its text.
    pub fn is_text(self) -> bool {
        use Kind::{Content, FinishReason, Label, String, Text};
        matches!(self, String | Label | FinishReason | Text | Content)
    }

    /// Returns whether the empty word is a null that ends the search.
    pub fn is_word(self) -> bool {
        matches!(self, Kind::Marker | Kind::TimestampProblem)
    }
}

words! {
    /// What the objects of an API are: responses, or chunks of a response. Chunks are lines of
    /// their own, or only parts of a line with the whole stream.
    Stream {
        Whole = "",
        Lines = "lines",
        Carriers = "carriers",
    }
}

words! {
    /// How the value of a column repeats over the rows of its response.
    Grain {
        Response = "R",
        Choice = "C",
        Summed = "U",
    }
}

words! {
    /// Where a path starts: at the line if the response is in an envelope, or at `Path::at`.
    Root {
        Response = "response",
        Choice = "choice",
        Line = "line",
        Envelope = "envelope",
        At = "at",
    }
}

words! {
    /// The type that a test expects of a value.
    Type {
        Any = "",
        Object = "object",
        Objects = "objects",
        List = "list",
        Empty = "empty",
        String = "string",
        Boolean = "boolean",
        Filled = "filled",
    }
}

/// See `toolkit.schema.paths.Items`.
#[derive(Clone, Debug, FromPyObject)]
pub struct Items {
    pub key: String,
    pub words: Vec<String>,
    pub without: bool,
    pub then: Vec<Steps>,
}

/// See `toolkit.schema.paths.Steps`.
#[derive(Clone, Debug, FromPyObject)]
pub struct Steps {
    pub keys: Vec<String>,
    pub items: Option<Items>,
}

/// See `toolkit.schema.paths.Path`.
#[derive(Clone, Debug, FromPyObject)]
pub struct Path {
    pub steps: Steps,
    pub root: Root,
    pub at: Vec<String>,
    pub passes_objects: bool,
    pub takes_any_shape: bool,
    pub prefix: String,
    pub word: Option<String>,
    pub divisor: f64,
    pub skips_zero: bool,
    pub plus: Vec<Vec<Steps>>,
    pub zero_if: Option<Steps>,
    pub fields: Vec<Vec<Vec<String>>>,
}

/// See `toolkit.schema.api.Test`.
#[derive(Clone, Debug, FromPyObject)]
pub struct Test {
    pub path: Path,
    pub words: Vec<String>,
    pub r#type: Type,
    pub expected: bool,
}

/// Any of these, each with all of its tests.
pub type Condition = Vec<Vec<Test>>;

/// See `toolkit.reading.parsed_api.ParsedApi`.
#[derive(Clone, Debug, FromPyObject)]
pub struct Api {
    pub name: String,
    pub tests: Condition,
    pub unless: Condition,
    pub chunks: Condition,
    pub errors: Condition,
    #[pyo3(attribute("choice_keys"))]
    pub choices: Vec<String>,
    /// By column.
    #[pyo3(attribute("column_paths"))]
    pub paths: Vec<Vec<Path>>,
    pub finish_reasons: HashMap<String, String>,
    pub stream: Stream,
    pub ends_whole: bool,
}

impl Api {
    /// The table that its objects are rows of.
    pub fn table(&self) -> usize {
        usize::from(self.stream != Stream::Whole)
    }
}

/// The tables: choices of responses, and those of chunks.
pub const CHOICES: usize = 0;
pub const CHUNKS: usize = 1;

/// See `toolkit.schema.columns.Column`.
#[derive(Clone, Debug, FromPyObject)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    pub grain: Grain,
    pub adds: Vec<String>,
    pub private: bool,
    pub nullable: bool,
    pub minimum: Option<i64>,
    pub maximum: Option<i64>,
}

impl Column {
    /// Returns whether a count is in the range of the column.
    pub fn allows(&self, count: i64) -> bool {
        let (low, high) = (self.minimum, self.maximum);
        low.is_none_or(|low| low <= count) && high.is_none_or(|high| count <= high)
    }
}

/// What is read, and within which bounds: a dict in Python.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Plan {
    /// By table.
    pub columns: [Vec<Column>; 2],
    /// Those of responses first.
    pub apis: Vec<Api>,
    pub drops_text: bool,
    pub envelopes: Vec<Vec<String>>,
    /// Where a line may have a whole stream.
    pub places: Vec<Vec<String>>,
    /// Power of ten from the unit of `created` to microseconds.
    pub created_scale: i32,
    pub latest_microsecond: i64,
    pub longest: usize,
    pub leave_pending: bool,
    pub deepest: usize,
    pub repeated_bytes: usize,
    /// Of choices, and of the calls of a choice.
    pub most_items: usize,
    /// Of a line.
    pub most_chunks: usize,
    /// Of the texts that a chunk repeats, in characters.
    pub most_facts: usize,
    /// The fixed sentence of each code.
    pub reasons: HashMap<String, String>,
    /// What each kind expects, in words.
    pub expected: HashMap<String, String>,
}

impl Plan {
    pub fn expected(&self, kind: &str) -> &str {
        self.expected.get(kind).map_or("", String::as_str)
    }
}
