//! Owns an item that is JSON before it is emitted.

use serde::Serialize;

use crate::{Failure, Result, json};

/// An item as one line of JSON: for those who must know its size first, or hold it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(Vec<u8>);

impl Line {
    /// Makes an item into a line. Fails if `T` is not an object that serde can write.
    pub fn of<T: Serialize + ?Sized>(item: &T) -> Result<Self> {
        let mut bytes = Vec::new();
        json::write(&mut bytes, item).map_err(|error| Failure::failed(format!("item: {error}")))?;
        Ok(Self(bytes))
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
