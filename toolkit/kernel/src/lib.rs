//! Lines of logs of LLM responses into Arrow batches: the fast decoder of `toolkit`.
//!
//! It gives the same result as `toolkit/reading/reference_decoder.py`, to the byte.

pub mod columns;
pub mod decoder;
pub mod events;
pub mod fast;
pub mod find;
pub mod forks;
pub mod json;
pub mod line;
pub mod pace;
pub mod plan;
pub mod readers;
pub mod routes;
pub mod scanner;
pub mod seen;
pub mod shapes;
pub mod streams;
pub mod strict;
pub mod table;
pub mod times;
pub mod trie;
pub mod values;
pub mod walk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_schema::Schema;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule};

use crate::decoder::{Block, Decoded, Decoder, Piece};
use crate::plan::Plan;

/// The choices, rejects and chunks of a block; its lines, blank lines, pending bytes and
/// lines with a chunk.
type BlockRows = (Batch, Batch, Option<Batch>, i64, i64, i64, i64);

/// See `toolkit.reading.blocks.Block`.
#[derive(FromPyObject)]
struct PyBlock<'py> {
    log_id: i32,
    source: String,
    pieces: Vec<(Bound<'py, PyBytes>, usize, usize)>,
    line: i64,
    offset: i64,
    tail: bool,
    growing: bool,
    skipped: Option<i64>,
}

/// Decodes blocks by a plan; keeps nothing between them, and may be shared by threads.
#[pyclass(frozen, name = "Decoder", module = "toolkit._kernel")]
struct PyDecoder {
    decoder: Decoder,
}

#[pymethods]
impl PyDecoder {
    /// Makes a decoder; by the strict path alone if it is one that others are compared with.
    #[new]
    #[pyo3(signature = (plan, tables, rejects, *, is_strict = false))]
    fn new(
        plan: Plan,
        tables: [Bound<'_, PyAny>; 2],
        rejects: &Bound<'_, PyAny>,
        is_strict: bool,
    ) -> PyResult<Self> {
        let tables = [schema(&tables[0])?, schema(&tables[1])?];
        let decoder = Decoder::new(plan, tables, schema(rejects)?);
        let decoder = match is_strict {
            true => decoder.without_fast_path(),
            false => decoder,
        };
        Ok(PyDecoder { decoder })
    }

    /// Decodes whole lines; the interpreter's lock is released meanwhile.
    fn decode(&self, py: Python<'_>, block: PyBlock<'_>) -> PyResult<BlockRows> {
        let pieces: Vec<Piece<'_>> = block
            .pieces
            .iter()
            .map(|(held, start, end)| Piece {
                held: held.as_bytes(),
                start: *start,
                end: *end,
            })
            .collect();
        let block = Block {
            log_id: block.log_id,
            source: &block.source,
            pieces: &pieces,
            line: block.line,
            offset: block.offset,
            tail: block.tail,
            growing: block.growing,
            skipped: block.skipped,
        };
        let decoder = &self.decoder;
        let decoded: Decoded = py
            .detach(|| catch_unwind(AssertUnwindSafe(|| decoder.decode(&block))))
            .map_err(|_| PyRuntimeError::new_err("the kernel failed on a block"))?
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        Ok((
            Batch(decoded.choices),
            Batch(decoded.rejects),
            decoded.chunk_rows.map(Batch),
            decoded.lines,
            decoded.blank,
            decoded.pending,
            decoded.chunks,
        ))
    }
}

/// A record batch that is exported through Arrow's C data interface.
#[pyclass(frozen, module = "toolkit._kernel")]
struct Batch(RecordBatch);

#[pymethods]
impl Batch {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        drop(requested_schema); // the schema is fixed
        let failed = |error: arrow_schema::ArrowError| PyValueError::new_err(error.to_string());
        let schema = FFI_ArrowSchema::try_from(self.0.schema().as_ref()).map_err(failed)?;
        let array = FFI_ArrowArray::new(&StructArray::from(self.0.clone()).to_data());
        Ok((
            PyCapsule::new_with_value(py, schema, c"arrow_schema")?,
            PyCapsule::new_with_value(py, array, c"arrow_array")?,
        ))
    }
}

/// Takes the schema of anything with `__arrow_c_schema__`.
fn schema(object: &Bound<'_, PyAny>) -> PyResult<Arc<Schema>> {
    let capsule = object.call_method0("__arrow_c_schema__")?;
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(c"arrow_schema"))?;
    // SAFETY: the capsule holds what its name says, and lives on; it is read, not taken.
    let schema = unsafe { pointer.cast::<FFI_ArrowSchema>().as_ref() };
    let schema =
        Schema::try_from(schema).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Arc::new(schema))
}

/// Counts the line feeds in a part of some bytes.
#[pyfunction]
fn count_lines(py: Python<'_>, held: &[u8], start: usize, end: usize) -> usize {
    py.detach(|| memchr::memchr_iter(b'\n', &held[start..end]).count())
}

#[pymodule]
mod _kernel {
    #[pymodule_export]
    use super::PyDecoder;
    #[pymodule_export]
    use super::count_lines;
    #[pymodule_export]
    use crate::seen::Seen;
}
