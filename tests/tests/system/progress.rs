//! What is told of a step while it computes.

use palisade_engine::{Observed, Observer};
use palisade_model::record::Status;
use palisade_store::Disk;
use palisade_tests::Dir;
use palisade_tests::stepping::{Stepping, chain};
use std::sync::{Arc, Mutex};

/// The fuel that a step had used whenever it was told of.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<u64>>);

impl Observer for Told {
    fn observe(&self, event: &Observed<'_>) {
        if let Observed::StepProgress { usage, .. } = event {
            self.0.lock().unwrap().push(usage.fuel);
        }
    }
}

#[test]
fn a_component_that_never_comes_back_is_told_of_until_its_fuel_is_used_up() {
    let dir = Dir::new();
    let Some(stepping) = Stepping::open(&dir, Arc::new(Disk)) else { return };
    let runbook = chain(1, "x").replace("append: 'x'", "append: 'x', spin_at: 'spin'");
    let told = Told::default();
    let ran = stepping.run(&stepping.plan(&runbook), &runbook, "spin", &told).unwrap();
    assert_eq!(ran.record.status, Status::Failed);
    let told = told.0.into_inner().unwrap();
    // How often depends on the machine: its fuel lasts for about a second.
    assert!(told.first().is_some_and(|&fuel| fuel > 0) && told.is_sorted(), "{told:?}");
}
