//! `[approval]`: whose yes counts for runbooks that steps make.

use crate::table::Reader;
use palisade_model::unit::Millis;
use palisade_runbook::suggestion;
use toml::de::DeTable;

const OF: &str = "[approval]";
/// Which runbooks wait for a person, as it is written: those beyond what their step approves beforehand, or all.
const RUNBOOKS: [&str; 2] = ["beyond-bound", "always"];

/// What the operator says of approvals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Approval {
    /// Every runbook that a step makes waits for a person, whatever its step approves beforehand.
    pub always: bool,
    /// Who started a run does not approve anything of it.
    pub four_eyes: bool,
    /// How long such a runbook waits; none = for ever.
    pub expires: Option<Millis>,
}

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Approval {
    let Some(table) = r.section(file, "approval") else { return Approval::default() };
    r.check_keys(OF, table, &["runbooks", "four_eyes", "expires"]);
    let runbooks = r.text(OF, table, "runbooks");
    if let Some(text) = runbooks.as_ref().filter(|text| !RUNBOOKS.contains(&text.value.as_str())) {
        let help = suggestion(&text.value, RUNBOOKS);
        r.wrong(text.span.start..text.span.end, format!("`{}` is nothing for `runbooks` of {OF}", text.value), help);
    }
    let expires = table
        .get("expires")
        .and_then(|value| r.amount("`expires` of [approval]", value, |text| Ok(Millis::parse(text)?.0)).map(Millis));
    let four_eyes = r.flag(OF, table, "four_eyes").unwrap_or(false);
    Approval { always: runbooks.is_some_and(|text| text.value == "always"), four_eyes, expires }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::{check, read_text};

    #[test]
    fn approvals_are_as_loose_as_the_operator_says_and_no_looser() {
        assert_eq!(read_text("").unwrap().approval, Approval::default());
        let text = "[approval]\nrunbooks = \"always\"\nfour_eyes = true\nexpires = \"7d\"\n";
        let strict = Approval { always: true, four_eyes: true, expires: Some(Millis(7 * 86_400_000)) };
        assert_eq!(read_text(text).unwrap().approval, strict);
        check(
            "[approval]\nrunbooks = \"alway\"\nfour_eyes = 1\n",
            &[
                "2:12: `alway` is nothing for `runbooks` of [approval] (did you mean `always`?)",
                "3:13: `four_eyes` of [approval] is neither true nor false",
            ],
        );
    }
}
