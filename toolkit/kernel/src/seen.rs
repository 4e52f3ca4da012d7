//! Responses that were logged twice: what `SeenKeys` in `dedup.py` does.

use std::sync::Mutex;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::{Array, Int32Array, Int64Array, StringArray, StructArray};
use hashbrown::HashSet;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// Rows that are kept, as start and length, and how many responses were left out.
type Kept = (Vec<(usize, usize)>, usize);

/// The responses that were read so far: hash of the response, hash of its id.
#[pyclass(frozen, module = "toolkit._kernel")]
pub struct Seen {
    keys: Mutex<HashSet<(i64, u64)>>,
}

#[pymethods]
impl Seen {
    #[new]
    fn new() -> Self {
        Seen {
            keys: Mutex::default(),
        }
    }

    /// Notes the responses of a batch of three columns: position of the choice, hash and
    /// id of the response. Returns the rows to keep, None: all.
    fn keep(&self, batch: &Bound<'_, PyAny>) -> PyResult<Option<Kept>> {
        let batch = import(batch)?;
        let wrong = || PyValueError::new_err("expected position, hash and id");
        let [positions, hashes, ids] = batch.columns() else {
            return Err(wrong());
        };
        let positions = positions
            .as_any()
            .downcast_ref::<Int32Array>()
            .ok_or_else(wrong)?;
        let hashes = hashes
            .as_any()
            .downcast_ref::<Int64Array>()
            .ok_or_else(wrong)?;
        let ids = ids
            .as_any()
            .downcast_ref::<StringArray>()
            .ok_or_else(wrong)?;
        let mut keys = self.keys.lock().map_err(|_| wrong())?;

        let mut kept: Vec<(usize, usize)> = Vec::new();
        let (mut start, mut keeps, mut left_out) = (0, true, 0);
        for row in 0..positions.len() {
            if positions.value(row) != 0 {
                continue;
            }
            // Without an id two equal responses may be two short answers.
            let is_new = ids.is_null(row) || {
                let id = xxhash_rust::xxh3::xxh3_64(ids.value(row).as_bytes());
                keys.insert((hashes.value(row), id))
            };
            left_out += usize::from(!is_new);
            if is_new != keeps {
                if keeps && row > start {
                    kept.push((start, row - start));
                }
                (start, keeps) = (row, is_new);
            }
        }
        if keeps && positions.len() > start {
            kept.push((start, positions.len() - start));
        }
        Ok((left_out > 0).then_some((kept, left_out)))
    }
}

/// Takes a batch from anything with `__arrow_c_array__`.
fn import(object: &Bound<'_, PyAny>) -> PyResult<StructArray> {
    let (schema, array): (Bound<'_, PyCapsule>, Bound<'_, PyCapsule>) =
        object.call_method0("__arrow_c_array__")?.extract()?;
    let schema = schema
        .pointer_checked(Some(c"arrow_schema"))?
        .cast::<FFI_ArrowSchema>();
    let array = array
        .pointer_checked(Some(c"arrow_array"))?
        .cast::<FFI_ArrowArray>();
    // SAFETY: both capsules hold what their names say, by Arrow's protocol; the array is
    // moved out of its capsule, which is left with a released one.
    let data = unsafe {
        let array = std::ptr::replace(array.as_ptr(), FFI_ArrowArray::empty());
        from_ffi(array, schema.as_ref())
    };
    let data = data.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(StructArray::from(data))
}
