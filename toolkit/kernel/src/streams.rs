//! A whole stream on one line: where its chunks are, as `find_response.py` finds them.

use std::rc::Rc;
use std::slice;

use typed_arena::Arena;

use crate::events::events;
use crate::find::find_response;
use crate::json::{LineError, Node, Step, checked, short_list, text};
use crate::plan::{Plan, Stream};

/// A chunk of a stream, or the response that it ends with. It is kept as text: a line may
/// have many of them.
pub struct Item<'a> {
    /// Its object in the list or text, and how long its path is.
    pub item: (&'a str, usize),
    /// The object of the chunk, and its path.
    pub raw: &'a str,
    pub path: Vec<Step>,
    /// The API that it was found by.
    pub found_as: usize,
    pub api: usize,
}

/// The path of a list or text in a line, and the items of the stream that it is.
type Found<'a> = (Vec<Step>, Vec<Item<'a>>);

/// Finds the items of a stream in a line, and the path of the list or text that has them.
///
/// None: the line has no stream.
pub fn find_stream<'a>(
    plan: &Plan,
    value: &'a str,
    line: Option<&Rc<Node<'a>>>,
    arena: &'a Arena<String>,
) -> Result<Option<Found<'a>>, LineError> {
    let (mut has_error, mut has_chunk) = (false, false);
    let top = [Vec::new()];
    for keys in line.map_or(&top[..], |_| &plan.places) {
        let raw = line.map_or(Some(value), |line| line.find(keys).unwrap_or_default());
        let Some(raw) = raw.filter(|raw| raw.starts_with(['[', '"'])) else {
            continue;
        };
        let path: Vec<Step> = keys.iter().cloned().map(Step::Key).collect();
        let mut found: Vec<Item<'_>> = Vec::new();
        let mut count = 0;
        each_item(plan, raw, &path, arena, |node| {
            if count == plan.most_chunks {
                return Err(LineError::too_many(plan.most_chunks).below(&path));
            }
            count += 1;
            let (raw, depth) = (node.raw, node.path.len());
            match find_response(plan, Rc::new(node), true, arena) {
                Ok((response, api)) => found.push(Item {
                    item: (raw, depth),
                    raw: response.node.raw,
                    path: response.node.path.clone(),
                    found_as: api,
                    api,
                }),
                Err(fault) if !fault.path.is_empty() => return Err(fault),
                Err(fault) => {
                    has_error |= fault.code == "error_response";
                    has_chunk |= fault.code == "stream_chunk";
                }
            }
            Ok(())
        })?;
        let is_response = |api: usize| plan.apis[api].stream == Stream::Whole;
        let mut apis = found.iter().map(|item| item.api);
        let first = apis.find(|&api| !is_response(api));
        let is_same = |item: &Item<'_>| {
            first.is_some_and(|first| plan.apis[first].name == plan.apis[item.api].name)
        };
        // What has the form of a response but ends such chunks is the last of them.
        let ending = first.filter(|&first| plan.apis[first].ends_whole);
        let is_whole =
            |item: &Item<'_>| is_response(item.api) && !(ending.is_some() && is_same(item));
        let is_stream = first.is_some() || has_chunk || raw.starts_with('"');
        match found.iter().filter(|item| is_whole(item)).count() {
            1 if is_stream => found.retain(is_whole),
            0 if first.is_some() => {
                // Of another API is what only looks like a chunk.
                found.retain(is_same);
                for item in &mut found {
                    item.api = ending.unwrap_or(item.api);
                }
            }
            _ => continue,
        }
        return Ok(Some((path, found)));
    }
    match (has_error, has_chunk) {
        (true, _) => Err(LineError::new("error_response")),
        (_, true) => Err(LineError::new("stream_chunk")),
        _ => Ok(None),
    }
}

type Each<'e, 'a> = &'e mut dyn FnMut(Node<'a>) -> Result<(), LineError>;

/// Passes on the objects of a list or a text; items of a list can be such texts too.
fn each_item<'a>(
    plan: &Plan,
    raw: &'a str,
    path: &[Step],
    arena: &'a Arena<String>,
    mut each: impl FnMut(Node<'a>) -> Result<(), LineError>,
) -> Result<(), LineError> {
    if raw.starts_with('"') {
        return each_of_text(plan, raw, path, false, arena, &mut each);
    }
    for (place, item) in short_list(raw, path, plan.most_chunks)?
        .into_iter()
        .enumerate()
    {
        let here = [path, &[Step::Place(place)]].concat();
        if item.starts_with('"') {
            each_of_text(plan, item, &here, true, arena, &mut each)?;
        } else if item.starts_with('{') {
            let node = Node::open(item, here);
            match node.get("raw").filter(|text| text.starts_with('"')) {
                Some(text) => each_of_text(plan, text, &node.path, true, arena, &mut each)?,
                None => each(node)?,
            }
        }
    }
    Ok(())
}

/// Passes on the objects of a text: of events or a list, of an item also one object.
fn each_of_text<'a>(
    plan: &Plan,
    raw: &'a str,
    path: &[Step],
    is_item: bool,
    arena: &'a Arena<String>,
    each: Each<'_, 'a>,
) -> Result<(), LineError> {
    let text = arena.alloc(text(raw).into_owned());
    let mut values = match checked(text, plan.deepest) {
        Ok(value) if is_item || value.starts_with('[') => vec![value],
        Ok(_) => Vec::new(), // a response in a string is no stream
        Err(_) => events(text, plan.deepest, arena)?,
    };
    if let Some(list) = values.first().filter(|value| value.starts_with('[')) {
        values = short_list(list, path, plan.most_chunks)?;
    }
    let objects = values.into_iter().enumerate();
    for (place, value) in objects.filter(|(_, value)| value.starts_with('{')) {
        let here = [path, slice::from_ref(&Step::Place(place))].concat();
        each(Node::open(value, here))?;
    }
    Ok(())
}
