//! When it pays to try shapes on lines, and to learn one more.

/// The number of lines that must have had their shape before learning goes on as if it were new.
const ENOUGH: usize = 64;
/// At most so many lines are passed before one is learned again.
const LONGEST_PAUSE: usize = 4096;
/// Of so many lines three quarters must have a shape, or else none is tried for some time:
/// at first for as many lines, at most for so many.
const WINDOW: usize = 512;
const LONGEST_REST: usize = 1 << 15;

#[derive(Default)]
pub struct Pace {
    /// Lines without a shape to pass before one is learned, and the next such number.
    pause: usize,
    next_pause: usize,
    /// Lines with a shape since the last lesson.
    hits_since_lesson: usize,
    /// Of the lines of this window, how many were tried and how many had a shape.
    tries: usize,
    hits_in_window: usize,
    /// Lines to pass before shapes are tried again, and the last such number.
    rest: usize,
    last_rest: usize,
}

impl Pace {
    /// Returns whether a line is to be tried.
    pub fn may_try(&mut self) -> bool {
        if self.rest > 0 {
            self.rest -= 1;
            return false;
        }
        if self.tries == WINDOW {
            let pays = 4 * self.hits_in_window >= 3 * WINDOW;
            let longer = (4 * self.last_rest).clamp(WINDOW, LONGEST_REST);
            self.rest = if pays { 0 } else { longer };
            self.last_rest = self.rest;
            (self.tries, self.hits_in_window) = (0, 0);
        }
        self.tries += 1;
        true
    }

    /// Notes that the line had a shape.
    pub fn hit(&mut self) {
        self.hits_in_window += 1;
        self.hits_since_lesson += 1;
    }

    /// Returns whether a line that had none is to be learned.
    pub fn may_learn(&mut self) -> bool {
        if self.rest > 0 {
            return false;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return false;
        }
        if self.hits_since_lesson >= ENOUGH {
            self.next_pause = 0;
        }
        self.hits_since_lesson = 0;
        self.pause = self.next_pause;
        self.next_pause = (2 * self.next_pause + 1).min(LONGEST_PAUSE);
        true
    }
}
