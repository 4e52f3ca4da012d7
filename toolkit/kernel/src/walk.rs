//! One pass over a line, which notes where the values of the plan are.

use crate::plan::Plan;
use crate::routes::{MOST_LISTS, OBJECT, Routes};
use crate::scanner::{JsonType, Scanner, Texts, Value};
use crate::trie::{Keys, NOWHERE, Role, START, TOP, TOPS, Trie, has_value, note_value};

/// What is used again from line to line.
pub struct Workspace {
    /// A row of values, one for each node of its tree, for each object that was passed: the
    /// line first, then responses in envelopes and choices.
    slots: Vec<Value>,
    /// Where the rows of the line end.
    end: usize,
    /// By tree, the nodes of one behind those of the other: the keys of the objects there.
    keys: Vec<Keys>,
    /// The text of the strings of a line that have escapes.
    pub texts: Texts,
    /// The envelope of the last line, if it had one.
    pub envelope: Option<usize>,
}

impl Workspace {
    pub fn new(routes: &Routes) -> Self {
        let nodes = routes.tries.iter().flat_map(|trie| &trie.nodes);
        Workspace {
            slots: Vec::new(),
            end: 0,
            keys: nodes.map(|_| Keys::default()).collect(),
            texts: Texts::default(),
            envelope: None,
        }
    }
}

/// A line that is read, and the bytes behind it.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// They begin with the line; a control character is behind it.
    pub data: &'a [u8],
    pub text: &'a str,
}

/// An object that may be a response: the line, or what is in one of its envelopes.
#[derive(Clone, Copy, Default)]
pub struct Candidate {
    pub envelope: Option<usize>,
    /// Its first slot.
    pub base: usize,
    /// Where it is in the line.
    pub span: (usize, usize),
    pub lists: [Choices; MOST_LISTS],
}

/// A list of choices.
#[derive(Clone, Copy, Default)]
pub struct Choices {
    /// The first slot of the first choice; the others follow.
    pub base: usize,
    pub count: usize,
    /// How many slots each has.
    pub width: usize,
    /// An item is not an object.
    pub is_odd: bool,
}

impl Choices {
    /// A response that is its only choice.
    pub fn one(base: usize) -> Self {
        Choices {
            base,
            count: 1,
            ..Choices::default()
        }
    }

    /// The first slot of each.
    pub fn rows(&self) -> impl Iterator<Item = usize> + Clone + use<> {
        let (base, width) = (self.base, self.width);
        (0..self.count).map(move |place| base + place * width)
    }
}

/// One line under way.
pub struct Walk<'w, 'a> {
    plan: &'w Plan,
    routes: &'w Routes,
    workspace: &'w mut Workspace,
    scanner: Scanner<'a>,
    /// The envelope whose object is passed as a response on the way.
    target: Option<usize>,
    /// The line, and the last object in an envelope that was passed.
    candidates: [Candidate; 2],
}

/// An object under way: its tree, its first slot, and the number of its candidate.
#[derive(Clone, Copy)]
struct Spot<'w> {
    trie: &'w Trie,
    base: usize,
    owner: usize,
}

impl<'w, 'a> Walk<'w, 'a> {
    /// Passes a line; None: it is no object, or an unusual one.
    pub fn new(
        plan: &'w Plan,
        routes: &'w Routes,
        workspace: &'w mut Workspace,
        line: Line<'a>,
    ) -> Option<Self> {
        workspace.texts.end = 0;
        workspace.end = 0;
        let scanner = Scanner {
            data: line.data,
            end: line.text.len(),
            deepest: plan.deepest,
            whole: 0,
        };
        let mut walk = Walk {
            plan,
            routes,
            target: workspace.envelope,
            workspace,
            scanner,
            candidates: Default::default(),
        };
        let start = walk.scanner.space(0);
        walk.scanner.expect(start, b'{')?;
        let end = walk.candidate(start, None, 1)?;
        (walk.scanner.space(end) == line.text.len()).then_some(walk)
    }

    /// The line.
    pub fn outer(&self) -> Candidate {
        self.candidates[0]
    }

    /// What was noted.
    pub fn noted(&self) -> (&[Value], &[u8]) {
        let Workspace { slots, texts, .. } = &*self.workspace;
        (&slots[..self.workspace.end], &texts.bytes)
    }

    /// The object in an envelope, or None if there is none; fails if there may be JSON in a
    /// string.
    pub fn inner(&mut self, envelope: usize) -> Option<Option<Candidate>> {
        let along = &self.routes.envelopes[envelope];
        let slots = &self.workspace.slots;
        let kinds = along.iter().map(|&node| match has_value(slots, node) {
            true => slots[node].kind,
            false => JsonType::Missing,
        });
        match kinds.into_iter().find(|&kind| kind != JsonType::Object) {
            None if self.candidates[1].envelope == Some(envelope) => {}
            None => {
                let end = *along.last()?;
                let start = self.workspace.slots[end].start as usize;
                self.candidate(start, Some(envelope), along.len() + 1)?;
            }
            Some(JsonType::String) => return None,
            Some(_) => return Some(None),
        }
        Some(Some(self.candidates[1]))
    }

    /// Remembers the envelope of the response, for the next line.
    pub fn remember(&mut self, envelope: Option<usize>) {
        self.workspace.envelope = envelope;
    }

