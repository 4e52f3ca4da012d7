//! When it pays to try shapes on lines, and to learn more of them.

/// Of so many lines nearly all must have a shape, or else none is tried for some time: at
/// first for as many lines, at most for so many. Else a walk is as fast, which needs less
/// memory: that of a few shapes alone stays in the processor's cache.
const WINDOW: usize = 2048;
const LONGEST_REST: usize = 1 << 15;
/// A line without a shape is learned if less than one of so many was: at first, and then
/// once most lines have a shape.
const LESSONS: [usize; 2] = [4, 64];

#[derive(Default)]
pub struct Pace {
    /// Of the lines of this window, how many were tried, had a shape, and were learned.
    tries: usize,
    hits: usize,
    lessons: usize,
    /// Lines to pass before shapes are tried again, and the last such number.
    rest: usize,
    last_rest: usize,
    /// Whether half of the lines of the last window had a shape.
    is_settled: bool,
}

impl Pace {
    /// Returns whether a line is to be tried.
    pub fn may_try(&mut self) -> bool {
        if self.rest > 0 {
            self.rest -= 1;
            return false;
        }
        if self.tries == WINDOW {
            let pays = 16 * self.hits >= 15 * WINDOW;
            let longer = (4 * self.last_rest).clamp(WINDOW, LONGEST_REST);
            self.rest = if pays { 0 } else { longer };
            self.last_rest = self.rest;
            self.is_settled = 2 * self.hits >= WINDOW;
            (self.tries, self.hits, self.lessons) = (0, 0, 0);
        }
        self.tries += 1;
        true
    }

    /// Notes that the line had a shape.
    pub fn hit(&mut self) {
        self.hits += 1;
    }

    /// Returns whether a line that had none is to be learned.
    pub fn may_learn(&mut self) -> bool {
        let each = LESSONS[usize::from(self.is_settled)];
        let may = self.rest == 0 && each * self.lessons <= self.tries;
        self.lessons += usize::from(may);
        may
    }
}
