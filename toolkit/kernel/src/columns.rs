//! Arrow columns that grow cell by cell.
//!
//! Only cells with a value are set, by their row; all other rows are null. Most cells of a
//! log are null, and cost nothing.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, BooleanArray, GenericBinaryArray, GenericStringArray, ListArray, OffsetSizeTrait,
    PrimitiveArray, StructArray,
};
use arrow_buffer::{
    ArrowNativeType, BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer,
};
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};

use crate::values::{Call, Cell};

/// A column under construction, by its Arrow type.
pub enum ColumnBuilder {
    Int32(Numbers<i32>),
    Int64(Numbers<i64>),
    Float64(Numbers<f64>),
    Timestamp(Numbers<i64>),
    Boolean(Numbers<u8>),
    String(Texts<i32>),
    LargeString(Texts<i64>),
    LargeBinary(Texts<i64>),
    Calls(Box<Calls>),
    /// A column that is not in the schema: its values are checked, and no cell is built.
    Unread,
}

impl ColumnBuilder {
    /// Begins a column, with room for a number of rows and bytes of text.
    pub fn new(kind: &DataType, rows: usize, bytes: usize) -> Result<Self, ArrowError> {
        Ok(match kind {
            DataType::Int32 => ColumnBuilder::Int32(Numbers::new(rows)),
            DataType::Int64 => ColumnBuilder::Int64(Numbers::new(rows)),
            DataType::Float64 => ColumnBuilder::Float64(Numbers::new(rows)),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                ColumnBuilder::Timestamp(Numbers::new(rows))
            }
            DataType::Boolean => ColumnBuilder::Boolean(Numbers::new(rows)),
            DataType::Utf8 => ColumnBuilder::String(Texts::new(rows, bytes)),
            DataType::LargeUtf8 => ColumnBuilder::LargeString(Texts::new(rows, bytes)),
            DataType::LargeBinary => ColumnBuilder::LargeBinary(Texts::new(rows, bytes)),
            DataType::List(item) => ColumnBuilder::Calls(Box::new(Calls::new(item.clone()))),
            other => return Err(ArrowError::NotYetImplemented(other.to_string())),
        })
    }

    /// Another column of this type, without a row.
    pub fn empty(&self) -> Self {
        match self {
            ColumnBuilder::Int32(_) => ColumnBuilder::Int32(Numbers::new(0)),
            ColumnBuilder::Int64(_) => ColumnBuilder::Int64(Numbers::new(0)),
            ColumnBuilder::Float64(_) => ColumnBuilder::Float64(Numbers::new(0)),
            ColumnBuilder::Timestamp(_) => ColumnBuilder::Timestamp(Numbers::new(0)),
            ColumnBuilder::Boolean(_) => ColumnBuilder::Boolean(Numbers::new(0)),
            ColumnBuilder::String(_) => ColumnBuilder::String(Texts::new(0, 0)),
            ColumnBuilder::LargeString(_) => ColumnBuilder::LargeString(Texts::new(0, 0)),
            ColumnBuilder::LargeBinary(_) => ColumnBuilder::LargeBinary(Texts::new(0, 0)),
            ColumnBuilder::Calls(column) => {
                ColumnBuilder::Calls(Box::new(Calls::new(column.item.clone())))
            }
            ColumnBuilder::Unread => ColumnBuilder::Unread,
        }
    }

    /// How many bytes of text it holds.
    pub fn bytes(&self) -> usize {
        match self {
            ColumnBuilder::String(column) => column.bytes.len(),
            ColumnBuilder::LargeString(column) | ColumnBuilder::LargeBinary(column) => {
                column.bytes.len()
            }
            _ => 0,
        }
    }

    /// Sets all cells of an empty column.
    pub fn set_ints(&mut self, values: impl Iterator<Item = i64>) {
        match self {
            ColumnBuilder::Int32(column) => column.extend(values.map(|value| value as i32)),
            ColumnBuilder::Int64(column) | ColumnBuilder::Timestamp(column) => {
                column.extend(values)
            }
            ColumnBuilder::Float64(column) => column.extend(values.map(|value| value as f64)),
            ColumnBuilder::Boolean(column) => column.extend(values.map(|value| value as u8)),
            _ => {}
        }
    }

    /// Sets a number of rows behind all that were set to the first cell, if there is one, of a
    /// column of the same type.
    pub fn set_rows(&mut self, row: usize, rows: usize, from: &ColumnBuilder) {
        match (self, from) {
            (ColumnBuilder::Int32(column), ColumnBuilder::Int32(from)) => {
                column.set_rows(row, rows, from)
            }
            (ColumnBuilder::Int64(column), ColumnBuilder::Int64(from))
            | (ColumnBuilder::Timestamp(column), ColumnBuilder::Timestamp(from)) => {
                column.set_rows(row, rows, from);
            }
            (ColumnBuilder::Float64(column), ColumnBuilder::Float64(from)) => {
                column.set_rows(row, rows, from);
            }
            (ColumnBuilder::Boolean(column), ColumnBuilder::Boolean(from)) => {
                column.set_rows(row, rows, from);
            }
            (ColumnBuilder::String(column), ColumnBuilder::String(from)) => {
                column.set_rows(row, rows, from)
            }
            (ColumnBuilder::LargeString(column), ColumnBuilder::LargeString(from))
            | (ColumnBuilder::LargeBinary(column), ColumnBuilder::LargeBinary(from)) => {
                column.set_rows(row, rows, from);
            }
            _ => {} // lists of calls are not set so
        }
    }

    /// Sets a cell of a row behind all that were set.
    pub fn set(&mut self, row: usize, cell: &Cell<'_>) {
        match cell {
            Cell::Null => {}
            Cell::Text(text) => self.set_bytes(row, text.as_bytes()),
            Cell::Bytes(bytes) => self.set_bytes(row, bytes),
            Cell::Int(value) => self.set_int(row, *value),
            Cell::Float(value) => self.set_float(row, *value),
            Cell::Bool(value) => self.set_int(row, i64::from(*value)),
            Cell::Calls(calls) => {
                if let ColumnBuilder::Calls(column) = self {
                    column.set(row, calls);
                }
            }
        }
    }

    #[inline]
    pub fn set_int(&mut self, row: usize, value: i64) {
        match self {
            ColumnBuilder::Int32(column) => column.set(row, value as i32),
            ColumnBuilder::Int64(column) | ColumnBuilder::Timestamp(column) => {
                column.set(row, value)
            }
            ColumnBuilder::Float64(column) => column.set(row, value as f64),
            ColumnBuilder::Boolean(column) => column.set(row, value as u8),
            _ => {}
        }
    }

    pub fn set_float(&mut self, row: usize, value: f64) {
        if let ColumnBuilder::Float64(column) = self {
            column.set(row, value);
        }
    }

    #[inline]
    pub fn set_bytes(&mut self, row: usize, bytes: &[u8]) {
        match self {
            ColumnBuilder::String(column) => column.set(row, bytes),
            ColumnBuilder::LargeString(column) | ColumnBuilder::LargeBinary(column) => {
                column.set(row, bytes);
            }
            _ => {}
        }
    }

    /// Removes the rows from one on.
    pub fn truncate(&mut self, rows: usize) {
        match self {
            ColumnBuilder::Int32(column) => column.truncate(rows),
            ColumnBuilder::Int64(column) | ColumnBuilder::Timestamp(column) => {
                column.truncate(rows)
            }
            ColumnBuilder::Float64(column) => column.truncate(rows),
            ColumnBuilder::Boolean(column) => column.truncate(rows),
            ColumnBuilder::String(column) => column.truncate(rows),
            ColumnBuilder::LargeString(column) | ColumnBuilder::LargeBinary(column) => {
                column.truncate(rows);
            }
            ColumnBuilder::Calls(column) => column.truncate(rows),
            ColumnBuilder::Unread => {}
        }
    }

    /// Returns the column with a number of rows.
    pub fn finish(
        self,
        rows: usize,
        kind: &DataType,
        zeros: &Zeros,
    ) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            ColumnBuilder::Int32(column) => column.finish::<Int32Type>(rows, kind, zeros),
            ColumnBuilder::Int64(column) => column.finish::<Int64Type>(rows, kind, zeros),
            ColumnBuilder::Float64(column) => column.finish::<Float64Type>(rows, kind, zeros),
            ColumnBuilder::Timestamp(column) => {
                column.finish::<TimestampMicrosecondType>(rows, kind, zeros)
            }
            ColumnBuilder::Boolean(column) => column.finish_bits(rows, zeros),
            ColumnBuilder::String(column) => column.finish_text(rows, zeros)?,
            ColumnBuilder::LargeString(column) => column.finish_text(rows, zeros)?,
            ColumnBuilder::LargeBinary(column) => column.finish_binary(rows, zeros)?,
            ColumnBuilder::Calls(column) => column.finish(rows, zeros)?,
            ColumnBuilder::Unread => return Err(ArrowError::SchemaError(kind.to_string())),
        })
    }
}

