//! Compiled code on disk: found again, and never believed.

use crate::guest::Guest;
use crate::world::SANDBOX;
use palisade_model::Digest;
use palisade_sandbox::{CacheError, CodeCache, Compiling, Loaded, Warning};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn code(&self) -> PathBuf {
        self.folder.path().join("code")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("code.key")
    }

    fn open(&self) -> Result<CodeCache, CacheError> {
        CodeCache::open(&self.code(), &self.key())
    }

    fn entry(&self, bytes: &[u8]) -> PathBuf {
        let digest = Digest::of(bytes).to_string();
        let named = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&digest));
        fs::read_dir(self.code()).unwrap().map(|entry| entry.unwrap().path()).find(|path| named(path)).unwrap()
    }
}

fn load(bytes: &[u8], cache: &CodeCache) -> Loaded {
    SANDBOX.load(&Digest::of(bytes), || Ok(bytes.to_vec()), Compiling::InPlace, Some(cache)).unwrap()
}

fn why_not(loaded: &Loaded) -> &str {
    assert!(loaded.compiled);
    match loaded.warnings.as_slice() {
        [Warning::BadEntry { why, .. }] => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_compiled_is_found_again() {
    let (place, bytes) = (Place::new(), Guest::default().build());
    assert!(load(&bytes, &place.open().unwrap()).compiled);
    let again = load(&bytes, &place.open().unwrap());
    assert!(!again.compiled && again.warnings.is_empty());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place.code()), mode(&place.key()), mode(&place.entry(&bytes))), (0o700, 0o600, 0o600));
}

#[test]
fn the_bytes_are_not_even_read_when_the_code_is_there() {
    let (place, bytes) = (Place::new(), Guest::default().build());
    let cache = place.open().unwrap();
    load(&bytes, &cache);
    let unread = || -> std::io::Result<Vec<u8>> { panic!("read") };
    assert!(SANDBOX.load(&Digest::of(&bytes), unread, Compiling::InPlace, Some(&cache)).is_ok());
}

#[test]
fn a_changed_entry_is_compiled_anew_and_reported() {
    let (place, bytes) = (Place::new(), Guest::default().build());
    let cache = place.open().unwrap();
    load(&bytes, &cache);
    let entry = place.entry(&bytes);
    let good = fs::read(&entry).unwrap();
    for at in [0, 20, 60, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&entry, &bad).unwrap();
        why_not(&load(&bytes, &cache));
        assert_eq!(fs::read(&entry).unwrap(), good, "mended");
    }
    for short in [0, 10, 40, good.len() - 1] {
        fs::write(&entry, &good[..short]).unwrap();
        why_not(&load(&bytes, &cache));
    }
}

#[test]
fn an_entry_of_another_component_is_noticed() {
    let (place, one) = (Place::new(), Guest::default().build());
    let other = Guest::running("unreachable").build();
    let cache = place.open().unwrap();
    load(&one, &cache);
    load(&other, &cache);
    fs::copy(place.entry(&other), place.entry(&one)).unwrap();
    assert_eq!(why_not(&load(&one, &cache)), "its MAC is wrong");
}

#[test]
fn an_entry_under_another_key_is_noticed() {
    let (place, bytes) = (Place::new(), Guest::default().build());
    load(&bytes, &place.open().unwrap());
    fs::remove_file(place.key()).unwrap();
    assert_eq!(why_not(&load(&bytes, &place.open().unwrap())), "its MAC is wrong");
}

#[test]
fn what_others_may_touch_is_not_used() {
    let (place, bytes) = (Place::new(), Guest::default().build());
    load(&bytes, &place.open().unwrap());
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&place.entry(&bytes), 0o644);
    assert!(why_not(&load(&bytes, &place.open().unwrap())).contains("others than its owner"));
    set(&place.key(), 0o640);
    assert!(matches!(place.open(), Err(CacheError::Unsafe { what: "key", .. })));
    set(&place.key(), 0o600);
    set(&place.code(), 0o755);
    assert!(matches!(place.open(), Err(CacheError::Unsafe { what: "folder", .. })));
}

#[test]
fn links_are_not_followed() {
    let (place, bytes) = (Place::new(), Guest::default().build());
    load(&bytes, &place.open().unwrap());
    let (entry, moved) = (place.entry(&bytes), place.folder.path().join("moved"));
    fs::rename(&entry, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &entry).unwrap();
    why_not(&load(&bytes, &place.open().unwrap()));
    let elsewhere = place.folder.path().join("elsewhere");
    std::os::unix::fs::symlink(place.code(), &elsewhere).unwrap();
    assert!(CodeCache::open(&elsewhere, &place.key()).is_err());
}

#[test]
fn a_key_of_another_length_is_refused() {
    let place = Place::new();
    place.open().unwrap();
    fs::write(place.key(), b"short").unwrap();
    assert!(matches!(place.open(), Err(CacheError::Unsafe { what: "key", .. })));
}
