//! The option that would allow what was denied.

/// As a person types it, whether it was recorded with its `--allow` or without.
pub(crate) fn option(allow: &str) -> String {
    if allow.starts_with("--allow") { allow.to_owned() } else { format!("--allow {allow}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_written_once() {
        assert_eq!(option("fs-read=/x"), "--allow fs-read=/x");
        assert_eq!(option("--allow fs-read=/x"), "--allow fs-read=/x");
    }
}
