//! Whatever the bytes: no panic, every line accounted for, and both paths agree.
//!
//! `cargo test --release` tries some thousands; `PROPTEST_CASES=1000000` tries more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use _kernel::decoder::{Block, Decoded, Decoder, Piece};
use _kernel::fast::find_response;
use _kernel::plan::{Api, Column, Grain, Items, Kind, Path, Plan, Root, Steps, Stream, Test, Type};
use _kernel::routes::Routes;
use _kernel::walk::{Line, Walk, Workspace};
use arrow_array::{Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;

const SEEDS: [&str; 14] = [
    r#"{"id":"a","object":"chat.completion","created":1767225600,"choices":[{"index":0,"message":{"role":"assistant","content":"caf\u00e9 \ud83c\udf3b\n"},"logprobs":{"content":[{"logprob":-0.5}]}}],"usage":{"total_tokens":15.0,"cost":{"total_cost":0.1}}}"#,
    r#"{"custom_id":7,"response":{"body":{"id":"b","choices":[{"message":{"content":[{"type":"text","text":"x"},{"type":"thinking","thinking":"y"}]}}, {"message":null}]} , "status":200},"error":null}"#,
    r#"{"body":"{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}"}"#,
    r#"{"choices":[{"message":{"function_call":{"name":"f","arguments":{"a":1}}}}],"created":"1767225600.5"}"#,
    r#"{"error":{"message":"rate limit"},"choices":null}"#,
    r#"{"object":"chat.completion.chunk","choices":[{"delta":{"content":"x"}}]}"#,
    r#"{"body":{"type":"message","content":[{}],"id":"m","message":{"content":"y"}},"data":1}"#,
    r#"data: {"object":"chat.completion.chunk","choices":[{"delta":{"tool_calls":[{"index":1}]}}]}"#,
    "data: [DONE]",
    r#"[{"choices":[{"delta":{"content":"x"}}]},{"choices":[{"message":{}}]}]"#,
    r#"{"body":"data: {\"choices\":[{\"delta\":{}}]}\n\ndata: [DONE]\n\n"}"#,
    r#"{"candidates":[{"content":{"x":1},"end":"STOP","message":{"content":"z"}}],"id":"g","usage":{"total_tokens":4,"more":1,"beside":5}}"#,
    r#"{"custom_id":"c","body":{"candidates":[{"content":{},"end":1}],"usage":{"beside":5,"else":2}}}"#,
    r#"{"response":[{"raw":"{\"object\":\"chat.completion.chunk\",\"choices\":[]}"},"data: {}"]}"#,
];

/// Reads a path: keys, `[]` or `[].part` behind them, a prefix behind ` = `.
fn path(kind: Kind, root: Root, written: &str, others: &[&str]) -> Path {
    let (written, prefix) = written.split_once(" = ").unwrap_or((written, ""));
    let (keys, part) = written.split_once("[]").unwrap_or((written, ""));
    let any = [Kind::Items, Kind::LogprobSum, Kind::Flag, Kind::Marker];
    let owned = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let of_part = |part: &str| Items {
        key: "type".to_owned(),
        words: owned(part),
        without: false,
        then: vec![steps(part, None)],
    };
    let all = Items {
        key: String::new(),
        words: Vec::new(),
        without: false,
        then: Vec::new(),
    };
    let items = written
        .contains("[]")
        .then(|| part.strip_prefix('.').map_or(all, of_part));
    let name = || vec![owned("name")];
    Path {
        steps: steps(keys, items),
        root,
        at: owned("response.body"),
        passes_objects: others.iter().any(|it| it.starts_with(&format!("{keys}."))),
        takes_any_shape: any.contains(&kind) || !part.is_empty(),
        prefix: prefix.to_owned(),
        word: Some("word".to_owned()),
        divisor: 1.0,
        skips_zero: false,
        plus: Vec::new(),
        zero_if: None,
        fields: match kind {
            Kind::ToolCalls => vec![
                Vec::new(),
                Vec::new(),
                name(),
                vec![owned("function.arguments")],
                vec![owned("index")],
            ],
            _ => Vec::new(),
        },
    }
}

fn steps(keys: &str, items: Option<Items>) -> Steps {
    Steps {
        keys: keys.split('.').map(str::to_owned).collect(),
        items,
    }
}

type Declared = (Column, Vec<Path>);

fn column(kind: Kind, grain: Grain, root: Root, paths: &[&str]) -> Declared {
    let parsed = paths.iter().map(|written| path(kind, root, written, paths));
    let column = Column {
        name: "line".to_owned(),
        kind,
        grain,
        adds: Vec::new(),
        private: false,
        nullable: false,
        minimum: Some(0),
        maximum: Some(1_000_000_000_000),
    };
    (column, parsed.collect())
}

fn test(root: Root, keys: &str, r#type: Type, words: &[&str], expected: bool) -> Test {
    Test {
        path: path(Kind::Given, root, keys, &[]),
        words: words.iter().map(|&word| word.to_owned()).collect(),
        r#type,
        expected,
    }
}

/// An API like chat completions, and one whose response is its only choice.
fn apis(paths: Vec<Vec<Path>>) -> Vec<Api> {
    let (choice, response) = (Root::Choice, Root::Response);
    let no_message = || test(choice, "message", Type::Any, &[], false);
    let delta = |kind| test(choice, "delta", kind, &[], true);
    let chunk = || {
        test(
            response,
            "object",
            Type::Any,
            &["chat.completion.chunk"],
            true,
        )
    };
    let other = [
        test(response, "type", Type::Any, &["message"], true),
        test(response, "content", Type::Objects, &[], true),
    ];
    let api = Api {
        name: "one".to_owned(),
        tests: vec![vec![test(response, "choices", Type::List, &[], true)]],
        unless: vec![vec![
            no_message(),
            test(choice, "text", Type::Any, &[], true),
        ]],
        chunks: vec![
            vec![delta(Type::Object), chunk()],
            vec![no_message(), chunk()],
            vec![
                no_message(),
                delta(Type::Any),
                test(response, "object", Type::Filled, &[], false),
            ],
        ],
        errors: Vec::new(),
        choices: vec!["choices".to_owned()],
        paths,
        finish_reasons: HashMap::new(),
        stream: Stream::Whole,
        ends_whole: false,
    };
    let second = Api {
        name: "two".to_owned(),
        tests: vec![other.into()],
        choices: Vec::new(),
        unless: Vec::new(),
        chunks: Vec::new(),
        ..api.clone()
    };
    let mut third = Api {
        name: "three".to_owned(),
        tests: vec![vec![test(choice, "content", Type::Object, &[], true)]],
        unless: vec![vec![test(choice, "end", Type::Any, &["", "NONE"], true)]],
        chunks: Vec::new(),
        errors: vec![vec![test(response, "error", Type::Filled, &[], true)]],
        choices: vec!["candidates".to_owned()],
        finish_reasons: HashMap::from(
            ["STOP", "1"].map(|word| (word.to_owned(), "stop".to_owned())),
        ),
        ..api.clone()
    };
    // A sum of counts, and 0 beside another one.
    let total = &mut third.paths[TOTAL][0];
    total.plus = vec![vec![steps("usage.more", None), steps("usage.else", None)]];
    total.zero_if = Some(steps("usage.beside", None));
    let chunks = Api {
        tests: api.chunks.clone(),
        unless: Vec::new(),
        chunks: Vec::new(),
        stream: Stream::Lines,
        ..api.clone()
    };
    let api = Api {
        unless: [api.unless, api.chunks].concat(),
        chunks: vec![vec![
            test(response, "object", Type::Any, &["part"], true),
            no_message(),
        ]],
        ..api
    };
    let third_chunks = Api {
        tests: vec![vec![test(choice, "content", Type::Object, &[], true)]],
        unless: Vec::new(),
        stream: Stream::Lines,
        ends_whole: true,
        ..third.clone()
    };
    vec![api, second, third, chunks, third_chunks]
}

fn declared() -> (Plan, Schema) {
    use Grain::{Choice as C, Response as R, Summed as U};
    let calls = ["id", "type", "name", "arguments"]
        .map(|name| Field::new(name, DataType::Utf8, true))
        .to_vec();
    let call = Field::new("element", DataType::Struct(calls.into()), true);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let (text, whole, float) = (DataType::LargeUtf8, DataType::Int64, DataType::Float64);
    let content = &["message.content"];
    let mut declared = [
        (column(Kind::Given, R, Root::Response, &[]), whole.clone()),
        (
            column(Kind::Position, C, Root::Response, &[]),
            DataType::Int32,
        ),
        (
            column(Kind::ChoiceCount, R, Root::Response, &[]),
            DataType::Int32,
        ),
        (column(Kind::Hash, R, Root::Response, &[]), DataType::Int64),
        (
            column(Kind::String, R, Root::Response, &["id"]),
            DataType::Utf8,
        ),
        (
            column(Kind::Timestamp, R, Root::Response, &["created"]),
            time,
        ),
        (
            column(Kind::Label, R, Root::Envelope, &["custom_id"]),
            DataType::Utf8,
        ),
        (
            column(Kind::Content, C, Root::Choice, content),
            text.clone(),
        ),
        (
            column(Kind::Text, C, Root::Choice, &["message.content[].thinking"]),
            text,
        ),
        (
            column(Kind::Characters, C, Root::Choice, content),
            whole.clone(),
        ),
        (
            column(
                Kind::ToolCalls,
                C,
                Root::Choice,
                &["message.tool_calls[]", "message.function_call"],
            ),
            DataType::List(Arc::new(call)),
        ),
        (
            column(Kind::Items, C, Root::Choice, &["logprobs.content"]),
            whole.clone(),
        ),
        (
            column(Kind::LogprobSum, C, Root::Choice, &["logprobs.content"]),
            float.clone(),
        ),
        (
            column(Kind::Count, U, Root::Response, &["usage.total_tokens"]),
            whole.clone(),
        ),
        (
            column(
                Kind::Number,
                U,
                Root::Response,
                &["usage.cost", "usage.cost.total_cost"],
            ),
            float,
        ),
        (
            column(
                Kind::Marker,
                R,
                Root::Response,
                &["id = a", "usage.total_tokens"],
            ),
            DataType::Utf8,
        ),
        (
            column(Kind::Marker, R, Root::At, &["custom_id"]),
            DataType::Utf8,
        ),
        (
            column(Kind::Flag, R, Root::Envelope, &["error"]),
            DataType::Boolean,
        ),
        (
            column(Kind::FinishReason, C, Root::Choice, &["end"]),
            DataType::Utf8,
        ),
        (
            column(Kind::Count, U, Root::Response, &["usage.beside"]),
            DataType::Int64,
        ),
        (column(Kind::Count, U, Root::Response, &[]), DataType::Int64),
    ];
    declared[LAST].0.0.adds = ["13", "19"].map(str::to_owned).to_vec();
    let choices = declared.iter().map(|(_, kind)| kind).enumerate().map(named);
    let choices = Schema::new(choices.collect::<Vec<_>>());
    let declared = declared.into_iter().map(|(column, _)| column);
    let (mut columns, paths): (Vec<_>, _) = declared.unzip();
    for (column, field) in columns.iter_mut().zip(choices.fields()) {
        column.name.clone_from(field.name());
    }
    let plan = Plan {
        columns: [columns.clone(), columns],
        apis: apis(paths),
        drops_text: false,
        envelopes: [&["response", "body"][..], &["response"], &["body"]]
            .map(|keys| keys.iter().map(|&key| key.to_owned()).collect())
            .to_vec(),
        places: [&["response"][..], &["body"]]
            .map(|keys| keys.iter().map(|&key| key.to_owned()).collect())
            .to_vec(),
        created_scale: 6,
        latest_microsecond: 7_258_118_400_000_000,
        longest: 1 << 20,
        leave_pending: false,
        deepest: 512,
        repeated_bytes: 8 << 20,
        most_items: 65_536,
        most_chunks: 65_536,
        most_facts: 65_536,
        reasons: HashMap::new(),
        expected: HashMap::new(),
    };
    (plan, choices)
}

const ALL: u64 = u64::MAX;
/// Columns: a count, one that adds, and how many they are.
const TOTAL: usize = 13;
const LAST: usize = 20;
const COLUMNS: usize = LAST + 1;

/// A decoder of the columns whose bits are set; the lines are always one of them.
fn decoder(is_strict: bool, bits: u64) -> Decoder {
    let (plan, whole_table) = declared();
    let choices = whole_table
        .project(&chosen(bits))
        .expect("columns of the table");
    let whole = DataType::Int64;
    let rejects = [
        DataType::Int32,
        DataType::Utf8,
        whole.clone(),
        whole.clone(),
        whole,
        DataType::Utf8,
        DataType::Utf8,
        DataType::Utf8,
        DataType::LargeBinary,
    ];
    let rejects = Schema::new(rejects.iter().enumerate().map(named).collect::<Vec<_>>());
    let choices = Arc::new(choices);
    let decoder = Decoder::new(plan, [choices.clone(), choices], Arc::new(rejects));
    if is_strict {
        decoder.without_fast_path()
    } else {
        decoder
    }
}

/// The places of the columns whose bits are set.
fn chosen(bits: u64) -> Vec<usize> {
    (0..COLUMNS)
        .filter(|place| (bits | 1) >> place & 1 == 1)
        .collect()
}

fn named((place, kind): (usize, &DataType)) -> Field {
    let name = if place == 0 {
        "line".to_owned()
    } else {
        place.to_string()
    };
    Field::new(name, kind.clone(), true)
}

fn decode(decoder: &Decoder, data: &[u8]) -> Decoded {
    let block = Block {
        log_id: 0,
        source: "x",
        pieces: &[Piece {
            held: data,
            start: 0,
            end: data.len(),
        }],
        line: 1,
        offset: 0,
        tail: true,
        growing: false,
        skipped: None,
    };
    decoder
        .decode(&block)
        .expect("a block of any bytes is decoded")
}

/// Holds both paths against each other, of all columns and of some, and the count of lines
/// against the bytes.
fn check(data: &[u8], bits: u64) -> Result<(), TestCaseError> {
    let one = decode(&decoder(true, ALL), data);
    for (is_strict, bits) in [(false, ALL), (false, bits), (true, bits)] {
        let other = decode(&decoder(is_strict, bits), data);
        let some = |rows: &RecordBatch| rows.project(&chosen(bits)).expect("these columns");
        prop_assert_eq!(some(&one.choices), other.choices);
        prop_assert_eq!(&one.rejects, &other.rejects);
        prop_assert_eq!(one.chunk_rows.as_ref().map(some), other.chunk_rows);
        prop_assert_eq!(one.chunks, other.chunks);
    }
    let feeds = data.iter().filter(|&&byte| byte == b'\n').count();
    let unended = usize::from(!data.is_empty() && !data.ends_with(b"\n"));
    prop_assert_eq!(one.lines as usize, feeds + unended);
    let mut lines = HashSet::new();
    for rows in [Some(&one.choices), one.chunk_rows.as_ref()]
        .into_iter()
        .flatten()
    {
        let numbers = rows.column(0).as_any().downcast_ref::<Int64Array>();
        lines.extend(numbers.into_iter().flatten().flatten());
    }
    let accounted = lines.len() + one.rejects.num_rows() + one.blank as usize;
    let framing = (one.lines as usize).checked_sub(accounted);
    prop_assert!(framing.is_some_and(|framing| framing <= one.chunks as usize));
    Ok(())
}

/// Takes lines, and flips, cuts, doubles and splices them.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (
        0..4_u8,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        any::<u8>(),
    );
    let lines = prop::collection::vec(prop::sample::select(&SEEDS[..]), 1..5);
    (lines, prop::collection::vec(change, 0..4)).prop_map(|(lines, changes)| {
        let mut data = lines.join("\n").into_bytes();
        for (kind, one, other, byte) in changes {
            if data.is_empty() {
                break;
            }
            let (mut from, mut to) = (one.index(data.len()), other.index(data.len()));
            if from > to {
                (from, to) = (to, from);
            }
            match kind {
                0 => data[from] = byte,
                1 => drop(data.drain(from..to.min(from + 40))),
                2 => {
                    let piece = data[from..to.min(from + 40)].to_vec();
                    data.splice(to..to, piece);
                }
                _ => data.insert(from, b"\"\\{}[],:0-.e \n"[usize::from(byte) % 14]),
            }
        }
        data
    })
}

