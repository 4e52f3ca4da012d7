//! Where a line has its response, and of which API it is, as `find_response.py` finds it.

use std::rc::Rc;
use std::slice;

use typed_arena::Arena;

use crate::json::{LineError, Node, Step, checked, label, short_list, text};
use crate::plan::{Api, Condition, Path, Plan, Root, Stream, Test};
use crate::values::{is_expected, values_at};

/// A response that was found in a line.
pub struct Response<'a> {
    pub line: Rc<Node<'a>>,
    /// Where the whole stream is in the line; None: where the response is.
    pub place: Option<Vec<Step>>,
    pub node: Rc<Node<'a>>,
    pub choices: Rc<Vec<Rc<Node<'a>>>>,
}

impl<'a> Response<'a> {
    /// The object where a path starts, None if this response has none.
    pub fn start<'n>(&'n self, path: &Path, choice: &'n Node<'a>) -> Option<&'n Node<'a>> {
        let place = self.place.as_ref().unwrap_or(&self.node.path);
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

    /// Returns whether all tests pass of any of the alternatives.
    fn meets(&self, condition: &Condition, plan: &Plan) -> bool {
        let passes = |test| self.passes(test, plan);
        condition.iter().any(|tests| tests.iter().all(passes))
    }

    fn passes(&self, test: &Test, plan: &Plan) -> bool {
        let starts = match test.path.root {
            Root::Choice => &self.choices[..],
            _ => slice::from_ref(&self.node),
        };
        let steps = &test.path.steps;
        let is_expected = |raw: &str| {
            let label = (!test.words.is_empty()).then(|| label(raw));
            is_expected(raw.as_bytes(), label.unwrap_or_default().as_bytes(), test)
        };
        // Another shape is not as expected.
        let has_value = |choice: &Rc<Node<'a>>| match self.start(&test.path, choice) {
            Some(start) if steps.items.is_none() => start
                .find(&steps.keys)
                .is_ok_and(|raw| raw.is_some_and(is_expected)),
            Some(start) => {
                let values = values_at(start, steps, plan).ok().flatten();
                values
                    .iter()
                    .flatten()
                    .any(|value| is_expected(value.raw()))
            }
            None => false,
        };
        starts.iter().any(has_value) == test.expected
    }
}

/// Finds the response of a line or of an item of a stream, and the place of its API in the plan.
pub fn find_response<'a>(
    plan: &Plan,
    line: Rc<Node<'a>>,
    is_item: bool,
    arena: &'a Arena<String>,
) -> Result<(Response<'a>, usize), LineError> {
    let mut is_error = false;
    let inner = plan.envelopes.iter();
    let inner = inner.filter_map(|keys| candidate(plan, &line, keys, arena));
    // An item is tried as a chunk first.
    let is_chunk = |api: &&Api| api.stream != Stream::Whole;
    let chunks = plan.apis.iter().filter(is_chunk).count();
    let first = if is_item { plan.apis.len() - chunks } else { 0 };
    for node in std::iter::once(line.clone()).chain(inner) {
        // By the path of their list, which several APIs share.
        let mut known: Vec<(&[String], _)> = Vec::new();
        for place in 0..plan.apis.len() {
            let place = (first + place) % plan.apis.len();
            let api = &plan.apis[place];
            let choices = match known.iter().find(|(path, _)| *path == api.choices) {
                Some((_, choices)) => Option::clone(choices),
                None => {
                    let choices = choices_of(plan, api, &node)?.map(Rc::new);
                    known.push((&api.choices, choices.clone()));
                    choices
                }
            };
            let Some(choices) = choices else {
                continue;
            };
            let response = Response {
                line: line.clone(),
                place: None,
                node: node.clone(),
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
pub fn choices_of<'a>(
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
    let items = short_list(raw, &path, plan.most_items)?;
    let open = |(place, item): (usize, &'a str)| {
        let path = [&path[..], &[Step::Place(place)]].concat();
        let open = || Rc::new(Node::open(item, path));
        item.starts_with('{').then(open)
    };
    Ok(items.into_iter().enumerate().map(open).collect())
}
