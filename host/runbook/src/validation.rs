//! `llm_validation` of the artifacts form as what it is here: a step of its own, which a model's answers go through.
//!
//! The analysers themselves ask no model, so they need no grant for one, stay pure and are remembered between runs. What
//! was found before a model looked is an artifact of its own, `NAME-unvalidated`.

use crate::runbook::{Call, Form, Inputs, Outputs, Runbook, Step, Work};
use crate::source::Spanned;
use crate::yaml::{Data, Entry, Node};
use palisade_model::id::ComponentName;
use palisade_model::llm::LlmSettings;
use palisade_model::{ArtifactName, LimitKind};
use palisade_schema::lax;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The property, and what in it says that it is wanted.
const PROPERTY: (&str, &str) = ("llm_validation", "enable_llm_validation");
/// The components that have it, and what has a model look at their findings.
const VALIDATORS: [(&str, &str); 4] = [
    ("personal_data", "palisade:personal_data_validator"),
    ("data_subject", "palisade:data_subject_validator"),
    ("processing_purpose", "palisade:processing_purpose_validator"),
    (CLASSIFIER, "palisade:gdpr_data_subject_validator"),
];
/// The one whose validator reads its ruleset, too: that says what a model is to look for.
const CLASSIFIER: &str = "gdpr_data_subject_classifier";
const RULESET: &str = "ruleset";
/// The limits of an artifact that are those of asking.
const OF_ASKING: [LimitKind; 3] = [LimitKind::LlmCalls, LimitKind::LlmTokens, LimitKind::LlmCost];

/// The runbook with a step behind each analyser whose findings a model is to look at. Without a model to ask they are
/// kept as they are, as the other framework does.
pub(crate) fn with_validators<'r>(runbook: &'r Runbook, models: &LlmSettings) -> Cow<'r, Runbook> {
    let is_wanted = runbook.form == Form::Artifacts && runbook.steps.iter().any(|step| wanted(step).is_some());
    if !is_wanted || models.default_model.is_none() {
        return Cow::Borrowed(runbook);
    }
    let mut runbook = runbook.clone();
    let inputs = runbook.inputs.iter().map(|input| input.name.value.key());
    let artifacts = runbook.steps.iter().flat_map(Step::artifacts).map(|name| name.value.key());
    let mut taken: BTreeSet<String> = inputs.chain(artifacts).collect();
    for step in std::mem::take(&mut runbook.steps) {
        let validated = wanted(&step).and_then(|(validator, settings)| {
            let found = beside(&step.id, "unvalidated", &mut taken)?;
            let review = beside(&step.id, "review", &mut taken)?;
            Some(validation(&step, found, review, call(&step, validator, settings)?))
        });
        match validated {
            Some(steps) => runbook.steps.extend(steps),
            None => runbook.steps.push(step),
        }
    }
    Cow::Owned(runbook)
}

/// What has a model look at the findings of a step, and with which settings, if one is to.
fn wanted(step: &Step) -> Option<(&'static str, &Entry)> {
    let Work::Process(call) = &step.work else { return None };
    let name = name(call);
    let (_, validator) = VALIDATORS.iter().find(|(analyser, _)| *analyser == name)?;
    let settings = call.config.as_ref()?.entry(PROPERTY.0)?;
    let is_wanted = settings.value.get(PROPERTY.1).and_then(|node| lax::boolean(&node.to_json()));
    (is_wanted == Some(true)).then_some((*validator, settings))
}

fn name(call: &Call) -> &str {
    call.component.value.name.strip_prefix("palisade:").unwrap_or(&call.component.value.name)
}

/// A name beside that of a step that nothing else has; none if no such name is short enough.
fn beside(id: &Spanned<ArtifactName>, what: &str, taken: &mut BTreeSet<String>) -> Option<Spanned<ArtifactName>> {
    let names = (1_u32..=100).map(|n| if n == 1 { String::new() } else { format!("-{n}") });
    let mut names = names.filter_map(|more| format!("{}-{what}{more}", id.value).parse::<ArtifactName>().ok());
    let name = names.find(|name| !taken.contains(&name.key()))?;
    taken.insert(name.key());
    Some(Spanned::new(name, id.span))
}

fn call(step: &Step, validator: &str, settings: &Entry) -> Option<Call> {
    let Work::Process(found) = &step.work else { return None };
    let component = Spanned::new(validator.parse::<ComponentName>().ok()?, settings.key_span);
    let ruleset = found.config.as_ref().filter(|_| name(found) == CLASSIFIER).and_then(|config| config.entry(RULESET));
    let entries = std::iter::once(settings).chain(ruleset).cloned().collect();
    let config = Node { data: Data::Map(entries), span: settings.value.span };
    Some(Call { component, config: Some(config), references: Vec::new(), span: found.span })
}

