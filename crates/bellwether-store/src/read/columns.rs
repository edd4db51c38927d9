//! Columns of Arrow arrays as what tables hold: numbers, text, times.

use std::io::Write as _;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};

use super::cells::shown;
use super::error::Problem;
use super::guard::corrupt;
use super::number::{Cell, Numbers};
use super::time_text::{TimeText, push_date};

const DAY_MILLIS: i64 = 86_400_000;

/// Whether a column of this type can be read.
pub(super) fn is_readable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => {
            is_readable(values) && !matches!(**values, DataType::Dictionary(..))
        }
        DataType::Null
        | DataType::Boolean
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Timestamp(..)
        | DataType::Date32
        | DataType::Date64
        | DataType::Duration(_)
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => true,
        other => other.is_integer(),
    }
}

/// Nanoseconds in one unit.
fn unit_nanos(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// The count behind a time type.
fn count_of(array: &dyn Array, row: usize) -> i64 {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => array.as_primitive::<TimestampSecondType>().value(row),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            array.as_primitive::<TimestampMillisecondType>().value(row)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive::<TimestampMicrosecondType>().value(row)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            array.as_primitive::<TimestampNanosecondType>().value(row)
        }
        DataType::Duration(TimeUnit::Second) => array.as_primitive::<DurationSecondType>().value(row),
        DataType::Duration(TimeUnit::Millisecond) => {
            array.as_primitive::<DurationMillisecondType>().value(row)
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            array.as_primitive::<DurationMicrosecondType>().value(row)
        }
        DataType::Duration(TimeUnit::Nanosecond) => array.as_primitive::<DurationNanosecondType>().value(row),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).into(),
        DataType::Date64 => array.as_primitive::<Date64Type>().value(row),
        other => unreachable!("{other} is no count"),
    }
}

/// The instant in `row` of a column of a time type, in nanoseconds after 1970; `None` where it lies outside the years
/// 1678 to 2261 and where the column is of another type.
pub(super) fn nanos_of(array: &dyn Array, row: usize) -> Option<i64> {
    match array.data_type() {
        DataType::Timestamp(unit, _) => count_of(array, row).checked_mul(unit_nanos(unit)),
        _ => None,
    }
}

/// Writes cells as text.
#[derive(Debug, Default)]
pub(super) struct CellText {
    zoned: Option<TimeText>,
    plain: Option<TimeText>,
}

impl CellText {
    /// Appends the cell in `row`, nothing where it is missing.
    ///
    /// # Errors
    /// Where a dictionary lacks it.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, array: &dyn Array, row: usize) -> Result<(), Problem> {
        if array.is_null(row) {
            return Ok(());
        }
        fn number<T: ArrowPrimitiveType>(
            out: &mut Vec<u8>,
            array: &dyn Array,
            row: usize,
        ) -> std::io::Result<()>
        where
            T::Native: std::fmt::Display,
        {
            write!(out, "{}", array.as_primitive::<T>().value(row))
        }
        let written = match array.data_type() {
            DataType::Utf8 => out.write_all(array.as_string::<i32>().value(row).as_bytes()),
            DataType::LargeUtf8 => out.write_all(array.as_string::<i64>().value(row).as_bytes()),
            DataType::Utf8View => out.write_all(array.as_string_view().value(row).as_bytes()),
            DataType::Binary => out.write_all(array.as_binary::<i32>().value(row)),
            DataType::LargeBinary => out.write_all(array.as_binary::<i64>().value(row)),
            DataType::BinaryView => out.write_all(array.as_binary_view().value(row)),
            DataType::Boolean => out.write_all(if array.as_boolean().value(row) { b"1" } else { b"0" }),
            DataType::Int8 => number::<Int8Type>(out, array, row),
            DataType::Int16 => number::<Int16Type>(out, array, row),
            DataType::Int32 => number::<Int32Type>(out, array, row),
            DataType::Int64 => number::<Int64Type>(out, array, row),
            DataType::UInt8 => number::<UInt8Type>(out, array, row),
            DataType::UInt16 => number::<UInt16Type>(out, array, row),
            DataType::UInt32 => number::<UInt32Type>(out, array, row),
            DataType::UInt64 => number::<UInt64Type>(out, array, row),
            DataType::Float16 => number::<Float16Type>(out, array, row),
            DataType::Float32 => number::<Float32Type>(out, array, row),
            DataType::Float64 => number::<Float64Type>(out, array, row),
            DataType::Decimal32(..) => write!(
                out,
                "{}",
                array.as_primitive::<Decimal32Type>().value_as_string(row)
            ),
            DataType::Decimal64(..) => write!(
                out,
                "{}",
                array.as_primitive::<Decimal64Type>().value_as_string(row)
            ),
            DataType::Decimal128(..) => write!(
                out,
                "{}",
                array.as_primitive::<Decimal128Type>().value_as_string(row)
            ),
            DataType::Decimal256(..) => write!(
                out,
                "{}",
                array.as_primitive::<Decimal256Type>().value_as_string(row)
            ),
            DataType::Date32 => {
                push_date(out, count_of(array, row));
                Ok(())
            }
            DataType::Date64 => {
                push_date(out, count_of(array, row).div_euclid(DAY_MILLIS));
                Ok(())
            }
            DataType::Duration(_) => write!(out, "{}", count_of(array, row)),
            DataType::Timestamp(_, zone) => {
                let (times, has_zone) = match zone {
                    Some(_) => (&mut self.zoned, true),
                    None => (&mut self.plain, false),
                };
                match nanos_of(array, row) {
                    Some(nanos) => {
                        times
                            .get_or_insert_with(|| TimeText::new(has_zone))
                            .push(out, nanos);
                        Ok(())
                    }
                    // No time here; it is refused where it is read.
                    None => write!(out, "{} of a time type", count_of(array, row)),
                }
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let key = key_of(dictionary.keys(), row).filter(|&key| key < dictionary.values().len());
                let key = key.ok_or_else(|| corrupt("a dictionary lacks a value"))?;
                return self.push(out, dictionary.values().as_ref(), key);
            }
            _ => Ok(()), // Null, and what was refused before
        };
        written.expect("a vector takes any bytes");
        Ok(())
    }
}

