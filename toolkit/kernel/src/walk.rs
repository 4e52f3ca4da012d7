//! One pass over a line, which notes where the values of the plan are.

use crate::plan::Plan;
use crate::routes::{CHOICE, OUTER, RESPONSE, Routes, has_rival};
use crate::scanner::{JsonType, Scanner, Texts, Value};
use crate::trie::{Guess, Guesses, MOST_GUESSES, NOWHERE, Role, TOP, Trie, bit};

/// What is used again from line to line.
pub struct Workspace {
    /// By tree: the value at each node. Of choices one row of nodes after the other.
    /// The extra of the first node has the bit of each node that has a value.
    pub slots: [Vec<Value>; 3],
    /// By tree and node: the keys of that object.
    guesses: [Vec<Guesses>; 3],
    /// The text of the strings of a line that have escapes.
    pub texts: Texts,
    /// The envelope of the last line, if it had one.
    envelope: Option<usize>,
}

impl Workspace {
    pub fn new(routes: &Routes) -> Self {
        let guesses = |trie: &Trie| trie.nodes.iter().map(|_| Guesses::new()).collect();
        Workspace {
            slots: Default::default(),
            guesses: routes.tries.each_ref().map(guesses),
            texts: Texts::default(),
            envelope: None,
        }
    }
}

/// A line that is read, and the bytes behind it.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    pub data: &'a [u8],
    /// Where the line ends in the data; a control character is there.
    pub end: usize,
}

/// One line under way.
pub struct Walk<'w, 'a> {
    plan: &'w Plan,
    pub routes: &'w Routes,
    pub workspace: &'w mut Workspace,
    scanner: Scanner<'a>,
    pub line: Line<'a>,
    /// The envelope whose object is read as a response.
    pub target: Option<usize>,
    /// Where the response is in the line.
    pub response: (usize, usize),
    /// The choices that are objects.
    pub count: usize,
    /// A choice is no object.
    is_odd: bool,
}

impl<'w, 'a> Walk<'w, 'a> {
    pub fn new(
        plan: &'w Plan,
        routes: &'w Routes,
        workspace: &'w mut Workspace,
        line: Line<'a>,
    ) -> Self {
        workspace.texts.end = 0;
        let scanner = Scanner {
            data: line.data,
            end: line.end,
            deepest: plan.deepest,
            whole: 0,
        };
        Walk {
            plan,
            routes,
            workspace,
            scanner,
            line,
            target: None,
            response: (0, 0),
            count: 0,
            is_odd: false,
        }
    }

    /// Notes where everything is; None: this is not a response, or an unusual one.
    pub fn find_response(&mut self) -> Option<()> {
        if self.workspace.envelope.is_some() {
            self.target = self.workspace.envelope;
            self.line_as::<OUTER>()?;
            if self.envelope() == self.target && self.is_response() {
                return Some(());
            }
            (self.workspace.envelope, self.target) = (None, None);
        }
        self.line_as::<RESPONSE>()?;
        if self.is_response() {
            return match self.routes.reads_line {
                true => self.line_as::<OUTER>(),
                false => Some(()),
            };
        }
        self.line_as::<OUTER>()?;
        self.target = Some(self.envelope()?);
        self.line_as::<OUTER>()?;
        self.workspace.envelope = self.target;
        self.is_response().then_some(())
    }

    /// Passes the whole line, as an object of this tree.
    fn line_as<const TREE: usize>(&mut self) -> Option<()> {
        if TREE == RESPONSE {
            self.begin_response();
        } else {
            self.reset(TREE);
        }
        let start = self.scanner.space(0);
        let at = self.scanner.expect(start, b'{')?;
        let end = self.object::<TREE>(at, TOP, 0, 1)?;
        if TREE == RESPONSE {
            self.response = (start, end);
        }
        (self.scanner.space(end) == self.line.end).then_some(())
    }

    fn begin_response(&mut self) {
        self.reset(RESPONSE);
        self.workspace.slots[CHOICE].clear();
        self.count = 0;
        self.is_odd = false;
    }

    fn reset(&mut self, tree: usize) {
        let slots = &mut self.workspace.slots[tree];
        slots.clear();
        slots.resize(self.routes.tries[tree].nodes.len(), Value::default());
    }

    /// Returns whether what was passed as a response has choices, all of them objects.
    fn is_response(&self) -> bool {
        self.count > 0 && !self.is_odd
    }

    /// The first envelope that holds an object; None: none does, or something before it may
    /// be a response.
    fn envelope(&self) -> Option<usize> {
        let slots = &self.workspace.slots[OUTER];
        let kind = |&at: &usize| slots[at].kind;
        let texts = &self.workspace.texts.bytes;
        if has_rival(&self.routes.rivals, slots, self.line.data, texts) {
            return None;
        }
        for (number, along) in self.routes.envelopes.iter().enumerate() {
            match along
                .iter()
                .map(kind)
                .find(|&kind| kind != JsonType::Object)
            {
                None => return Some(number),
                Some(JsonType::String) => return None, // perhaps JSON in a string
                Some(_) => {}
            }
        }
        None
    }

