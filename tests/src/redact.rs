//! Makes output comparable: what differs from call to call gets a name in brackets.

use regex::Regex;
use std::path::Path;

/// Replaces the folder, run ids, digests, keys, signatures, users, times, durations and memory amounts.
///
/// # Panics
/// Never: the patterns are constants.
#[must_use]
pub fn redact(text: &str, dir: &Path) -> String {
    // As the kernel has it first: it may be the longer one. A folder that is not there has one name only.
    let text = match dir.canonicalize() {
        Ok(real) => text.replace(&real.display().to_string(), "[DIR]"),
        Err(_) => text.to_owned(),
    };
    let text = text.replace(&dir.display().to_string(), "[DIR]");
    let patterns = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[RUN]"),
        (r"\b[0-9a-f]{64}\b", "[DIGEST]"),
        // Shortened digests stand behind what they are of.
        (r"((?:@\d+\.\d+\.\d+|plan|component|→|\d+\.\d+\.\d+) +)[0-9a-f]{12}\b", "$1[DIGEST]"),
        // What the audit log signs with, and what it signs.
        (r"palisade/[0-9a-f]{16}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}", "[KEY]"),
        (r"palisade/[0-9a-f]{16}\b", "[LOG]"),
        (r"(— \[LOG\]) [A-Za-z0-9+/]{91}=", "$1 [SIGNATURE]"),
        (r"[A-Za-z0-9+/]{43}=", "[HASH]"),
        (r"\bby \S+ \(unauthenticated\)", "by [USER] (unauthenticated)"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
        (r"\b\d+(\.\d+)? (ms|s|min)\b", "[DURATION]"),
        (r"\b\d+(\.\d+)? (KiB|MiB|GiB)/s", "[SPEED]"),
    ];
    patterns.iter().fold(text, |text, (pattern, name)| {
        Regex::new(pattern).expect("a constant pattern").replace_all(&text, *name).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_gets_a_name() {
        let text = "run 01920000-0000-7000-8000-000000000000 took 1.5 s at 2026-01-02T03:04:05.678Z in /not/there/y";
        assert_eq!(redact(text, Path::new("/not/there")), "run [RUN] took [DURATION] at [TIME] in [DIR]/y");
    }
}