/// Lines with holes, and the values that may fill them.
const ALIKE: [&str; 7] = [
    r#"{"id":@,"object":"chat.completion","created":@,"choices":[{"index":0,"message":{"role":"assistant","content":@},"logprobs":@}],"usage":{"total_tokens":@,"cost":@}}"#,
    r#"{"custom_id":@,"response":{"body":{"id":@,"choices":[{"message":{"content":@}}],"extra":@} , "status":200},"error":null}"#,
    r#"{"choices":[{"message":{"content":[{"type":"text","text":@}],"tool_calls":@}}],"created":@,"extra":[@,@]} "#,
    r#"{"id":@,"object":@,"choices":[{"delta":{}}]}"#,
    r#"{"candidates":[{"content":{},"end":@,"message":{"content":@}}],"id":@,"usage":{"total_tokens":@,"more":@,"beside":@}}"#,
    r#"{"body":{"candidates":[{"content":{"a":@},"end":@}],"usage":{"beside":@,"else":@}},"error":@,"custom_id":@}"#,
    r#"{"type":"message","content":[{"type":"text","text":@}],"id":@,"message":{"content":[{"type":"thinking","thinking":@}],"tool_calls":[{"id":@,"function":{"name":@}}]},"usage":{"total_tokens":@}}"#,
];
const USUAL: [&str; 7] = [
    r#""x""#,
    r#""chat.completion.chunk""#,
    r#""caf\u00e9 \ud83c\udf3b\n""#,
    "7",
    "1767225600",
    "15",
    r#""a long text, longer than a vector is, and \"escaped\" behind its first bytes""#,
];
const ODD: [&str; 18] = [
    r#""""#,
    "null",
    "true",
    "false",
    "0",
    "01",
    "-1",
    "1.5",
    "1e3",
    "99999999999999999999",
    "1000000000001",
    r#""\ud800""#,
    r#""x"#,
    "[]",
    "{}",
    r#"{"total_cost":2}"#,
    r#"[{"id":"c","function":{"name":"f","arguments":"{}"}}]"#,
    r#"{"content":[{"logprob":-0.5}]}"#,
];

