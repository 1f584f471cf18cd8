//! Where labelled data may go: rules of the operator over labels and places at which data leaves what a run keeps.
//!
//! What a component can send to others leaves for good, so nothing may go there that no rule lets go. What a person is
//! shown, and what a run gives out, stays with whoever runs it: a rule can keep data from there.

use crate::capability::Capability;
use crate::place::Place;
use palisade_model::manifest::Power;
use std::collections::BTreeSet;
use std::fmt;

/// The label of inputs that never are shown. It must be named: what is said of all labels is not said of it.
pub const SENSITIVE: &str = "sensitive";

/// A place at which data leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// A component can send it out.
    Power(Capability),
    /// A person who is asked sees it.
    Approval,
    /// It is a result of the run.
    Output,
}

/// The labels of which a rule speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labels {
    /// All but [`SENSITIVE`].
    All,
    /// These.
    These(BTreeSet<String>),
}

/// A rule of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRule {
    /// Of which labels it speaks.
    pub labels: Labels,
    /// Of which places.
    pub sinks: Vec<Sink>,
    /// Data with such a label never gets there; else it may.
    pub never: bool,
    /// Where it stands and why, for people.
    pub stated: String,
}

/// All rules of the operator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flows(Vec<FlowRule>);

/// Whether data with a label may get to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow<'f> {
    /// It may.
    Allowed,
    /// A rule keeps it.
    Kept(&'f FlowRule),
    /// No rule lets it go.
    Unsaid,
}

impl Labels {
    fn hold(&self, label: &str) -> bool {
        match self {
            Self::All => label != SENSITIVE,
            Self::These(labels) => labels.contains(label),
        }
    }
}

impl Sink {
    /// Whether a rule over this place lets all go that gets to the other.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Power(own), Self::Power(other)) => own.covers(other),
            _ => self == other,
        }
    }

    /// Whether something can get to both.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Power(own), Self::Power(other)) => {
                let both = own.meet(other);
                both.is_some_and(|both| both.places().is_none_or(|places| !places.is_empty()))
            }
            _ => self == other,
        }
    }
}

impl Sink {
    /// The places to which a component can send that may use a power so far, each by itself: one rule may speak of one and
    /// another of the next.
    #[must_use]
    pub fn of(reach: &Capability) -> Vec<Self> {
        let power = reach.power();
        match reach.places() {
            None => vec![Self::Power(reach.clone())],
            Some(places) => places.into_iter().map(|place| Self::Power(Capability::at(power, [place]))).collect(),
        }
    }

    /// The model that it is, if it is one.
    #[must_use]
    pub fn model(&self) -> Option<String> {
        let Self::Power(capability) = self else { return None };
        match capability.places()?.as_slice() {
            [Place::Llm(model)] => Some(model.clone()),
            _ => None,
        }
    }
}

/// Whether what a component gives to a power leaves for good.
#[must_use]
pub const fn is_outward(power: Power) -> bool {
    match power {
        // What is written is read by whoever comes by. A statement and its parameters go to whoever keeps the server, and stand in
        // its logs.
        Power::Http | Power::Llm | Power::FsWrite | Power::Database => true,
        // What a tool is given stays in the run, and a tool has no power. A secret is none of the run's data.
        Power::FsRead | Power::Sql | Power::Call | Power::Secret => false,
    }
}

impl Flows {
    /// These rules, in the order in which they are written.
    #[must_use]
    pub const fn new(rules: Vec<FlowRule>) -> Self {
        Self(rules)
    }

    /// The rules, in the order in which they are written.
    #[must_use]
    pub fn rules(&self) -> &[FlowRule] {
        &self.0
    }

    /// Decides: what a rule keeps stays, whatever another lets go; to where others are, nothing goes that no rule lets go.
    #[must_use]
    pub fn decide(&self, label: &str, to: &Sink) -> Flow<'_> {
        let mut speaking = self.0.iter().filter(|rule| rule.labels.hold(label));
        let keeps = |rule: &&FlowRule| rule.never && rule.sinks.iter().any(|sink| sink.meets(to));
        if let Some(keeping) = speaking.clone().find(keeps) {
            return Flow::Kept(keeping);
        }
        let lets = |rule: &FlowRule| !rule.never && rule.sinks.iter().any(|sink| sink.covers(to));
        if matches!(to, Sink::Approval | Sink::Output) || speaking.any(lets) { Flow::Allowed } else { Flow::Unsaid }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Power(capability) => {
                let power = capability.power().name();
                match capability.places() {
                    None => write!(f, "`{power}` of everything"),
                    Some(places) => {
                        let places: Vec<_> = places.iter().map(|place| format!("{power}={place}")).collect();
                        f.write_str(&places.join(", "))
                    }
                }
            }
            Self::Approval => f.write_str("a person who is asked"),
            Self::Output => f.write_str("the results of the run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn llm(model: &str) -> Sink {
        Sink::Power(Capability::at(Power::Llm, [Place::Llm(model.to_owned())]))
    }