/// What the columns of a batch share that have none: most pages of memory that are not
/// written to are not taken.
pub struct Zeros {
    bytes: Buffer,
    nulls: NullBuffer,
}

impl Zeros {
    pub fn new(rows: usize) -> Self {
        Zeros {
            bytes: MutableBuffer::from_len_zeroed((rows + 1) * size_of::<u64>()).into(),
            nulls: NullBuffer::new_null(rows),
        }
    }

    fn of<T: ArrowNativeType>(&self, length: usize) -> ScalarBuffer<T> {
        ScalarBuffer::new(self.bytes.clone(), 0, length)
    }
}

/// Which rows of a column have a value; nothing is noted as long as all have.
#[derive(Default)]
struct Valid {
    rows: usize,
    /// Of the rows up to the last gap, and since.
    noted: Vec<bool>,
}

impl Valid {
    /// Notes a row that has a value, behind rows that may have none.
    #[inline]
    fn set(&mut self, row: usize) {
        if self.rows < row {
            self.fill(row);
        }
        self.rows = row + 1;
        if !self.noted.is_empty() {
            self.noted.push(true);
        }
    }

    /// Notes a number of rows that have a value.
    fn set_rows(&mut self, row: usize, rows: usize) {
        self.set(row);
        self.rows = row + rows;
        if !self.noted.is_empty() {
            self.noted.resize(self.rows, true);
        }
    }

