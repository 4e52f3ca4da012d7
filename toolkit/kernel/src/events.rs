//! Server-sent events, as `event_stream.py` reads them.

use typed_arena::Arena;

use crate::json::{LineError, checked};

/// The data of a line that ends a stream.
pub const END: &str = "[DONE]";
const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];
const FRAMING: [&str; 4] = [":", "event:", "id:", "retry:"];

/// Returns the data of a line of an event stream, "" if it has none; any other line as it is.
pub fn strip_event<'a>(line: &'a str, arena: &'a Arena<String>) -> &'a str {
    if line.starts_with('{') {
        return line;
    }
    if FRAMING.iter().any(|prefix| line.starts_with(prefix)) {
        return "";
    }
    match line.strip_prefix("error:") {
        Some(data) => arena.alloc(format!("{{\"error\":{data}}}")),
        None => line
            .strip_prefix("data:")
            .unwrap_or(line)
            .trim_matches(WHITE),
    }
}

/// Returns the JSON of each event of a text; the last one may be cut off.
///
/// An event ends at a blank line, or behind a line of data that is whole JSON.
pub fn events<'a>(
    text: &'a str,
    deepest: usize,
    arena: &'a Arena<String>,
) -> Result<Vec<&'a str>, LineError> {
    let mut rest = Some(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut found = Vec::new();
    let mut unread: Vec<&str> = Vec::new();
    let mut fault = None;
    let mut is_last = false;
    while !is_last {
        is_last = rest.is_none();
        let line = next_line(&mut rest);
        if line.starts_with("data:") || line.starts_with("error:") {
            if let Some(fault) = fault {
                return Err(fault);
            }
            unread.push(strip_event(line, arena));
        } else if !line.is_empty() {
            continue;
        }
        let data = match &unread[..] {
            [] => continue,
            [data] => data,
            _ if !line.is_empty() => continue, // it ends at a blank line
            lines => arena.alloc(lines.join("\n")).as_str(),
        };
        if !data.is_empty() && data != END {
            match checked(data, deepest) {
                Ok(event) => found.push(event),
                Err(_) if !line.is_empty() => continue,
                // Not all of it is one event.
                Err(error) if unread[1..].iter().any(|data| is_whole(data, deepest)) => {
                    return Err(error);
                }
                Err(error) => fault = Some(error),
            }
        }
        unread.clear();
    }
    Ok(found)
}

/// Returns whether a line of data is an event of its own: an object, or the end.
fn is_whole(data: &str, deepest: usize) -> bool {
    data == END || checked(data, deepest).is_ok_and(|event| event.starts_with('{'))
}

/// Takes the first line from a text, which is None behind its last one; "" behind that.
fn next_line<'a>(rest: &mut Option<&'a str>) -> &'a str {
    let Some(text) = rest.take() else {
        return "";
    };
    let Some(end) = memchr::memchr2(b'\n', b'\r', text.as_bytes()) else {
        return text;
    };
    let next = &text[end..];
    *rest = Some(next.strip_prefix("\r\n").unwrap_or_else(|| &next[1..]));
    &text[..end]
}