    fn rule(labels: &[&str], sinks: Vec<Sink>, never: bool) -> FlowRule {
        let labels = if labels == ["*"] {
            Labels::All
        } else {
            Labels::These(labels.iter().map(|&label| label.to_owned()).collect())
        };
        FlowRule { labels, sinks, never, stated: "palisade.toml:1".to_owned() }
    }

    fn told(flow: Flow<'_>) -> &'static str {
        match flow {
            Flow::Allowed => "allowed",
            Flow::Kept(_) => "kept",
            Flow::Unsaid => "unsaid",
        }
    }

    fn check(rules: &[FlowRule], label: &str, sink: &Sink, expected: &str) {
        assert_eq!(told(Flows::new(rules.to_vec()).decide(label, sink)), expected, "{label} to {sink}");
    }

    #[test]
    fn nothing_leaves_that_no_rule_lets_go_and_people_see_what_no_rule_keeps() {
        check(&[], "personal", &llm("far"), "unsaid");
        check(&[], "personal", &Sink::Output, "allowed");
        check(&[], "personal", &Sink::Approval, "allowed");
        let rules = [rule(&["personal"], vec![llm("near")], false), rule(&["secret"], vec![Sink::Output], true)];
        check(&rules, "personal", &llm("near"), "allowed");
        check(&rules, "personal", &llm("far"), "unsaid");
        check(&rules, "secret", &llm("near"), "unsaid");
        check(&rules, "secret", &Sink::Output, "kept");
        check(&rules, "personal", &Sink::Output, "allowed");
    }

    #[test]
    fn what_is_kept_stays_whatever_lets_it_go() {
        let everything = Sink::Power(Capability::any(Power::Llm));
        let rules = [rule(&["*"], vec![everything.clone()], false), rule(&["personal"], vec![llm("far")], true)];
        check(&rules, "personal", &llm("far"), "kept");
        check(&rules, "personal", &llm("near"), "allowed");
        // Among everything is what is kept.
        check(&rules, "personal", &everything, "kept");
        check(&rules, "other", &everything, "allowed");
    }

    #[test]
    fn what_is_said_of_all_labels_is_not_said_of_sensitive_ones() {
        let all = [rule(&["*"], vec![llm("near")], false), rule(&["*"], vec![Sink::Output], true)];
        check(&all, SENSITIVE, &llm("near"), "unsaid");
        check(&all, SENSITIVE, &Sink::Output, "allowed");
        check(&all, "other", &Sink::Output, "kept");
        check(&[rule(&[SENSITIVE], vec![llm("near")], false)], SENSITIVE, &llm("near"), "allowed");
    }

    #[test]
    fn each_place_is_a_sink_by_itself() {
        let two = Capability::at(Power::Llm, ["a", "b"].map(|model| Place::Llm(model.to_owned())));
        assert_eq!(Sink::of(&two), [llm("a"), llm("b")]);
        assert_eq!(Sink::of(&Capability::none(Power::Llm)), []);
        assert_eq!(Sink::of(&Capability::any(Power::Http)).len(), 1);
        assert_eq!((llm("a").model().as_deref(), Sink::Output.model()), (Some("a"), None));
        assert_eq!(llm("a").to_string(), "llm=a");
    }

    proptest! {
        /// A rule more that lets go never keeps anything, and one more that keeps never lets anything go.
        #[test]
        fn rules_do_what_they_say_whatever_stands_beside_them(
            lists in proptest::collection::vec((0..3_usize, 0..3_usize, any::<bool>()), 0..6),
            label in 0..3_usize,
            model in 0..3_usize,
            more in (0..3_usize, 0..3_usize),
        ) {
            let (labels, models) = (["personal", "secret", "*"], ["a", "b", "c"]);
            let of = |(label, model, never): (usize, usize, bool)| rule(&[labels[label]], vec![llm(models[model])], never);
            let rules: Vec<_> = lists.iter().copied().map(of).collect();
            let rank = |rules: &[FlowRule]| match Flows::new(rules.to_vec()).decide(labels[label], &llm(models[model])) {
                Flow::Kept(_) => 0,
                Flow::Unsaid => 1,
                Flow::Allowed => 2,
            };
            let before = rank(&rules);
            let with = |never| [rules.clone(), vec![of((more.0, more.1, never))]].concat();
            prop_assert!(rank(&with(false)) >= before);
            prop_assert!(rank(&with(true)) <= before);
        }
    }
}
