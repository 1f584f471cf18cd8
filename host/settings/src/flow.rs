//! `[[flow]]` and `[[declassify]]`: where labelled data may go, and whose results no longer have a label.

use crate::file::Place;
use crate::grant::{each, reason, target};
use crate::table::Reader;
use crate::target::{Names, Target};
use palisade_authority::{Capability, FlowRule, Labels, Sink, is_outward};
use palisade_model::neutral;
use palisade_runbook::Spanned;
use std::collections::BTreeSet;
use toml::de::DeTable;

const FLOW: &str = "[[flow]]";
const DECLASSIFY: &str = "[[declassify]]";
/// What stands for all labels but the one of sensitive inputs.
const ALL: &str = "*";

/// A `[[declassify]]`. It counts for the bytes that a person accepted, which is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclassifyTable {
    /// Of which component.
    pub component: Target,
    /// What it makes of data with these labels does not have them.
    pub labels: BTreeSet<String>,
    /// Why, for people; neutralised.
    pub reason: String,
    /// The line of the table.
    pub line: usize,
}

pub(crate) fn read_flows(r: &mut Reader<'_>, file: &DeTable<'_>, place: &Place) -> Vec<FlowRule> {
    let mut rules = Vec::new();
    for (table, at) in r.sections(file, "flow") {
        r.check_keys(FLOW, table, &["labels", "to", "never_to", "reason"]);
        let labels = labels(r, FLOW, table, &at);
        let why = reason(r, FLOW, table);
        let why = why.map_or_else(String::new, |reason| format!(": {reason}"));
        let stated = format!("palisade.toml:{}{why}", r.line(&at));
        let (to, never_to) = (r.texts(FLOW, table, "to"), r.texts(FLOW, table, "never_to"));
        let (written, never) = match (to, never_to) {
            (Some(written), None) => (written, false),
            (None, Some(written)) => (written, true),
            (Some(_), Some(_)) => {
                r.wrong(at, format!("{FLOW} has both `to` and `never_to`: write two tables"), None);
                continue;
            }
            (None, None) => {
                if !["to", "never_to"].iter().any(|key| table.contains_key(*key)) {
                    let message =
                        format!("{FLOW} says nothing: `to` or `never_to` lists places, as `to = [\"llm=local\"]`");
                    r.wrong(at, message, None);
                }
                continue;
            }
        };
        let sinks = sinks(r, &written, place);
        if written.is_empty() {
            r.wrong(at, format!("{FLOW} lists no place"), None);
        }
        if let Some(labels) = labels {
            let labels = if labels.contains(ALL) { Labels::All } else { Labels::These(labels) };
            rules.push(FlowRule { labels, sinks, never, stated });
        }
    }
    rules
}

fn sinks(r: &mut Reader<'_>, written: &[Spanned<String>], place: &Place) -> Vec<Sink> {
    let mut sinks = Vec::new();
    let mut powers = Vec::new();
    for text in written {
        match text.value.as_str() {
            "approval" => sinks.push(Sink::Approval),
            "output" => sinks.push(Sink::Output),
            _ => powers.push(text.clone()),
        }
    }
    let read =
        each(r, &powers, |text, _| Capability::parse_destination_in(&place.folder, &place.base, text.as_bytes()));
    for (text, capability) in powers.iter().zip(&read) {
        if !is_outward(capability.power()) {
            let message = format!("nothing leaves through `{}`", capability.power().name());
            let help = "`http` and `llm` lead out, `approval` and `output` to people".to_owned();
            r.wrong(text.span.start..text.span.end, message, Some(help));
        }
    }
    sinks.extend(read.into_iter().map(Sink::Power));
    sinks
}

pub(crate) fn read_declassified(r: &mut Reader<'_>, file: &DeTable<'_>, names: Names<'_>) -> Vec<DeclassifyTable> {
    let mut tables = Vec::new();
    for (table, at) in r.sections(file, "declassify") {
        r.check_keys(DECLASSIFY, table, &["component", "labels", "reason"]);
        let component = r.needed_text(DECLASSIFY, table, &at, "component");
        let component = component.and_then(|name| target(r, &name, names));
        let labels = labels(r, DECLASSIFY, table, &at);
        let line = r.line(&at);
        let reason = r.needed_text(DECLASSIFY, table, &at, "reason").map(|text| neutral::line(&text.value, 200));
        if labels.as_ref().is_some_and(|labels| labels.contains(ALL)) {
            r.wrong(at, format!("{DECLASSIFY} names each label: `{ALL}` is for {FLOW} alone"), None);
            continue;
        }
        if let (Some(component), Some(labels), Some(reason)) = (component, labels, reason) {
            tables.push(DeclassifyTable { component, labels, reason, line });
        }
    }
    tables
}

/// The labels of which a table speaks, which must be there.
fn labels(r: &mut Reader<'_>, of: &str, table: &DeTable<'_>, at: &std::ops::Range<usize>) -> Option<BTreeSet<String>> {
    let list = r.texts(of, table, "labels");
    if !table.contains_key("labels") || list.as_ref().is_some_and(Vec::is_empty) {
        r.wrong(
            at.clone(),
            format!("{of} speaks of nothing: `labels` lists labels, as `labels = [\"personal\"]`"),
            None,
        );
        return None;
    }
    Some(list?.into_iter().map(|text| text.value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::{check, read_text};

    #[test]
    fn flows_name_labels_and_places() {
        let file = read_text(
            "[[flow]]\nlabels = [\"personal\", \"acme:crm\"]\nto = [\"llm=local\", \"output\"]\nreason = \"contract\"\n\
             [[flow]]\nlabels = [\"*\"]\nnever_to = [\"approval\"]\n\
             [[declassify]]\ncomponent = \"acme:anonymiser\"\nlabels = [\"personal\"]\nreason = \"k-anonymity\"\n",
        )
        .unwrap();
        let [first, second] = file.flows.rules() else { panic!("{:?}", file.flows) };
        let named = BTreeSet::from(["acme:crm".to_owned(), "personal".to_owned()]);
        assert_eq!((&first.labels, first.never), (&Labels::These(named), false));
        assert_eq!(first.sinks[0], Sink::Output);
        assert_eq!(first.sinks[1].to_string(), "llm=local");
        assert_eq!(first.stated, "palisade.toml:1: contract");
        assert_eq!((&second.labels, second.never, &second.sinks), (&Labels::All, true, &vec![Sink::Approval]));
        let [declassified] = file.declassified.as_slice() else { panic!("{:?}", file.declassified) };
        assert_eq!((declassified.line, declassified.reason.as_str()), (8, "k-anonymity"));
    }

    #[test]
    fn what_is_wrong_with_a_flow_is_told_at_its_place() {
        check(
            "[[flow]]\nto = [\"output\"]\n[[flow]]\nlabels = [\"a\"]\n[[flow]]\nlabels = [\"a\"]\nto = [\"fs-read=x\", \"outputs\"]\n\
             [[declassify]]\ncomponent = \"acme:x\"\nlabels = [\"*\"]\n",
            &[
                "1:1: [[flow]] speaks of nothing: `labels` lists labels, as `labels = [\"personal\"]`",
                "3:1: [[flow]] says nothing: `to` or `never_to` lists places, as `to = [\"llm=local\"]`",
                "7:7: nothing leaves through `fs-read` (`http` and `llm` lead out, `approval` and `output` to people)",
                "7:20: `outputs` is not a capability: that is a power, `=` and a place, as in `fs-read=PATH`",
                "8:1: [[declassify]] needs a `reason`",
                "8:1: [[declassify]] names each label: `*` is for [[flow]] alone",
            ],
        );
    }
}
