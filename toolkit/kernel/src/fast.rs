//! The fast path: reads a line by the shape of an earlier one, or else by a walk.
//!
//! It reads a line only if it is sure of every cell. Any other line (not JSON, a repeated
//! key, an error) is left to the strict path.

use crate::json::Node;
use crate::line::{LineRows, LineValues};
use crate::plan::{Plan, Stream};
use crate::routes::Routes;
use crate::shapes::{Shapes, WalkedLine};
use crate::table::Rows;
use crate::walk::{Candidate, Line, Walk, Workspace};

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
    pub fn flush(&mut self, tables: &mut [Rows; 2]) {
        self.shapes.flush(tables);
    }

    /// Reads a line into the rows of the tables.
    ///
    /// None: it is left to the strict path, and what was set of it must be truncated.
    pub fn read_line(
        &mut self,
        plan: &Plan,
        routes: &Routes,
        line: Line<'_>,
        tables: &mut [Rows; 2],
    ) -> Option<LineRows> {
        let Memory { workspace, shapes } = self;
        let read = shapes.read(plan, routes, &mut workspace.texts, line, tables);
        if read.is_some() {
            return read;
        }
        shapes.flush(tables);
        let mut walk = Walk::new(plan, routes, workspace, line)?;
        let (candidate, api) = find_response(plan, routes, &mut walk, line)?;
        walk.remember(candidate.envelope);
        let opened = Node::default();
        let found = values(plan, routes, &walk, line, &opened, candidate);
        let route = &routes.apis[api];
        let rows = &mut tables[route.table];
        let choices = found.write(api, &mut rows.columns, rows.count)?;
        let walked = WalkedLine {
            line: line.text,
            api,
            outer: values(plan, routes, &walk, line, &opened, walk.outer()),
            found,
        };
        shapes.learn(routes, &walked, &rows.columns);
        let (start, end) = candidate.span;
        Some(LineRows {
            api,
            choices,
            hash: xxhash_rust::xxh3::xxh3_64(&line.data[start..end]),
        })
    }
}

/// Finds the response of a line, and its API, in the order of the strict path.
pub fn find_response(
    plan: &Plan,
    routes: &Routes,
    walk: &mut Walk<'_, '_>,
    line: Line<'_>,
) -> Option<(Candidate, usize)> {
    let find = |walk: &Walk<'_, '_>, candidate| {
        values(plan, routes, walk, line, &Node::default(), candidate).api()
    };
    let mut candidate = walk.outer();
    let mut api = find(walk, candidate)?;
    for envelope in 0..routes.envelopes.len() {
        if api.is_some() {
            break;
        }
        if let Some(inner) = walk.inner(envelope)? {
            candidate = inner;
            api = find(walk, candidate)?;
        }
    }
    // Chunks of such APIs are read only within a line that has a whole stream.
    let api = api.filter(|&api| plan.apis[api].stream != Stream::Carriers)?;
    Some((candidate, api))
}

fn values<'w>(
    plan: &'w Plan,
    routes: &'w Routes,
    walk: &'w Walk<'_, '_>,
    line: Line<'w>,
    opened: &'w Node<'w>,
    candidate: Candidate,
) -> LineValues<'w> {
    let (slots, texts) = walk.noted();
    LineValues {
        plan,
        routes,
        line: line.text,
        texts,
        slots,
        opened,
        candidate,
    }
}
