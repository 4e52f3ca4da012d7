//! The fast path: reads a line by the shape of an earlier one, or else by a walk.
//!
//! It reads a line only if it is sure of every cell. Any other line (not JSON, a repeated
//! key, an error) is left to the strict path.

use crate::columns::ColumnBuilder;
use crate::line::{LineRows, LineValues};
use crate::plan::Plan;
use crate::routes::Routes;
use crate::shapes::{Shapes, WalkedLine};
use crate::walk::{Line, Walk, Workspace};

/// What is used again from line to line, and from block to block.
pub struct Memory {
    workspace: Workspace,
    shapes: Shapes,
}

impl Memory {
    pub fn new(routes: &Routes) -> Self {
        Memory {
            workspace: Workspace::new(routes),
            shapes: Shapes::default(),
        }
    }

    /// Writes what is still to be written of the lines that were read.
    pub fn flush(&mut self, columns: &mut [ColumnBuilder]) {
        self.shapes.flush(columns);
    }

    /// Reads a line, which is UTF-8, into the columns from a row on.
    ///
    /// None: it is left to the strict path, and what was set of it must be truncated.
    pub fn read_line(
        &mut self,
        plan: &Plan,
        routes: &Routes,
        line: Line<'_>,
        columns: &mut [ColumnBuilder],
        row: usize,
    ) -> Option<LineRows> {
        let Memory { workspace, shapes } = self;
        if line.end <= routes.longest_alike {
            let taken = shapes.read(plan, routes, &mut workspace.texts, line, columns, row);
            if taken.is_some() {
                return taken;
            }
        }
        shapes.flush(columns);
        let mut walk = Walk::new(plan, routes, workspace, line);
        walk.find_response()?;
        let (start, end) = walk.response;
        let taken = LineRows {
            choices: walk.count,
            hash: xxhash_rust::xxh3::xxh3_64(&line.data[start..end]),
        };
        let found = LineValues {
            plan,
            line: line.data,
            texts: &walk.workspace.texts.bytes,
            slots: walk.workspace.slots.each_ref().map(Vec::as_slice),
            envelope: walk.target,
            routes,
        };
        found.write(columns, row, taken.choices)?;
        if taken.choices == 1 {
            let walked = WalkedLine {
                line: &line.data[..line.end],
                found: &found,
                response: walk.response,
            };
            shapes.learn(routes, &walked, columns);
        }
        Some(taken)
    }
}