/// Many lines that differ in some values only: what shapes are for.
fn alike() -> impl Strategy<Value = Vec<u8>> {
    let index = any::<prop::sample::Index>;
    let value = prop_oneof![
        20 => prop::sample::select(&USUAL[..]),
        1 => prop::sample::select(&ODD[..]),
    ];
    let line = (0..ALIKE.len(), prop::collection::vec(value, 8));
    let lines = prop::collection::vec(line, 1..6);
    let order = prop::collection::vec((index(), index(), index()), 1..40);
    (lines, order).prop_map(|(lines, order)| {
        let mut data = Vec::new();
        for (line, other, hole) in order {
            // One line of a few, with one value of another.
            let (number, mut values) = lines[line.index(lines.len())].clone();
            let hole = hole.index(values.len());
            values[hole] = lines[other.index(lines.len())].1[hole];
            let mut values = values.into_iter();
            for (place, part) in ALIKE[number].split('@').enumerate() {
                let value = values.next().filter(|_| place > 0);
                data.extend_from_slice(value.unwrap_or_default().as_bytes());
                data.extend_from_slice(part.as_bytes());
            }
            data.push(b'\n');
        }
        data
    })
}

/// Returns a configuration with the number of cases in `PROPTEST_CASES`, by default 4,000.
fn cases() -> ProptestConfig {
    let number = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(number.unwrap_or(4000))
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_bytes_are_lines(data in prop::collection::vec(any::<u8>(), 0..300), bits: u64) {
        check(&data, bits)?;
    }

    #[test]
    fn mutated_lines_mean_the_same_on_both_paths(data in mutated(), bits: u64) {
        check(&data, bits)?;
    }

    #[test]
    fn lines_of_one_shape_mean_the_same_on_both_paths(data in alike(), bits: u64) {
        check(&data, bits)?;
    }
}

