//! Loading components before their steps begin.

use super::{Crew, Driver};
use palisade_runbook::PlannedStep;
use std::sync::Arc;

impl<'a> Driver<'a> {
    /// Brings what later steps run into memory while the first one works, until what is returned is dropped: what is
    /// known to be pure need not wait for the journal when it begins.
    pub(super) fn load_ahead<'s>(&self, crew: &Crew<'s, '_>) -> Arc<()>
    where
        'a: 's,
    {
        let (engine, steps) = (self.engine, &self.work.plan.steps);
        let goes_on = Arc::new(());
        let watched = Arc::downgrade(&goes_on);
        if steps.len() > 1 {
            crew.run(move || {
                let later = steps.iter().skip(1).filter_map(PlannedStep::call);
                later
                    .filter_map(|call| engine.catalogue().get(&call.component_digest))
                    .take_while(|_| watched.strong_count() > 0)
                    .for_each(|component| engine.load_cached(component));
            });
        }
        goes_on
    }
}
