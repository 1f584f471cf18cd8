//! Events of a run as they were read, all bytes in one piece: a long journal is read by a thread and checked by others, and
//! would cost two allocations for each event that end on another thread than they began.

use crate::journal::{Head, JournalEvent, VerifyError};
use palisade_model::{Digest, RunId};

/// Events in a row.
#[derive(Debug, Default)]
pub struct Page {
    /// Kind and bytes of each event, one behind the other.
    text: Vec<u8>,
    places: Vec<Place>,
}

/// An event, and how long its parts of the text are.
#[derive(Debug)]
struct Place {
    head: Head,
    kind: usize,
    bytes: usize,
}

/// An event as it lies in the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'r> {
    head: Head,
    kind: &'r [u8],
    bytes: &'r [u8],
}

impl<'r> Row<'r> {
    pub(crate) fn read(row: &'r rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let head = Head { seq: row.get::<_, i64>(0)?.cast_unsigned(), hash: Digest::from_bytes(row.get(3)?) };
        Ok(Self { head, kind: row.get_ref(1)?.as_bytes()?, bytes: row.get_ref(2)?.as_bytes()? })
    }

    pub(crate) fn into_event(self) -> JournalEvent {
        let Head { seq, hash } = self.head;
        JournalEvent { seq, kind: String::from_utf8_lossy(self.kind).into_owned(), bytes: self.bytes.to_vec(), hash }
    }
}

/// Reads number, kind, bytes and hash.
pub(crate) fn read_event(row: &rusqlite::Row<'_>) -> rusqlite::Result<JournalEvent> {
    Row::read(row).map(Row::into_event)
}

impl Page {
    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.places.len()
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The numbers and bytes of the events, in order.
    pub fn events(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.rows().map(|row| (row.head.seq, row.bytes))
    }

    pub(crate) fn push(&mut self, row: Row<'_>) {
        self.text.extend_from_slice(row.kind);
        self.text.extend_from_slice(row.bytes);
        self.places.push(Place { head: row.head, kind: row.kind.len(), bytes: row.bytes.len() });
    }

    /// The last event.
    pub(crate) fn head(&self) -> Option<Head> {
        self.places.last().map(|place| place.head)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut text = self.text.as_slice();
        self.places.iter().map_while(move |place| {
            let kind = text.split_off(..place.kind)?;
            let bytes = text.split_off(..place.bytes)?;
            Some(Row { head: place.head, kind, bytes })
        })
    }

    /// How many events are what was written behind `head`, and what is wrong with the next.
    pub(crate) fn sound(&self, run: RunId, mut head: Head) -> (usize, Option<VerifyError>) {
        for (index, row) in self.rows().enumerate() {
            let next = head.after(row.kind, row.bytes);
            if row.head.seq != next.seq {
                return (index, Some(VerifyError::Gap { run, expected: next.seq }));
            }
            if row.head.hash != next.hash {
                return (index, Some(VerifyError::Changed { run, seq: next.seq }));
            }
            head = next;
        }
        (self.len(), None)
    }
}
