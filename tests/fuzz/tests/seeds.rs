//! Every seed goes through its target, whole, cut short and with single bytes exchanged: a few thousand inputs near to
//! good ones with every run of the tests. What a fuzzer finds becomes a seed.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use palisade_fuzz::TARGETS;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that mean something to one of the readers.
const MEANINGFUL: &[u8] = b"\0\n\t \"'#&*:-[]{}\\/.!|>%@=$<0e\xff";
/// Most inputs that are made of one seed.
const MAX_CHANGES: usize = 60;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

#[test]
fn seeds_and_what_is_near_them_stop_nothing() {
    for (name, run) in TARGETS {
        let seeds = entries(&seeds().join(name));
        assert!(!seeds.is_empty(), "{name} has no seed");
        for seed in seeds {
            let bytes = fs::read(&seed).unwrap();
            run(&bytes);
            let step = (2 * bytes.len() / MAX_CHANGES).max(1);
            for (at, &meaningful) in (0..bytes.len()).step_by(step).zip(MEANINGFUL.iter().cycle()) {
                run(&bytes[..at]);
                let mut changed = bytes.clone();
                changed[at] = meaningful;
                run(&changed);
            }
        }
    }
}

#[test]
fn every_folder_of_seeds_has_a_target() {
    let folders: Vec<_> = entries(&seeds()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(folders, TARGETS.map(|(name, _)| name));
}