/// A step that finds under another name, and one that has its findings looked at, which stands for it.
fn validation(step: &Step, found: Spanned<ArtifactName>, review: Spanned<ArtifactName>, validator: Call) -> [Step; 2] {
    let port = |name: &str| Spanned::new(name.to_owned(), step.id.span);
    let mut outputs = vec![(port("findings"), step.id.clone())];
    // What nobody exports needs no name.
    outputs.extend(step.exported.then(|| (port("review"), review)));
    let (asking, own): (BTreeMap<_, _>, BTreeMap<_, _>) =
        step.limits.attempt.clone().into_iter().partition(|(kind, _)| OF_ASKING.contains(kind));
    let mut looks = step.clone();
    looks.inputs = Inputs::List(vec![Spanned::new(found.value.as_str().to_owned(), step.id.span)]);
    looks.work = Work::Process(validator);
    looks.outputs = Outputs::Ports(outputs);
    looks.limits.attempt = asking;
    looks.limits.set = None;
    let mut finds = step.clone();
    finds.id = found;
    finds.exported = false;
    finds.limits.attempt = own;
    [finds, looks]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "name: r\ndescription: d\nartifacts:\n  texts: {source: {type: filesystem, properties: {path: .}}}\n  \
                       found-unvalidated: {source: {type: filesystem, properties: {path: .}}}\n  found:\n    inputs: texts\n    \
                       output: true\n    limits: {llm_cost: 2, fuel: 5}\n    process:\n      type: personal_data\n      properties: \
                       {llm_validation: {enable_llm_validation: 'yes', sampling_size: 2}}\n";

    fn spelt_out(text: &str, models: &LlmSettings) -> Vec<(String, String)> {
        let (runbook, diagnostics) = crate::parse(&crate::Source::new("r.yaml", text.to_owned()), &BTreeMap::new());
        let runbook = runbook.unwrap_or_else(|| panic!("{diagnostics:?}"));
        let runbook = with_validators(&runbook, models).into_owned();
        let one = |step: &Step| {
            let component = step.call().map(|call| call.component.value.to_string()).unwrap_or_default();
            let names: Vec<String> = step.artifacts().iter().map(|name| name.value.to_string()).collect();
            (names.join(" "), component)
        };
        runbook.steps.iter().map(one).collect()
    }

    fn with_model() -> LlmSettings {
        LlmSettings { default_model: Some("big".to_owned()), ..LlmSettings::default() }
    }

    #[test]
    fn a_model_looks_in_a_step_of_its_own_under_a_name_that_is_free() {
        let steps = spelt_out(TWO, &with_model());
        let steps: Vec<(&str, &str)> = steps.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            steps[2..],
            [("found-unvalidated-2", "personal_data"), ("found found-review", "palisade:personal_data_validator")]
        );
    }

    #[test]
    fn without_a_model_or_a_wish_nothing_changes() {
        assert_eq!(spelt_out(TWO, &LlmSettings::default()).len(), 3);
        assert_eq!(spelt_out(&TWO.replace("'yes'", "'no'"), &with_model()).len(), 3);
        assert_eq!(spelt_out(&TWO.replace("type: personal_data", "type: crypto_quality"), &with_model()).len(), 3);
    }

    #[test]
    fn what_validates_a_classifier_reads_its_ruleset() {
        let two = TWO.replace("type: personal_data", "type: gdpr_data_subject_classifier");
        let two = two.replace("properties: {llm", "properties: {ruleset: local/shop/1.0.0, llm");
        let (runbook, _) = crate::parse(&crate::Source::new("r.yaml", two), &BTreeMap::new());
        let runbook = with_validators(&runbook.unwrap(), &with_model()).into_owned();
        let config = |step: &Step| step.call().and_then(|call| call.config.as_ref()).map(Node::to_json);
        let config = config(&runbook.steps[3]).unwrap();
        assert_eq!(config["ruleset"], "local/shop/1.0.0");
        assert_eq!(config["llm_validation"]["sampling_size"], 2);
    }

    #[test]
    fn each_step_has_the_limits_that_are_its_own() {
        let (runbook, _) = crate::parse(&crate::Source::new("r.yaml", TWO.to_owned()), &BTreeMap::new());
        let runbook = with_validators(&runbook.unwrap(), &with_model()).into_owned();
        let kinds = |step: &Step| step.limits.attempt.keys().copied().collect::<Vec<_>>();
        assert_eq!(kinds(&runbook.steps[2]), [LimitKind::Fuel]);
        assert_eq!(kinds(&runbook.steps[3]), [LimitKind::LlmCost]);
        assert!(!runbook.steps[2].exported && runbook.steps[3].exported);
    }
}
