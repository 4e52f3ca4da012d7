//! The steps of all shapes as a tree: shapes that begin alike share their first steps, so
//! that the shape of a line is found among hundreds by comparing it with few.

use crate::scanner::{JsonType, Scanner, Texts, Value};

/// The bytes up to a cut, and the type of the value at it.
pub struct Step {
    pub before: Box<[u8]>,
    pub kind: JsonType,
    /// The text of a string at the cut is needed.
    pub is_read: bool,
}

/// The tree; its root is the first fork.
pub struct Forks {
    forks: Vec<Fork>,
    /// The way to the shape of the last line: forks, and their branches.
    path: Vec<(usize, usize)>,
}

/// What may follow the same steps: further steps, or the last bytes of the lines of a shape.
#[derive(Default)]
struct Fork {
    branches: Vec<Branch>,
    ends: Vec<(Box<[u8]>, usize)>,
}

/// A step, and the fork behind it.
struct Branch {
    /// The last of the bytes before the cut, and how many they are. Most other steps end
    /// differently, so they are ruled out without a look at the rest.
    last: u64,
    length: usize,
    step: Step,
    next: usize,
}

impl Default for Forks {
    fn default() -> Self {
        Forks {
            forks: vec![Fork::default()],
            path: Vec::new(),
        }
    }
}

impl Forks {
    /// How many forks there are; those that no shape needs any more are among them.
    pub fn count(&self) -> usize {
        self.forks.len()
    }

    /// Adds a shape, by its steps and the bytes behind the last one; returns its last fork.
    pub fn add<'s>(
        &mut self,
        steps: impl Iterator<Item = &'s Step>,
        tail: &[u8],
        shape: usize,
    ) -> usize {
        let mut fork = 0;
        for step in steps {
            let branches = &mut self.forks[fork].branches;
            let is_known =
                |it: &&mut Branch| it.step.before == step.before && it.step.kind == step.kind;
            fork = match branches.iter_mut().find(is_known) {
                Some(known) => {
                    known.step.is_read |= step.is_read;
                    known.next
                }
                None => {
                    let next = self.forks.len();
                    let step = Step {
                        before: step.before.clone(),
                        ..*step
                    };
                    self.forks[fork].branches.push(Branch {
                        last: last_of(&step.before),
                        length: step.before.len(),
                        step,
                        next,
                    });
                    self.forks.push(Fork::default());
                    next
                }
            };
        }
        self.forks[fork].ends.push((tail.into(), shape));
        fork
    }

    /// Removes a shape from its last fork.
    pub fn remove(&mut self, fork: usize, shape: usize) {
        self.forks[fork].ends.retain(|(_, other)| *other != shape);
    }

    /// Finds the shape of the line that begins some data, and notes the values at its cuts.
    pub fn find(
        &mut self,
        data: &[u8],
        end: usize,
        texts: &mut Texts,
        values: &mut Vec<Value>,
    ) -> Option<usize> {
        let mut scanner = Scanner {
            data,
            end,
            deepest: 0, // no list or object is at a cut
            whole: 0,
        };
        values.clear();
        self.path.clear();
        let (mut fork, mut branch, mut at) = (0, 0, 0);
        // How many bytes may be read on branches that turn out to be wrong.
        let mut spare = end;
        loop {
            let here = &self.forks[fork];
            if branch == 0
                && let Some((_, shape)) = here.ends.iter().find(|(tail, _)| data[at..end] == **tail)
            {
                let shape = *shape;
                self.promote();
                return Some(shape);
            }
            let mut others = here.branches.iter().enumerate().skip(branch);
            let taken = others.find_map(|(branch, it)| {
                let bytes = data.get(at..at + it.length)?;
                let value = (last_of(bytes) == it.last && *bytes == *it.step.before)
                    .then(|| it.step.pass(&mut scanner, at + it.length, texts))??;
                Some((branch, it.next, value))
            });
            if let Some((branch_taken, next, value)) = taken {
                at = value.end as usize;
                values.push(value);
                self.path.push((fork, branch_taken));
                (fork, branch) = (next, 0);
                continue;
            }
            // Go back to the last fork, and try its next branch.
            (fork, branch) = self.path.pop()?;
            branch += 1;
            values.pop();
            let back = values.last().map_or(0, |value| value.end as usize);
            spare = spare.checked_sub(at - back)?;
            at = back;
        }
    }

    /// Moves the branches on the way to a shape one place forward: frequent ones come first.
    fn promote(&mut self) {
        for &(fork, branch) in &self.path {
            if branch > 0 {
                self.forks[fork].branches.swap(branch - 1, branch);
            }
        }
    }
}

/// The last eight bytes of some, all of fewer.
#[inline]
fn last_of(bytes: &[u8]) -> u64 {
    match bytes.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => bytes
            .iter()
            .fold(0, |last, &byte| last << 8 | u64::from(byte)),
    }
}

impl Step {
    /// Passes the value at the cut.
    #[inline]
    fn pass(&self, scanner: &mut Scanner<'_>, start: usize, texts: &mut Texts) -> Option<Value> {
        if (scanner.sign(start) == b'"') != (self.kind == JsonType::String) {
            return None;
        }
        let mut extra = 0;
        let (kind, end) = if self.kind != JsonType::String {
            let (kind, end) = scanner.value(start, 0)?;
            extra = scanner.whole;
            (kind, end)
        } else if !self.is_read {
            (JsonType::String, scanner.string(start + 1)?.1)
        } else {
            let before = texts.end;
            let end = scanner.text(start + 1, texts)?;
            if texts.end > before {
                extra = (before as u64) << 32 | texts.end as u64;
            }
            (JsonType::String, end)
        };
        (general(kind) == self.kind && end <= scanner.end).then_some(Value {
            kind,
            start: start as u32,
            end: end as u32,
            extra,
        })
    }
}

/// The type of a value, all numbers alike.
pub fn general(kind: JsonType) -> JsonType {
    match kind {
        JsonType::Whole => JsonType::Number,
        kind => kind,
    }
}