#[test]
fn the_seeds_are_rows_errors_and_chunks() {
    let data = SEEDS.join("\n");
    let decoded = decode(&decoder(false, ALL), data.as_bytes());
    assert_eq!(
        (decoded.choices.num_rows(), decoded.rejects.num_rows()),
        (9, 1)
    );
    // A chunk, one in an event, the end, and one in each of two whole streams.
    let rows = decoded.chunk_rows.map_or(0, |rows| rows.num_rows());
    assert_eq!((rows, decoded.chunks), (5, 3));
    assert!(decoded.choices.column(7).null_count() > 0);
}

#[test]
fn the_fast_path_takes_the_usual_lines_and_no_others() {
    let (plan, _) = declared();
    let routes = Routes::new(&plan, [&[true; COLUMNS]; 2]).expect("columns of usual shapes");
    let mut workspace = Workspace::new(&routes);
    let data = format!("{}\n", SEEDS.join("\n"));
    let mut start = 0;
    let taken = SEEDS.map(|seed| {
        let line = Line {
            data: &data.as_bytes()[start..],
            text: seed,
        };
        start += seed.len() + 1;
        let walk = Walk::new(&plan, &routes, &mut workspace, line);
        walk.is_some_and(|mut walk| find_response(&plan, &routes, &mut walk, line).is_some())
    });
    // JSON in a string, and an error, are no responses on this path.
    assert_eq!(taken[..7], [true, true, false, true, false, true, true]);
    // Events, lists and texts with events are left to the strict path.
    assert_eq!(taken[7..], [false, false, false, false, true, true, false]);
}
