//! The fuzzer's way in: `PALISADE_FUZZ_TARGET` names the target, everything else is libFuzzer's.
#![no_main]

use palisade_fuzz::{TARGETS, Target};
use std::sync::LazyLock;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("PALISADE_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.map_or_else(|| panic!("PALISADE_FUZZ_TARGET names no target"), |(_, run)| *run)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));
