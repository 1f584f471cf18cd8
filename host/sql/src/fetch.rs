//! How many rows are fetched at a time, so that few bytes are in memory whatever the rows are.

use crate::error::QueryError;
use crate::session::Row;
use palisade_model::sql::SqlValue;

/// Bytes of rows that one fetch should bring.
const WANTED_BYTES: usize = 256 << 10;
/// Most bytes that one fetch may bring: what came so far does not tell what comes.
const MAX_BYTES: usize = 64 << 20;
/// Bytes that a row takes beside what it holds, and each of its values: a server may send any number that hold nothing.
const AROUND: usize = size_of::<SqlValue>();
/// Rows of the first fetch.
const FIRST_ROWS: u32 = 8;
/// Most rows of a fetch.
const MAX_ROWS: u32 = 1_024;

/// The size of the next fetch of a statement, by the rows that came.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    rows: u32,
    largest: usize,
    bytes: usize,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { rows: FIRST_ROWS, largest: 1, bytes: 0 }
    }

    /// Rows to ask for.
    pub(crate) const fn rows(&self) -> u32 {
        self.rows
    }

    /// Notes a row of the fetch that goes on.
    ///
    /// # Errors
    /// When the rows of this fetch are more than may be in memory.
    pub(crate) fn note(&mut self, (values, bytes): &Row) -> Result<(), QueryError> {
        let around = values.len().saturating_add(1).saturating_mul(AROUND);
        let bytes = bytes.saturating_add(around);
        self.largest = self.largest.max(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_BYTES {
            return Err(QueryError::Invalid(format!("{} rows in a row have more than {MAX_BYTES} bytes", self.rows)));
        }
        Ok(())
    }

    /// The fetch has ended: the next brings at most twice as many rows, and no more than fit if all are as large as the
    /// largest.
    pub(crate) fn ended(&mut self) {
        let fitting = u32::try_from(WANTED_BYTES / self.largest).unwrap_or(MAX_ROWS);
        self.rows = self.rows.saturating_mul(2).min(fitting).clamp(1, MAX_ROWS);
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of one value.
    fn row(bytes: usize) -> Row {
        (vec![SqlValue::Null], bytes)
    }

    fn after(rows: &[usize]) -> u32 {
        let mut pace = Pace::new();
        for bytes in rows {
            pace.note(&row(*bytes)).unwrap();
            pace.ended();
        }
        pace.rows()
    }

    #[test]
    fn small_rows_come_by_the_thousand_and_large_ones_by_one() {
        assert_eq!(after(&[]), 8);
        assert_eq!(after(&[100]), 16);
        assert_eq!(after(&[100; 20]), 1_024);
        assert_eq!(after(&[(64 << 10) - 2 * AROUND]), 4);
        assert_eq!(after(&[64 << 10]), 3);
        assert_eq!(after(&[1 << 20]), 1);
        assert_eq!(after(&[1 << 20, 10]), 1);
    }

    #[test]
    fn one_fetch_is_bounded_whatever_came_before() {
        let mut pace = Pace::new();
        pace.note(&row(MAX_BYTES - 2 * AROUND)).unwrap();
        assert!(matches!(pace.note(&row(0)), Err(QueryError::Invalid(_))));
        pace.ended();
        pace.note(&row(0)).unwrap();
    }

    #[test]
    fn rows_that_hold_nothing_take_room_too() {
        let mut pace = Pace::new();
        let most = MAX_BYTES / AROUND;
        assert!((0..most).all(|_| pace.note(&(Vec::new(), 0)).is_ok()));
        assert!(pace.note(&(Vec::new(), 0)).is_err());
    }
}
