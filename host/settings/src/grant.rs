//! `[[grant]]` and `[[deny]]`: what components may use, and what they may not whatever else is allowed.

use crate::file::Place;
use crate::table::Reader;
use crate::target::{Names, Target};
use palisade_authority::{Deny, Grant, ParseCapabilityError};
use palisade_model::manifest::Power;
use palisade_model::{ComponentId, neutral};
use palisade_runbook::{Spanned, suggestion};
use semver::Version;
use std::ops::Range;
use toml::de::DeTable;

/// What stands for every component in a deny.
const EVERYONE: &str = "*";
/// Most characters of a reason.
const MAX_REASON_CHARS: usize = 200;

/// A `[[grant]]`. It counts for the bytes that a person accepted, which is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantTable {
    /// To which component.
    pub component: Target,
    /// What it may use, each with its place in the file.
    pub allow: Vec<Grant>,
    /// The same as it is written.
    pub written: Vec<String>,
    /// Why, for people; neutralised.
    pub reason: Option<String>,
    /// The line of the table.
    pub line: usize,
}

/// A `[[deny]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyTable {
    /// For which component; none = for all.
    pub component: Option<Target>,
    /// What is forbidden, each with its place in the file.
    pub deny: Vec<Deny>,
    /// The same as it is written.
    pub written: Vec<String>,
    /// Why, for people; neutralised.
    pub reason: Option<String>,
    /// The line of the table.
    pub line: usize,
}

impl DenyTable {
    /// Says whether it forbids something to that version of that component.
    #[must_use]
    pub fn concerns(&self, id: &ComponentId, version: &Version) -> bool {
        self.component.as_ref().is_none_or(|target| target.means(id, version))
    }
}

pub(crate) fn read_grants(r: &mut Reader<'_>, file: &DeTable<'_>, place: &Place, names: Names<'_>) -> Vec<GrantTable> {
    const OF: &str = "[[grant]]";
    let mut grants = Vec::new();
    for (table, at) in r.sections(file, "grant") {
        r.check_keys(OF, table, &["component", "allow", "reason"]);
        let component = r.needed_text(OF, table, &at, "component").and_then(|name| {
            if name.value == EVERYONE {
                let span = name.span.start..name.span.end;
                r.wrong(span, "a grant names one component; `*` is for denies alone", None);
                return None;
            }
            target(r, &name, names)
        });
        let written = stated(r, OF, table, &at, "allow");
        let allow = each(r, &written, |text, line| {
            Grant::parse_in(&place.folder, &place.base, text.as_bytes(), format!("palisade.toml:{line}"))
        });
        let (reason, line) = (reason(r, OF, table), r.line(&at));
        let written = written.into_iter().map(|text| text.value).collect();
        grants.extend(component.map(|component| GrantTable { component, allow, written, reason, line }));
    }
    grants
}

pub(crate) fn read_denies(r: &mut Reader<'_>, file: &DeTable<'_>, place: &Place, names: Names<'_>) -> Vec<DenyTable> {
    const OF: &str = "[[deny]]";
    let mut denies = Vec::new();
    for (table, at) in r.sections(file, "deny") {
        r.check_keys(OF, table, &["component", "deny", "reason"]);
        let component = match r.text(OF, table, "component") {
            None if table.get("component").is_some() => continue,
            None => None,
            Some(name) if name.value == EVERYONE => None,
            Some(name) => match target(r, &name, names) {
                Some(target) => Some(target),
                None => continue,
            },
        };
        let reason = reason(r, OF, table);
        let written = stated(r, OF, table, &at, "deny");
        let deny = each(r, &written, |text, line| {
            let because = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            Deny::parse_in(&place.folder, &place.base, text.as_bytes(), &format!("palisade.toml:{line}{because}"))
        });
        let (deny, line) = (deny.into_iter().flatten().collect(), r.line(&at));
        let written = written.into_iter().map(|text| text.value).collect();
        denies.push(DenyTable { component, deny, written, reason, line });
    }
    denies
}

pub(crate) fn reason(r: &mut Reader<'_>, of: &str, table: &DeTable<'_>) -> Option<String> {
    r.text(of, table, "reason").map(|text| neutral::line(&text.value, MAX_REASON_CHARS))
}

/// The component that a table names; a name that stands for none is told.
pub(crate) fn target(r: &mut Reader<'_>, name: &Spanned<String>, names: Names<'_>) -> Option<Target> {
    let told = |(message, help): (String, _)| r.wrong(name.span.start..name.span.end, message, help);
    names.resolve(&name.value).map_err(told).ok()
}

