//! How large the documents are that a run would be given: for bounds alone, nothing of them is kept.

use crate::failure::CliError;
use crate::given::MAX_PIECE_BYTES;
use palisade_model::{ArtifactName, neutral};
use palisade_runbook::{MAX_INPUT_BYTES, Plan, PlannedInput};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// Room for what surrounds a text in its item: names, quotes, commas.
const AROUND_TEXT: u64 = 1 << 10;

/// The bytes of the items of each input of `NAME=PATH`, where NAME is an input of the plan or the schema of exactly one.
///
/// # Errors
/// When a name fits no input, an input is given twice, or a file can't be read or is too large.
pub(crate) fn input_bytes(
    plan: &Plan,
    given: &[String],
    folder: &Path,
) -> Result<BTreeMap<ArtifactName, u64>, CliError> {
    let mut sizes = BTreeMap::new();
    for text in given {
        let shown = neutral::line(text, 200);
        let wrong = |what: String| CliError::usage(format!("--input {shown}: {what}"));
        let (name, path) = text.split_once('=').ok_or_else(|| wrong("the form is NAME=PATH".to_owned()))?;
        let input = find(plan, name).map_err(wrong)?;
        let bytes = bytes_of(&folder.join(path)).map_err(wrong)?;
        if sizes.insert(input.name.clone(), bytes).is_some() {
            return Err(wrong(format!("the input `{}` is given twice", input.name)));
        }
    }
    Ok(sizes)
}

fn find<'p>(plan: &'p Plan, name: &str) -> Result<&'p PlannedInput, String> {
    let key = name.to_lowercase();
    if let Some(input) = plan.inputs.iter().find(|input| input.name.key() == key) {
        return Ok(input);
    }
    let fitting: Vec<_> = plan.inputs.iter().filter(|input| input.schema.name() == name).collect();
    match fitting.as_slice() {
        [one] => Ok(one),
        [] if plan.inputs.is_empty() => Err("the runbook takes no inputs".to_owned()),
        [] => {
            let known: Vec<String> = plan.inputs.iter().map(|input| format!("`{}`", input.name)).collect();
            Err(format!("the runbook has no such input; it takes {}", known.join(", ")))
        }
        [first, second, ..] => {
            Err(format!("`{}` and `{}` both have that schema: name one of them", first.name, second.name))
        }
    }
}

fn bytes_of(path: &Path) -> Result<u64, String> {
    let unreadable = |error: std::io::Error| format!("the file can't be read: {error}");
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    let is_document = path.extension().is_some_and(|extension| extension == "json");
    let most = if is_document { MAX_INPUT_BYTES } else { MAX_PIECE_BYTES };
    if metadata.len() > most {
        return Err(format!("the file is larger than {}", palisade_model::unit::Bytes(most)));
    }
    if is_document {
        return Ok(metadata.len());
    }
    // A text becomes a JSON string, in which some characters take more room.
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_PIECE_BYTES).read_to_end(&mut text).map_err(unreadable)?;
    let written = serde_json::to_string(&String::from_utf8_lossy(&text)).map_or(0, |json| json.len() as u64);
    Ok(written.saturating_add(AROUND_TEXT))
}