fn key_of(keys: &dyn Array, row: usize) -> Option<usize> {
    match keys.data_type() {
        DataType::Int8 => usize::try_from(keys.as_primitive::<Int8Type>().value(row)).ok(),
        DataType::Int16 => usize::try_from(keys.as_primitive::<Int16Type>().value(row)).ok(),
        DataType::Int32 => usize::try_from(keys.as_primitive::<Int32Type>().value(row)).ok(),
        DataType::Int64 => usize::try_from(keys.as_primitive::<Int64Type>().value(row)).ok(),
        DataType::UInt8 => Some(keys.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Some(keys.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => usize::try_from(keys.as_primitive::<UInt32Type>().value(row)).ok(),
        DataType::UInt64 => usize::try_from(keys.as_primitive::<UInt64Type>().value(row)).ok(),
        _ => None,
    }
}

/// The numbers of `array`, NaN where one is missing, finite or not: where it holds just them, itself; else written into
/// `out`.
///
/// # Errors
/// The first row that holds none, and what it holds; as text, none is infinite.
pub(super) fn numbers_of<'a>(
    array: &'a dyn Array,
    numbers: &Numbers,
    out: &'a mut [f64],
) -> Result<&'a [f64], (usize, Problem)> {
    match array.data_type() {
        DataType::Float64 if array.null_count() == 0 && !numbers.has_markers() => {
            return Ok(array.as_primitive::<Float64Type>().values());
        }
        DataType::Float64 => copy::<Float64Type>(array, out, |value| value),
        DataType::Float32 => copy::<Float32Type>(array, out, f64::from),
        DataType::Float16 => copy::<Float16Type>(array, out, |value| value.to_f64()),
        DataType::Int8 => copy::<Int8Type>(array, out, f64::from),
        DataType::Int16 => copy::<Int16Type>(array, out, f64::from),
        DataType::Int32 => copy::<Int32Type>(array, out, f64::from),
        DataType::Int64 => copy::<Int64Type>(array, out, |value| value as f64),
        DataType::UInt8 => copy::<UInt8Type>(array, out, f64::from),
        DataType::UInt16 => copy::<UInt16Type>(array, out, f64::from),
        DataType::UInt32 => copy::<UInt32Type>(array, out, f64::from),
        DataType::UInt64 => copy::<UInt64Type>(array, out, |value| value as f64),
        _ => {
            let (mut text, mut cell) = (CellText::default(), Vec::new());
            for (row, out) in out.iter_mut().enumerate() {
                cell.clear();
                text.push(&mut cell, array, row)
                    .map_err(|problem| (row, problem))?;
                *out = match numbers.read(&cell) {
                    Cell::Value(value) => value,
                    Cell::Missing => f64::NAN,
                    wrong => return Err((row, wrong_cell(wrong, &cell))),
                };
            }
            return Ok(out);
        }
    }
    if numbers.has_markers() {
        for value in out.iter_mut().filter(|value| numbers.marks(**value)) {
            *value = f64::NAN;
        }
    }
    Ok(out)
}

/// Refuses the first number that is infinite: its row, and what is wrong with it.
pub(super) fn check_finite(numbers: &[f64]) -> Result<(), (usize, Problem)> {
    // All are looked at without stopping within: that goes several at once.
    let has_infinite = numbers.iter().fold(false, |any, value| any | value.is_infinite());
    if !has_infinite {
        return Ok(());
    }
    match numbers.iter().position(|value| value.is_infinite()) {
        Some(row) => {
            let found = numbers[row].to_string();
            Err((row, Problem::Infinite { found }))
        }
        None => Ok(()),
    }
}

fn copy<T: ArrowPrimitiveType>(array: &dyn Array, out: &mut [f64], number: impl Fn(T::Native) -> f64) {
    let array: &PrimitiveArray<T> = array.as_primitive();
    for (place, &value) in out.iter_mut().zip(array.values()) {
        *place = number(value);
    }
    if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
        for (place, is_valid) in out.iter_mut().zip(nulls.iter()) {
            if !is_valid {
                *place = f64::NAN;
            }
        }
    }
}

/// The problem of a cell that should hold a number.
pub(super) fn wrong_cell(wrong: Cell, cell: &[u8]) -> Problem {
    let found = shown(cell);
    match wrong {
        Cell::Infinite => Problem::Infinite { found },
        Cell::DecimalComma => Problem::DecimalComma { found },
        _ => Problem::NotANumber { found },
    }
}
