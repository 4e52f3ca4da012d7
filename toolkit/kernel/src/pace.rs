//! When it pays to try shapes on lines, and to learn more of them.

/// In a window of this many lines, 15 of 16 must have a shape. Otherwise no shapes are tried
/// for as many lines, and for four times as many each time, up to the longest rest. The walk
/// is then as fast, and needs less memory: that of a few shapes stays in the processor's cache.
const WINDOW: usize = 2048;
const LONGEST_REST: usize = 1 << 15;
/// At most one line in this many is learned: before and after half of the lines of a window
/// had a shape.
const LEARN_EACH: [usize; 2] = [4, 64];

#[derive(Default)]
pub struct Pace {
    /// Of the lines of this window, how many were tried, had a shape, and were learned.
    tries: usize,
    hits: usize,
    learned: usize,
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
            (self.tries, self.hits, self.learned) = (0, 0, 0);
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
        let each = LEARN_EACH[usize::from(self.is_settled)];
        let may = self.rest == 0 && each * self.learned <= self.tries;
        self.learned += usize::from(may);
        may
    }
}
