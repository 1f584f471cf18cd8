//! What the interpreter needs of a plan: its steps, what each waits for, and which may fail.

use crate::retry::Retry;
use palisade_model::StepId;
use std::collections::BTreeMap;

/// A step as the interpreter sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Which step.
    pub step: StepId,
    /// The steps whose outputs it needs. All stand before it.
    pub needs: Vec<StepId>,
    /// The steps that must have ended before it, however they did. All stand before it.
    pub after: Vec<StepId>,
    /// It may fail without failing the run.
    pub optional: bool,
    /// A condition says whether it runs.
    pub has_condition: bool,
    /// Its config takes values from documents.
    pub has_values: bool,
    /// It is a loop of at most so many iterations.
    pub iterations: Option<u32>,
    /// It is a map over a child runbook, of which so many items may run at once.
    pub maps_child: Option<u32>,
    /// It is tried again after some failures; of a map each item.
    pub retry: Option<Retry>,
    /// It runs a runbook that is an artifact: to be planned first, and approved.
    pub runs_artifact: bool,
    /// It waits for a person instead of running anything.
    pub approval: Option<Approval>,
}

/// How a step waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval {
    /// Milliseconds after which the answer is no; none = it waits for ever.
    pub expires_ms: Option<u64>,
}

impl Node {
    /// A step that runs once, without a condition, as soon as all that it needs is there.
    #[must_use]
    pub const fn new(step: StepId, needs: Vec<StepId>) -> Self {
        Self {
            step,
            needs,
            after: Vec::new(),
            optional: false,
            has_condition: false,
            has_values: false,
            iterations: None,
            maps_child: None,
            retry: None,
            runs_artifact: false,
            approval: None,
        }
    }

    /// Every step that it waits for.
    pub fn waits_for(&self) -> impl Iterator<Item = &StepId> {
        self.needs.iter().chain(&self.after)
    }
}

/// The steps of a run in an order in which they could run one by one, so that there is no cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    nodes: Vec<Node>,
    /// Where each step stands in their order.
    places: BTreeMap<StepId, usize>,
    /// For each step the places of those that wait for it, once for each time that they name it.
    waiting: Vec<Vec<usize>>,
    /// What undoes steps when the run fails later, by the steps that it undoes.
    compensations: BTreeMap<StepId, Node>,
    /// The steps that are undone, by the ids of what undoes them.
    compensated: BTreeMap<StepId, StepId>,
}

/// Why steps are no graph that can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two steps have one id.
    #[error("two steps are called `{step}`")]
    Twice {
        /// The id.
        step: StepId,
    },
    /// A step needs one that does not stand before it: it is missing, stands later, or there is a cycle.
    #[error("step `{step}` needs `{needs}`, which does not stand before it")]
    NotBefore {
        /// The step.
        step: StepId,
        /// What it needs.
        needs: StepId,
    },
}

impl Graph {
    /// Takes steps in an order in which they could run.
    ///
    /// # Errors
    /// When an id stands twice, or a step needs one that does not stand before it.
    pub fn new(nodes: Vec<Node>) -> Result<Self, GraphError> {
        let mut places = BTreeMap::new();
        let mut waiting: Vec<Vec<usize>> = nodes.iter().map(|_| Vec::new()).collect();
        for (place, node) in nodes.iter().enumerate() {
            for needs in node.waits_for() {
                match places.get(needs).and_then(|before: &usize| waiting.get_mut(*before)) {
                    Some(waiting) => waiting.push(place),
                    None => return Err(GraphError::NotBefore { step: node.step.clone(), needs: needs.clone() }),
                }
            }
            if places.insert(node.step.clone(), place).is_some() {
                return Err(GraphError::Twice { step: node.step.clone() });
            }
        }
        Ok(Self { nodes, places, waiting, compensations: BTreeMap::new(), compensated: BTreeMap::new() })
    }

    /// Adds what undoes steps, each with the step that it undoes. It runs only when the run fails later.
    ///
    /// # Errors
    /// When an id stands twice, or there is no such step.
    pub fn with_compensations(
        mut self,
        compensations: impl IntoIterator<Item = (StepId, Node)>,
    ) -> Result<Self, GraphError> {
        for (undone, node) in compensations {
            let step = node.step.clone();
            if !self.places.contains_key(&undone) {
                return Err(GraphError::NotBefore { step, needs: undone });
            }
            let twice = self.places.contains_key(&step)
                || self.compensated.insert(step.clone(), undone.clone()).is_some()
                || self.compensations.insert(undone, node).is_some();
            if twice {
                return Err(GraphError::Twice { step });
            }
        }
        Ok(self)
    }

    /// The step of that id, be it one that undoes another.
    #[must_use]
    pub fn node(&self, step: &StepId) -> Option<&Node> {
        self.place(step).and_then(|place| self.nodes.get(place)).or_else(|| self.compensating(step))
    }

    /// What undoes a step.
    pub(crate) fn compensation_of(&self, undone: &StepId) -> Option<&Node> {
        self.compensations.get(undone)
    }

    /// The step of that id that undoes another.
    pub(crate) fn compensating(&self, step: &StepId) -> Option<&Node> {
        self.compensations.get(self.compensated.get(step)?)
    }

    /// Where a step stands in the order.
    pub(crate) fn place(&self, step: &StepId) -> Option<usize> {
        self.places.get(step).copied()
    }

    /// The places of the steps that wait for the one at that place, once for each time that they name it.
    pub(crate) fn waiting_for(&self, place: usize) -> &[usize] {
        self.waiting.get(place).map_or(&[], Vec::as_slice)
    }

    /// The steps, in their order; without those that undo others.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(step: &str, needs: &[&str]) -> Node {
        Node::new(step.parse().unwrap(), needs.iter().map(|step| step.parse().unwrap()).collect())
    }

    #[test]
    fn what_can_not_run_is_refused() {
        assert!(Graph::new(vec![]).is_ok());
        assert!(Graph::new(vec![node("a", &[]), node("b", &["a", "a"])]).is_ok());
        let wrong = Graph::new(vec![node("a", &["b"]), node("b", &["a"])]).unwrap_err();
        assert_eq!(wrong.to_string(), "step `a` needs `b`, which does not stand before it");
        assert!(Graph::new(vec![node("a", &["a"])]).is_err());
        let later = Node { after: vec!["b".parse().unwrap()], ..node("a", &[]) };
        assert!(Graph::new(vec![later, node("b", &[])]).is_err());
        let wrong = Graph::new(vec![node("a", &[]), node("a", &[])]).unwrap_err();
        assert_eq!(wrong.to_string(), "two steps are called `a`");
    }

    #[test]
    fn what_undoes_a_step_has_an_id_of_its_own() {
        let graph = || Graph::new(vec![node("a", &[]), node("b", &[])]).unwrap();
        let step = |id: &str| -> StepId { id.parse().unwrap() };
        let good = graph().with_compensations([(step("a"), node("undo", &["a"]))]).unwrap();
        assert_eq!(good.node(&step("undo")), good.compensation_of(&step("a")));
        assert_eq!((good.place(&step("undo")), good.nodes().len()), (None, 2));
        for (undone, id) in [("a", "b"), ("a", "a"), ("c", "undo")] {
            assert!(graph().with_compensations([(step(undone), node(id, &[]))]).is_err(), "{id}");
        }
        let twice = [(step("a"), node("undo", &[])), (step("b"), node("undo", &[]))];
        assert!(graph().with_compensations(twice).is_err());
    }
}