    /// Passes an object that may be a response.
    fn candidate(&mut self, start: usize, envelope: Option<usize>, depth: usize) -> Option<usize> {
        let owner = usize::from(envelope.is_some());
        let spot = self.add_row(OBJECT, owner);
        self.candidates[owner] = Candidate {
            envelope,
            base: spot.base,
            ..Candidate::default()
        };
        let end = self.object(start + 1, spot, TOP, depth)?;
        self.candidates[owner].span = (start, end);
        Some(end)
    }

    fn add_row(&mut self, tree: usize, owner: usize) -> Spot<'w> {
        let trie = &self.routes.tries[tree];
        let Workspace { slots, end, .. } = &mut *self.workspace;
        let base = *end;
        *end += trie.nodes.len();
        if slots.len() < *end {
            slots.resize(2 * *end, Value::default());
        }
        slots[base..base + TOPS].fill(Value::default());
        Spot { trie, base, owner }
    }

    /// Passes the keys and values of an object behind its opening bracket.
    fn object(&mut self, at: usize, spot: Spot<'w>, node: usize, depth: usize) -> Option<usize> {
        if depth > self.plan.deepest {
            return None;
        }
        let mut at = self.scanner.space(at);
        if self.scanner.sign(at) == b'}' {
            return Some(at + 1);
        }
        let mut last = START;
        loop {
            at = self.scanner.expect(at, b'"')?;
            let (child, value) = self.key(at, spot.trie, node, &mut last)?;
            at = match child {
                NOWHERE => self.scanner.value(value, depth)?.1,
                _ => self.value(value, spot, child, depth)?,
            };
            match self.scanner.goes_on(at, b'}')? {
                (true, next) => at = next,
                (false, end) => return Some(end),
            }
        }
    }

    /// Passes a key behind its opening quote, and the colon; returns the node below that
    /// it leads to, and where its value is.
    #[inline]
    fn key(
        &mut self,
        at: usize,
        trie: &Trie,
        node: usize,
        last: &mut usize,
    ) -> Option<(usize, usize)> {
        let keys = &mut self.workspace.keys[trie.first + node];
        let next = self.scanner.data.get(at..)?;
        if let Some(number) = next
            .first_chunk()
            .and_then(|bytes| keys.find(*last, bytes, next))
        {
            *last = number;
            let (length, child) = keys.get(number);
            return Some((child, self.scanner.space(at + length)));
        }
        let (has_escapes, end) = self.scanner.string(at)?;
        if has_escapes {
            return None; // it may be any key
        }
        let key = &next[..end - 1 - at];
        let child = || trie.child(node, key).unwrap_or(NOWHERE);
        let is_plain = self.scanner.sign(end) == b':';
        if is_plain && let Some(number) = keys.seek(*last, key, next, child) {
            *last = number;
            let (length, child) = keys.get(number);
            return Some((child, self.scanner.space(at + length)));
        }
        Some((child(), self.scanner.colon(end)?))
    }

    /// Passes the value of a node, and notes where it is.
    #[inline]
    fn value(&mut self, at: usize, spot: Spot<'w>, id: usize, depth: usize) -> Option<usize> {
        if has_value(&self.workspace.slots[spot.base..], id) {
            return None; // a repeated key
        }
        let node = &spot.trie.nodes[id];
        let mut extra = 0;
        let (kind, end) = match (self.scanner.sign(at), node.role) {
            (b'"', _) if node.is_text => {
                let texts = &mut self.workspace.texts;
                let start = texts.end;
                let end = self.scanner.text(at + 1, texts)?;
                if texts.end > start {
                    extra = (start as u64) << 32 | texts.end as u64;
                }
                (JsonType::String, end)
            }
            (b'[', Role::Choices(list)) => {
                let end = self.choices(at, list, spot.owner, depth + 1)?;
                (JsonType::List, end)
            }
            (b'{', Role::Envelope(number)) if spot.owner == 0 && self.target == Some(number) => {
                let end = self.candidate(at, self.target, depth + 1)?;
                // What the line's own columns and the envelopes within read of it.
                if node.has_children() {
                    self.object(at + 1, spot, id, depth + 1)?;
                }
                (JsonType::Object, end)
            }
            (b'{', _) if node.has_children() => {
                let end = self.object(at + 1, spot, id, depth + 1)?;
                (JsonType::Object, end)
            }
            _ => {
                let (kind, end) = self.scanner.value(at, depth)?;
                if kind == JsonType::Whole {
                    extra = self.scanner.whole;
                }
                (kind, end)
            }
        };
        let slots = &mut self.workspace.slots[spot.base..];
        slots[id] = Value {
            kind,
            start: at as u32,
            end: end as u32,
            extra,
        };
        note_value(slots, id);
        Some(end)
    }

    /// Passes a list of choices.
    fn choices(&mut self, at: usize, list: usize, owner: usize, depth: usize) -> Option<usize> {
        let mut found = Choices {
            base: self.workspace.end,
            width: self.routes.tries[OBJECT + 1 + list].nodes.len(),
            ..Choices::default()
        };
        let mut at = self.scanner.space(at + 1);
        let mut goes_on = self.scanner.sign(at) != b']';
        if !goes_on {
            at += 1;
        }
        while goes_on {
            found.count += 1;
            if found.count > self.plan.most_items {
                return None;
            }
            if self.scanner.sign(at) == b'{' {
                let spot = self.add_row(OBJECT + 1 + list, owner);
                at = self.object(at + 1, spot, TOP, depth + 1)?;
            } else {
                at = self.scanner.value(at, depth)?.1;
                found.is_odd = true;
            }
            (goes_on, at) = self.scanner.goes_on(at, b']')?;
        }
        self.candidates[owner].lists[list] = found;
        Some(at)
    }
}
