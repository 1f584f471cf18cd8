//! Whose words may be shown where evidence is masked.

use crate::vocabulary::Vocabulary;
use palisade_model::ComponentId;
use palisade_model::record::{RunRecord, StepRecord};

/// Says whether a step's messages are written by Palisade's own people, who don't put data into them.
pub(crate) fn is_first_party(step: &StepRecord) -> bool {
    step.component.as_ref().is_some_and(|ran| ran.component.namespace() == ComponentId::FIRST_PARTY)
}

/// Says whether the patterns and rules that an artifact names come from rulesets alone: its schema is known, a
/// component of Palisade's own made it, and what that component repeats from its inputs is such words too.
pub(crate) fn names_rules_only(run: &RunRecord, artifact: &str) -> bool {
    // No chain of steps is longer than the list of them; a record that says otherwise is not believed.
    holds(run, artifact, run.steps.len())
}

fn holds(run: &RunRecord, artifact: &str, depth: usize) -> bool {
    let Some((step, vocabulary)) = maker(run, artifact) else { return false };
    let Some(depth) = depth.checked_sub(1) else { return false };
    let input_holds = |input: &String| match maker(run, input) {
        Some((_, Some(_))) => holds(run, input, depth),
        // Plain data: nothing is repeated from it.
        Some((_, None)) => true,
        // A ruleset's name has slashes, and an artifact's has none. Anything else came from outside of the run.
        None => input.contains('/'),
    };
    is_first_party(step)
        && vocabulary.is_some_and(|vocabulary| !vocabulary.repeats || step.inputs.iter().all(input_holds))
}

fn maker<'a>(run: &'a RunRecord, artifact: &str) -> Option<(&'a StepRecord, Option<&'static Vocabulary>)> {
    run.steps.iter().find_map(|step| {
        let (output, _) = step.outputs().find(|(output, _)| output.name.as_str() == artifact)?;
        Some((step, Vocabulary::of(output.schema.name())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{component_of, run, step};

    #[test]
    fn first_party_findings_over_any_text_name_rules_only() {
        let mut run = run();
        run.steps[0] = step("files", "acme:files", None, 1);
        assert!(names_rules_only(&run, "indicators") && names_rules_only(&run, "gdpr"));
        assert!(!names_rules_only(&run, "files") && !names_rules_only(&run, "nothing"));
        run.steps[2].inputs.push("local/some_rules/1.0.0".into());
        assert!(names_rules_only(&run, "gdpr"));
    }

    #[test]
    fn what_repeats_foreign_words_is_not_believed() {
        let mut foreign = run();
        foreign.steps[1].component = Some(component_of("acme:personal_data"));
        assert!(!names_rules_only(&foreign, "indicators") && !names_rules_only(&foreign, "gdpr"));

        let mut given = run();
        given.steps[2].inputs = vec!["given_by_hand".into()];
        assert!(!names_rules_only(&given, "gdpr") && names_rules_only(&given, "indicators"));

        let mut circular = run();
        circular.steps[2].inputs = vec!["gdpr".into()];
        assert!(!names_rules_only(&circular, "gdpr"));
    }
}
