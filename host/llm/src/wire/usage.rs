//! How many tokens a provider says it counted, where that can be believed.

use serde_json::Value;

/// A number of tokens. What is absent is none, what is no whole number can't be believed.
fn count(usage: &Value, names: &[&str]) -> Option<u64> {
    let mut sum = 0_u64;
    let mut known = false;
    for name in names {
        match usage.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => {
                sum = sum.checked_add(value.as_u64()?)?;
                known = true;
            }
        }
    }
    known.then_some(sum)
}

/// Tokens read and written. No question has no tokens, and no text; who says so is not believed.
pub(super) fn tokens(usage: &Value, read: &[&str], written: &[&str], content: &str) -> (Option<u64>, Option<u64>) {
    let read = count(usage, read).filter(|&count| count > 0);
    let written = count(usage, written).filter(|&count| count > 0 || content.is_empty());
    (read, written)
}
