//! `[approval]`: whose yes counts for runbooks that steps make.

use crate::table::Reader;
use palisade_audit::VerifyingKey;
use palisade_model::unit::Millis;
use palisade_runbook::suggestion;
use toml::de::DeTable;

const OF: &str = "[approval]";
/// Which runbooks wait for a person, as it is written: those beyond what their step approves beforehand, or all.
const RUNBOOKS: [&str; 2] = ["beyond-bound", "always"];

/// What the operator says of approvals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Approval {
    /// Every runbook that a step makes waits for a person, whatever its step approves beforehand.
    pub always: bool,
    /// Who started a run does not approve anything of it.
    pub four_eyes: bool,
    /// How long such a runbook waits; none = for ever.
    pub expires: Option<Millis>,
    /// Whose answers count, by their keys; none = those of whoever can write the data directory.
    pub approvers: Vec<VerifyingKey>,
}

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Approval {
    let Some(table) = r.section(file, "approval") else { return Approval::default() };
    r.check_keys(OF, table, &["runbooks", "four_eyes", "expires", "approvers"]);
    let runbooks = r.text(OF, table, "runbooks");
    if let Some(text) = runbooks.as_ref().filter(|text| !RUNBOOKS.contains(&text.value.as_str())) {
        let help = suggestion(&text.value, RUNBOOKS);
        r.wrong(text.span.start..text.span.end, format!("`{}` is nothing for `runbooks` of {OF}", text.value), help);
    }
    let expires = table
        .get("expires")
        .and_then(|value| r.amount("`expires` of [approval]", value, |text| Ok(Millis::parse(text)?.0)).map(Millis));
    let four_eyes = r.flag(OF, table, "four_eyes").unwrap_or(false);
    let mut approvers: Vec<VerifyingKey> = Vec::new();
    for written in r.texts(OF, table, "approvers").unwrap_or_default() {
        let at = written.span.start..written.span.end;
        match written.value.parse::<VerifyingKey>() {
            Ok(key) if approvers.iter().any(|known| known.name() == key.name()) => {
                r.wrong(at, format!("`approvers` of {OF} lists `{}` twice", key.name()), None);
            }
            Ok(key) => approvers.push(key),
            Err(error) => {
                let help = "`palisade approvals key NAME --out FILE` makes one".to_owned();
                r.wrong(at, format!("`approvers` of {OF}: {error}"), Some(help));
            }
        }
    }
    if let Some(value) = table.get("four_eyes").filter(|_| four_eyes && approvers.len() < 2) {
        let help = "list them in `approvers`: what users of this system are called proves nothing".to_owned();
        r.wrong(value.span(), format!("`four_eyes` of {OF} needs the keys of two approvers or more"), Some(help));
    }
    Approval { always: runbooks.is_some_and(|text| text.value == "always"), four_eyes, expires, approvers }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::{check, read_text};
    use palisade_audit::SigningKey;

    #[test]
    fn approvals_are_as_loose_as_the_operator_says_and_no_looser() {
        assert_eq!(read_text("").unwrap().approval, Approval::default());
        let key = |name: &str, seed: u8| SigningKey::from_seed(name, [seed; 32]).unwrap().verifying();
        let (ann, bob) = (key("ann", 1), key("bob", 2));
        let text = format!(
            "[approval]\nrunbooks = \"always\"\nfour_eyes = true\nexpires = \"7d\"\napprovers = [\"{ann}\", \"{bob}\"]\n"
        );
        let (expires, approvers) = (Some(Millis(7 * 86_400_000)), vec![ann.clone(), bob]);
        let strict = Approval { always: true, four_eyes: true, expires, approvers };
        assert_eq!(read_text(&text).unwrap().approval, strict);
        check(
            &format!("[approval]\nfour_eyes = true\napprovers = [\"{ann}\", \"{}\", \"eve\"]\n", key("ann", 3)),
            &[
                "2:13: `four_eyes` of [approval] needs the keys of two approvers or more (list them in `approvers`: what users of this system are called proves nothing)",
                "3:75: `approvers` of [approval] lists `ann` twice",
                "3:136: `approvers` of [approval]: it is no Ed25519 key of a signed note: it has not three parts (`palisade approvals key NAME --out FILE` makes one)",
            ],
        );
        check(
            "[approval]\nrunbooks = \"alway\"\nfour_eyes = 1\n",
            &[
                "2:12: `alway` is nothing for `runbooks` of [approval] (did you mean `always`?)",
                "3:13: `four_eyes` of [approval] is neither true nor false",
            ],
        );
    }
}
