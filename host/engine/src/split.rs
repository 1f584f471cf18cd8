//! How the inputs of a step are spread over several instances: into parts that follow each other.

use palisade_model::limits::worthwhile_parts;
use palisade_store::{ItemsReader, Part};

/// Which items of which input an instance reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Index of the input.
    pub(crate) input: usize,
    /// Its items.
    pub(crate) part: Part,
}

/// How many parts are worth while for that many bytes.
pub(crate) fn worthwhile(bytes: u64, most: usize) -> usize {
    usize::try_from(worthwhile_parts(bytes, most as u64)).unwrap_or(most)
}

/// Cuts inputs, taken one behind the other, into at most `parts` parts of about equal length. Together the parts hold
/// every item once, in order; each has at least one piece unless there are no items at all.
///
/// # Errors
/// When an input can't be read.
pub(crate) fn split(
    inputs: &mut [(usize, ItemsReader)],
    parts: usize,
) -> Result<Vec<Vec<Piece>>, palisade_store::Fault> {
    let total: u64 = inputs.iter().map(|(_, reader)| reader.range().length()).sum();
    let mut split: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut passed = 0;
    for (input, reader) in inputs {
        for part in reader.split(parts)? {
            // A piece goes where its middle lies.
            let middle = passed + part.length() / 2;
            let wanted = u128::from(middle) * parts as u128 / u128::from(total.max(1));
            while (split.len() as u128) <= wanted && split.last().is_some_and(|last| !last.is_empty()) {
                split.push(Vec::new());
            }
            passed += part.length();
            if let Some(last) = split.last_mut() {
                last.push(Piece { input: *input, part });
            }
        }
    }
    Ok(split)
}