    /// Notes that the rows before this one have none, but for those that do.
    fn fill(&mut self, rows: usize) {
        if self.rows < rows {
            self.noted.resize(self.rows, true);
            self.noted.resize(rows, false);
            self.rows = rows;
        }
    }

    fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.noted.truncate(rows);
    }

    /// None where no row is null.
    fn finish(mut self, rows: usize, zeros: &Zeros) -> Option<NullBuffer> {
        if self.rows == 0 {
            return (rows > 0).then(|| zeros.nulls.clone());
        }
        self.fill(rows);
        if self.noted.is_empty() {
            return None;
        }
        let nulls = NullBuffer::new(BooleanBuffer::from(self.noted));
        (nulls.null_count() > 0).then_some(nulls)
    }
}

/// Numbers, and which of them are there.
pub struct Numbers<T> {
    values: Vec<T>,
    valid: Valid,
}

impl<T: ArrowNativeType> Numbers<T> {
    fn new(rows: usize) -> Self {
        Numbers {
            values: Vec::with_capacity(rows),
            valid: Valid::default(),
        }
    }

    #[inline]
    fn set(&mut self, row: usize, value: T) {
        if self.values.len() < row {
            self.values.resize(row, T::default());
        }
        self.values.push(value);
        self.valid.set(row);
    }

    fn set_rows(&mut self, row: usize, rows: usize, from: &Self) {
        if let &[value] = from.values.as_slice() {
            if rows == 1 {
                return self.set(row, value);
            }
            self.values.resize(row, T::default());
            self.values.resize(row + rows, value);
            self.valid.set_rows(row, rows);
        }
    }

    fn extend(&mut self, values: impl Iterator<Item = T>) {
        self.values.extend(values);
        self.valid.rows = self.values.len();
    }

    fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.valid.truncate(rows);
    }

    fn finish<P: ArrowPrimitiveType<Native = T>>(
        mut self,
        rows: usize,
        kind: &DataType,
        zeros: &Zeros,
    ) -> ArrayRef {
        let values = if self.values.is_empty() {
            zeros.of(rows)
        } else {
            self.values.resize(rows, T::default());
            self.values.into()
        };
        let nulls = self.valid.finish(rows, zeros);
        Arc::new(PrimitiveArray::<P>::new(values, nulls).with_data_type(kind.clone()))
    }
}

impl Numbers<u8> {
    /// Returns a column of booleans.
    fn finish_bits(mut self, rows: usize, zeros: &Zeros) -> ArrayRef {
        self.values.resize(rows, 0);
        let bits: BooleanBuffer = self.values.iter().map(|&value| value != 0).collect();
        Arc::new(BooleanArray::new(bits, self.valid.finish(rows, zeros)))
    }
}

/// Strings or bytes, end to end.
pub struct Texts<O> {
    ends: Vec<O>,
    bytes: Vec<u8>,
    valid: Valid,
}

impl<O: OffsetSizeTrait> Texts<O> {
    fn new(rows: usize, bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(O::default());
        Texts {
            ends,
            bytes: Vec::with_capacity(bytes),
            valid: Valid::default(),
        }
    }

    #[inline]
    fn set(&mut self, row: usize, bytes: &[u8]) {
        self.fill(row);
        self.bytes.extend_from_slice(bytes);
        self.ends.push(O::usize_as(self.bytes.len()));
        self.valid.set(row);
    }