/// The list of capabilities under a key, which must be there and not be empty.
fn stated(r: &mut Reader<'_>, of: &str, table: &DeTable<'_>, at: &Range<usize>, key: &str) -> Vec<Spanned<String>> {
    let list = r.texts(of, table, key);
    if table.get(key).is_none() || list.as_ref().is_some_and(Vec::is_empty) {
        let example = format!("as `{key} = [\"fs-read=data\"]`");
        r.wrong(at.clone(), format!("{of} says nothing: `{key}` lists capabilities, {example}"), None);
    }
    list.unwrap_or_default()
}

/// Reads each capability; what is none is told where it stands.
pub(crate) fn each<T>(
    r: &mut Reader<'_>,
    written: &[Spanned<String>],
    read: impl Fn(&str, usize) -> Result<T, ParseCapabilityError>,
) -> Vec<T> {
    let mut all = Vec::new();
    for text in written {
        match read(&text.value, text.span.line) {
            Ok(one) => all.push(one),
            Err(error) => {
                let help = match &error {
                    ParseCapabilityError::UnknownPower { name } => {
                        // The error lists what is known already.
                        suggestion(name, Power::LINKED.iter().map(|power| power.name()))
                            .filter(|help| help.starts_with("did"))
                    }
                    _ => None,
                };
                r.wrong(text.span.start..text.span.end, palisade_model::causes(&error), help);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::file::tests::{check, read_text};

    const BOTH: &str = "\
[aliases]
reader = \"acme:reader\"

[[grant]]
component = \"reader\"
allow = [
  \"fs-read=data/policies\",
  \"sql=crm.db\",
]
reason = \"the privacy team, 3 May\"

[[deny]]
deny = [\"fs-read=hr\"]
reason = \"works council\"

[[deny]]
component = \"filesystem\"
deny = [\"fs-read=runs/x\"]
";

    #[test]
    fn each_capability_has_its_place_and_is_relative_to_the_file() {
        let file = read_text(BOTH).unwrap();
        let grant = &file.grants[0];
        assert_eq!((grant.component.to_string().as_str(), grant.line), ("acme:reader", 4));
        let said: Vec<_> = grant
            .allow
            .iter()
            .map(|allow| {
                let places = allow.capability().places().unwrap();
                let trees: Vec<_> = places.iter().map(ToString::to_string).collect();
                (allow.stated().to_owned(), trees.join(" "))
            })
            .collect();
        let expected = [("palisade.toml:7", "/w/data/policies"), ("palisade.toml:8", "/w/crm.db")];
        assert_eq!(said, expected.map(|(place, path)| (place.to_owned(), path.to_owned())));
        let denies: Vec<_> = file
            .denies
            .iter()
            .map(|table| {
                let of = table.component.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string);
                (of, table.deny[0].stated().to_owned(), table.deny[0].place())
            })
            .collect();
        let expected =
            [("*", "palisade.toml:13: works council", "/w/hr"), ("palisade:filesystem", "palisade.toml:18", "x")];
        assert_eq!(denies, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    }

    #[test]
    fn what_is_wrong_with_a_grant_is_told_at_its_place() {
        let grant = |rest: &str| format!("[[grant]]\n{rest}");
        check(
            &grant("componant = \"acme:x\"\nallow = [\"fs-read=a\"]\n"),
            &["1:1: [[grant]] needs a `component`", "2:1: [[grant]] has no `componant` (did you mean `component`?)"],
        );
        check(
            &grant("component = \"*\"\nallow = [\"fs-read=a\"]\n"),
            &["2:13: a grant names one component; `*` is for denies alone"],
        );
        check(
            &grant("component = \"acme:x\"\n"),
            &["1:1: [[grant]] says nothing: `allow` lists capabilities, as `allow = [\"fs-read=data\"]`"],
        );
        check(
            &grant("component = \"acme:x\"\nallow = [\"fs-raed=a\", \"sql\", \"sql=\", \"fs-read=a/.palisade\"]\n"),
            &[
                "3:10: `fs-raed` is not a power; known are `fs-read`, `fs-write`, `sql`, `database`, `http`, `llm`, `call` and `secret` (did you mean `fs-read`?)",
                "3:23: `sql` is not a capability: that is a power, `=` and a place, as in `fs-read=PATH`",
                "3:30: the path of `sql` can't be used: the path is empty",
                "3:38: `/w/a/.palisade` lies in Palisade's own folder; nothing there can be granted",
            ],
        );
        check(
            &grant("component = \"filesytem\"\nallow = [\"fs-read=a\"]\n"),
            &["2:13: `filesytem` is neither an id, as `acme:reader`, nor an alias (did you mean `filesystem`?)"],
        );
        check(
            "[[deny]]\ndeny = []\n",
            &["1:1: [[deny]] says nothing: `deny` lists capabilities, as `deny = [\"fs-read=data\"]`"],
        );
        check("[[deny]]\ncomponent = \"*\"\ndeny = [\"fs-read=a\"]\n", &[]);
    }
}