    /// Passes the keys and values of an object behind its opening bracket.
    fn object<const TREE: usize>(
        &mut self,
        at: usize,
        node: usize,
        base: usize,
        depth: usize,
    ) -> Option<usize> {
        if depth > self.plan.deepest {
            return None;
        }
        let mut at = self.scanner.space(at);
        if self.scanner.sign(at) == b'}' {
            return Some(at + 1);
        }
        let mut place = 0;
        loop {
            at = self.scanner.expect(at, b'"')?;
            let (child, value) = self.key::<TREE>(at, node, &mut place)?;
            at = match child {
                NOWHERE => self.scanner.value(value, depth)?.1,
                _ => self.value::<TREE>(value, child, base, depth)?,
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
    fn key<const TREE: usize>(
        &mut self,
        at: usize,
        node: usize,
        place: &mut usize,
    ) -> Option<(usize, usize)> {
        let guesses = &self.workspace.guesses[TREE][node];
        let next = self.scanner.data.get(at..)?;
        // One or two keys of the line before may be left out in this one.
        for (step, guess) in guesses[*place..].iter().take(3).enumerate() {
            if guess.stands_in(next) {
                *place += step + 1;
                return Some((guess.child, self.scanner.space(at + guess.length)));
            }
        }
        self.new_key::<TREE>(at, node, place)
    }

    fn new_key<const TREE: usize>(
        &mut self,
        at: usize,
        node: usize,
        place: &mut usize,
    ) -> Option<(usize, usize)> {
        let (has_escapes, end) = self.scanner.string(at)?;
        if has_escapes {
            return None; // it may be any key
        }
        let key = &self.line.data[at..end - 1];
        let child = self.routes.tries[TREE].child(node, key).unwrap_or(NOWHERE);
        let guesses = &mut self.workspace.guesses[TREE][node];
        if guesses.len() < MOST_GUESSES {
            guesses.insert(*place, Guess::new(key, child));
            *place += 1;
        }
        Some((child, self.scanner.colon(end)?))
    }

    /// Passes the value of a node, and notes where it is.
    #[inline]
    fn value<const TREE: usize>(
        &mut self,
        at: usize,
        id: usize,
        base: usize,
        depth: usize,
    ) -> Option<usize> {
        if self.workspace.slots[TREE][base + id].kind != JsonType::Missing {
            return None; // a repeated key
        }
        let node = &self.routes.tries[TREE].nodes[id];
        let mut extra = 0;
        let (kind, end) = match self.scanner.sign(at) {
            b'"' if node.is_text => {
                let texts = &mut self.workspace.texts;
                let start = texts.end;
                let end = self.scanner.text(at + 1, texts)?;
                if texts.end > start {
                    extra = (start as u64) << 32 | texts.end as u64;
                }
                (JsonType::String, end)
            }
            b'[' if node.role == Role::Choices => (JsonType::List, self.choices(at, depth + 1)?),
            b'{' if self
                .target
                .is_some_and(|it| node.role == Role::Envelope(it)) =>
            {
                (JsonType::Object, self.envelope_object(at, id, depth + 1)?)
            }
            b'{' if node.has_children() => {
                let end = self.object::<TREE>(at + 1, id, base, depth + 1)?;
                (JsonType::Object, end)
            }
            _ => {
                let (kind, end) = self.scanner.value(at, depth)?;
                let is_odd = node.is_container
                    && match kind {
                        JsonType::Null => false,
                        // A number is read, whatever the paths that go on behind it.
                        JsonType::Whole | JsonType::Number => !node.is_leaf,
                        _ => true,
                    };
                if is_odd {
                    return None;
                }
                if kind == JsonType::Whole {
                    extra = self.scanner.whole;
                }
                (kind, end)
            }
        };
        let slot = &mut self.workspace.slots[TREE][base + id];
        slot.kind = kind;
        slot.start = at as u32;
        slot.end = end as u32;
        slot.extra = extra;
        self.workspace.slots[TREE][base + TOP].extra |= bit(id);
        Some(end)
    }

    /// Passes the object of the envelope that is read as the response.
    fn envelope_object(&mut self, at: usize, id: usize, depth: usize) -> Option<usize> {
        self.begin_response();
        let end = self.object::<RESPONSE>(at + 1, TOP, 0, depth)?;
        self.response = (at, end);
        // What the line's own columns and the envelopes within want of it.
        if self.routes.tries[OUTER].nodes[id].has_children() {
            return self.object::<OUTER>(at + 1, id, 0, depth);
        }
        Some(end)
    }

    /// Passes the list of choices.
    fn choices(&mut self, at: usize, depth: usize) -> Option<usize> {
        let mut at = self.scanner.space(at + 1);
        if self.scanner.sign(at) == b']' {
            return Some(at + 1);
        }
        let width = self.routes.tries[CHOICE].nodes.len();
        loop {
            if self.scanner.sign(at) == b'{' {
                self.count += 1;
                if self.count > self.plan.most_items {
                    return None;
                }
                let slots = &mut self.workspace.slots[CHOICE];
                let base = slots.len();
                slots.resize(base + width, Value::default());
                at = self.object::<CHOICE>(at + 1, TOP, base, depth + 1)?;
            } else {
                at = self.scanner.value(at, depth)?.1;
                self.is_odd = true;
            }
            match self.scanner.goes_on(at, b']')? {
                (true, next) => at = next,
                (false, end) => return Some(end),
            }
        }
    }
}