    fn set_rows(&mut self, row: usize, rows: usize, from: &Self) {
        if from.valid.rows != 1 || rows == 0 {
            return;
        }
        if rows == 1 {
            return self.set(row, &from.bytes);
        }
        self.fill(row);
        let (start, length) = (self.bytes.len(), from.bytes.len());
        let end = start + rows * length;
        self.bytes.extend_from_slice(&from.bytes);
        while self.bytes.len() < end {
            let copied = start..self.bytes.len().min(start + end - self.bytes.len());
            self.bytes.extend_from_within(copied);
        }
        let ends = (1..=rows).map(|row| O::usize_as(start + row * length));
        self.ends.extend(ends);
        self.valid.set_rows(row, rows);
    }

    #[inline]
    fn fill(&mut self, rows: usize) {
        if self.ends.len() <= rows {
            self.ends.resize(rows + 1, O::usize_as(self.bytes.len()));
        }
    }

    fn truncate(&mut self, rows: usize) {
        if self.valid.rows > rows {
            self.valid.truncate(rows);
            self.ends.truncate(rows + 1);
            self.bytes.truncate(self.ends[rows].as_usize());
        }
    }

    fn parts(
        mut self,
        rows: usize,
        zeros: &Zeros,
    ) -> Result<(OffsetBuffer<O>, Buffer, Option<NullBuffer>), ArrowError> {
        if O::from_usize(self.bytes.len()).is_none() {
            return Err(ArrowError::OffsetOverflowError(self.bytes.len()));
        }
        let ends = if self.valid.rows == 0 {
            zeros.of(rows + 1)
        } else {
            self.fill(rows);
            self.ends.into()
        };
        let nulls = self.valid.finish(rows, zeros);
        Ok((OffsetBuffer::new(ends), self.bytes.into(), nulls))
    }

    fn finish_text(self, rows: usize, zeros: &Zeros) -> Result<ArrayRef, ArrowError> {
        let (offsets, bytes, nulls) = self.parts(rows, zeros)?;
        // SAFETY: only whole strings were set, so that the bytes are UTF-8 and every
        // offset is between two of them; checking it again costs a tenth of the time.
        let texts = unsafe { GenericStringArray::new_unchecked(offsets, bytes, nulls) };
        Ok(Arc::new(texts))
    }

    fn finish_binary(self, rows: usize, zeros: &Zeros) -> Result<ArrayRef, ArrowError> {
        let (offsets, bytes, nulls) = self.parts(rows, zeros)?;
        Ok(Arc::new(GenericBinaryArray::<O>::try_new(
            offsets, bytes, nulls,
        )?))
    }
}

/// A list of calls for each row, or null.
pub struct Calls {
    item: Arc<Field>,
    ends: Vec<i32>,
    valid: Valid,
    texts: Vec<Texts<i32>>,
}

impl Calls {
    fn new(item: Arc<Field>) -> Self {
        let fields = match item.data_type() {
            DataType::Struct(fields) => fields.len(),
            _ => 0,
        };
        let texts = (0..fields).map(|_| Texts::new(0, 0)).collect();
        Calls {
            item,
            ends: vec![0],
            valid: Valid::default(),
            texts,
        }
    }

    fn count(&self) -> i32 {
        self.ends.last().copied().unwrap_or(0)
    }

    pub fn set(&mut self, row: usize, calls: &[Call<'_>]) {
        let mut end = self.count();
        self.ends.resize(row + 1, end);
        for call in calls {
            for (column, text) in self.texts.iter_mut().zip(call) {
                if let Some(text) = text {
                    column.set(end as usize, text.as_bytes());
                }
            }
            end += 1;
        }
        self.ends.push(end);
        self.valid.set(row);
    }

    fn truncate(&mut self, rows: usize) {
        if self.valid.rows > rows {
            self.valid.truncate(rows);
            self.ends.truncate(rows + 1);
            let count = self.count() as usize;
            self.texts.iter_mut().for_each(|text| text.truncate(count));
        }
    }

    fn finish(mut self, rows: usize, zeros: &Zeros) -> Result<ArrayRef, ArrowError> {
        let DataType::Struct(fields) = self.item.data_type().clone() else {
            return Err(ArrowError::SchemaError("calls are no structs".to_owned()));
        };
        let count = self.count();
        self.ends.resize(rows + 1, count);
        let none = Zeros::new(count as usize);
        let texts = self
            .texts
            .into_iter()
            .map(|text| text.finish_text(count as usize, &none));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let structs = StructArray::try_new(fields, texts, None)?;
        let offsets = OffsetBuffer::new(self.ends.into());
        let nulls = self.valid.finish(rows, zeros);
        Ok(Arc::new(ListArray::try_new(
            self.item,
            offsets,
            Arc::new(structs),
            nulls,
        )?))
    }
}
