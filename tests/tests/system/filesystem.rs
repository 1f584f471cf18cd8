//! What a guest can reach of the file system, and what people are told of what it can't.

use palisade_tests::Dir;
use palisade_tests::guest::{Attempt, Guest, Setting};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The content of everything that no guest may see.
const SECRET: &str = "the secret";

/// `root/data` with a file and a folder, keys and Palisade's own folder in it, and secrets beside it.
struct World {
    dir: Dir,
    paths: Vec<String>,
    allow: Vec<String>,
    follow: bool,
}

impl World {
    fn new() -> Self {
        let dir = Dir::new();
        dir.write("root/data/file", "inside").write("root/data/folder/below", "deep");
        for secret in
            ["outside/secret", "root/beside", "root/data/.palisade/db", "root/data/id_rsa", "root/data/certs/a.pem"]
        {
            dir.write(secret, SECRET);
        }
        Self { dir, paths: vec!["data".to_owned()], allow: Vec::new(), follow: true }
    }

    fn data(&self, name: &str) -> std::path::PathBuf {
        self.dir.join("root/data").join(name)
    }

    fn outside(&self) -> String {
        self.dir.join("outside").canonicalize().unwrap().to_str().unwrap().to_owned()
    }

    fn link(&self, target: impl AsRef<Path>, name: &str) {
        symlink(target, self.data(name)).unwrap();
    }

    /// Lets the config name these instead of `data`.
    fn naming(mut self, paths: &[&str]) -> Self {
        self.paths = paths.iter().map(|&path| path.to_owned()).collect();
        self
    }

    fn allowing(mut self, grant: String) -> Self {
        self.allow.push(grant);
        self
    }

    /// Reads the paths from every preopen; none where the guest was not built.
    fn probe(&self, paths: &[&str], times: u64) -> Option<Attempt> {
        let guest = Guest::hostile("path-prober")?;
        let named: Vec<_> = self.paths.iter().map(String::as_str).collect();
        let allow: Vec<_> = self.allow.iter().map(String::as_str).collect();
        let setting = Setting::default().files(&self.dir.join("root"), &named, &[], &allow);
        let config = json!({"paths": paths, "times": times, "links": self.follow});
        let attempt = guest.run(&config.to_string(), &setting);
        let told = format!("{:?}", attempt.told);
        assert!(!told.contains(SECRET) || !self.allow.is_empty(), "{told}");
        Some(attempt)
    }

    /// Each path, from the one preopen, leads to what is expected of it.
    fn check(&self, expected: &[(&str, &str)]) -> Option<Attempt> {
        let paths: Vec<_> = expected.iter().map(|&(path, _)| path).collect();
        let attempt = self.probe(&paths, 1)?;
        assert!(attempt.result.is_ok(), "{:?}", attempt.result);
        assert_eq!(attempt.told.log.first().map(String::as_str), Some("1 preopens"));
        let seen: Vec<_> = attempt.told.log.iter().skip(1).map(|line| line.rsplit('|').next().unwrap()).collect();
        for (&(path, wanted), seen) in expected.iter().zip(seen) {
            assert_eq!(seen, wanted, "{path}");
        }
        Some(attempt)
    }
}

#[test]
fn what_the_config_names_is_read() {
    let world = World::new();
    world.link("file", "near");
    world.link("folder/../folder", "folders");
    let expected = [
        ("file", "inside"),
        ("./folder//below", "deep"),
        ("folder/../file", "inside"),
        ("near", "inside"),
        ("folders/below", "deep"),
        ("folder", "1 names"),
        ("nothing", "NotFound"),
        ("file/below", "NotADirectory"),
    ];
    let Some(attempt) = world.check(&expected) else { return };
    assert_eq!(attempt.told.denials, []);
    assert_eq!((attempt.usage.files_read, attempt.usage.file_bytes_read), (5, 6 + 4 + 6 + 6 + 4));
}

#[test]
fn paths_that_climb_or_are_absolute_are_denied_and_recorded() {
    let world = World::new();
    let secret = format!("{}/secret", world.outside());
    let expected = [
        ("../beside", "Denied"),
        ("folder/../../beside", "Denied"),
        ("..", "Denied"),
        ("/etc/passwd", "Denied"),
        (secret.as_str(), "Denied"),
        ("/", "Denied"),
    ];
    let Some(attempt) = world.check(&expected) else { return };
    let denials: Vec<_> = attempt.told.denials.iter().map(|(reason, _)| reason.as_str()).collect();
    assert_eq!(denials.len(), expected.len(), "{denials:?}");
    assert!(denials[0].contains("`beside`"), "{denials:?}");
    assert!(denials[3].contains("`/etc/passwd`"), "{denials:?}");
}

#[test]
fn links_that_lead_out_are_denied_by_where_they_lead() {
    let world = World::new();
    let outside = world.outside();
    world.link(format!("{outside}/secret"), "absolute");
    world.link("../../outside/secret", "relative");
    world.link("../../outside", "folder-out");
    world.link("../beside", "beside");
    world.link("../../outside/nothing", "dangling");
    world.link("self", "self");
    world.link(format!("/proc/{}/cwd", std::process::id()), "magic");
    let expected = [
        ("absolute", "Denied"),
        ("relative", "Denied"),
        ("folder-out/secret", "Denied"),
        ("folder-out", "Denied"),
        ("beside", "Denied"),
        ("dangling", "Denied"),
        ("self", "Loop"),
        ("magic", "Denied"),
    ];
    let Some(attempt) = world.check(&expected) else { return };
    let denials = &attempt.told.denials;
    assert!(denials[0].0.contains(&format!("`{outside}/secret`")), "{denials:?}");
    assert!(attempt.told.skips.iter().any(|(what, _)| what == "dangling"), "{:?}", attempt.told.skips);
}

#[test]
fn a_link_to_what_is_granted_and_named_is_read() {
    let world = World::new();
    let outside = world.outside();
    world.link(format!("{outside}/secret"), "absolute");
    let world = world.naming(&["data", &outside]).allowing(format!("fs-read={outside}"));
    let Some(attempt) = world.probe(&["absolute"], 1) else { return };
    assert!(attempt.told.log.contains(&format!("data|absolute|{SECRET}")), "{:?}", attempt.told.log);
}

#[test]
fn a_path_outside_has_no_preopen_and_a_line_that_would_allow_it() {
    let world = World::new();
    let outside = world.outside();
    let world = world.naming(&[&outside]);
    let Some(attempt) = world.probe(&["secret"], 1) else { return };
    assert_eq!(attempt.told.log, ["0 preopens"]);
    let (_, allow) = attempt.told.denials.first().unwrap();
    assert_eq!(allow.as_deref(), Some(format!("--allow fs-read={outside}").as_str()));
}

#[test]
fn links_are_not_followed_where_the_guest_does_not_want_it() {
    let mut world = World::new();
    world.link("file", "near");
    world.follow = false;
    world.check(&[("near", "Loop"), ("file", "inside")]);
}

#[test]
fn palisades_own_folder_is_closed_and_not_even_listed() {
    let world = World::new();
    world.link(".palisade/db", "link");
    let expected = [
        (".palisade", "Denied"),
        (".palisade/db", "Denied"),
        ("link", "Denied"),
        // certs, file, folder, id_rsa, link; not `.palisade`.
        (".", "5 names"),
    ];
    world.check(&expected);
}

#[test]
fn key_files_are_denied() {
    let world = World::new();
    world.link("id_rsa", "innocent");
    fs::hard_link(world.data("file"), world.data("copy.key")).unwrap();
    let expected = [("id_rsa", "Denied"), ("certs/a.pem", "Denied"), ("innocent", "Denied"), ("copy.key", "Denied")];
    let Some(attempt) = world.check(&expected) else { return };
    assert!(attempt.told.denials[0].0.contains("private key"), "{:?}", attempt.told.denials);
}

#[test]
fn pipes_sockets_and_devices_are_refused_at_once_and_recorded() {
    let world = World::new();
    mknodat(CWD, world.data("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _listener = UnixListener::bind(world.data("socket")).unwrap();
    world.link("/dev/zero", "device");
    let expected = [("pipe", "Unsupported"), ("socket", "Unsupported"), ("device", "Denied")];
    let Some(attempt) = world.check(&expected) else { return };
    let skips = &attempt.told.skips;
    assert_eq!(skips[0], ("pipe".to_owned(), "it is a named pipe; only files and folders are read".to_owned()));
    assert_eq!(skips[1].0, "socket");
    let Some(attempt) = World { paths: vec!["data/pipe".to_owned()], ..world }.probe(&["pipe"], 1) else { return };
    assert_eq!(attempt.told.log, ["0 preopens"]);
}

#[test]
fn names_that_are_not_utf_8_are_left_out_and_recorded() {
    let world = World::new();
    fs::write(world.data("folder").join(OsStr::from_bytes(b"caf\xe9\n")), "x").unwrap();
    fs::write(world.data("folder/line\nfeed"), "kept").unwrap();
    let Some(attempt) = world.check(&[("folder", "2 names"), ("folder/line\nfeed", "kept")]) else { return };
    assert_eq!(attempt.told.skips, [("data/folder/caf\\xe9\n".to_owned(), "its name is not UTF-8".to_owned())]);
}

#[test]
fn a_single_file_shows_itself_and_nothing_beside_it() {
    let world = World::new().naming(&["data/file"]);
    let expected = [
        ("file", "inside"),
        ("./file", "inside"),
        (".", "1 names"),
        ("folder", "NotFound"),
        ("folder/../file", "NotFound"),
        ("id_rsa", "NotFound"),
        ("..", "Denied"),
    ];
    world.check(&expected);
}

#[test]
fn a_path_that_is_not_there_is_told() {
    let world = World::new().naming(&["data/nothing"]);
    let Some(attempt) = world.probe(&["nothing"], 1) else { return };
    assert_eq!(attempt.told.log, ["0 preopens"]);
    assert_eq!(attempt.told.skips.len(), 1);
    assert_eq!(attempt.told.skips[0].0, "data/nothing");
}

#[test]
fn nothing_is_read_through_a_name_that_is_swapped_meanwhile() {
    let world = World::new();
    let secret = format!("{}/secret", world.outside());
    let (name, link, file) = (world.data("swapped"), world.data("a-link"), world.data("a-file"));
    fs::write(&file, "inside").unwrap();
    symlink(secret, &link).unwrap();
    fs::rename(&file, &name).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The name leads to the file and to the link by turns, and never to nothing for long.
            while !done.load(Relaxed) {
                fs::rename(&name, &file).unwrap();
                fs::rename(&link, &name).unwrap();
                fs::rename(&name, &link).unwrap();
                fs::rename(&file, &name).unwrap();
            }
        });
        // Below what ends an attempt for being refused too often: each of them may meet the link.
        let attempts: Option<Vec<_>> = (0..4).map(|_| world.probe(&["swapped"], 900)).collect();
        done.store(true, Relaxed);
        let Some(attempts) = attempts else { return };
        let lines = attempts.iter().flat_map(|attempt| attempt.told.log.iter().skip(1));
        let mut seen: Vec<_> = lines.map(|line| line.rsplit('|').next().unwrap()).collect();
        assert_eq!(seen.len(), 4 * 900);
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.iter().all(|seen| ["Denied", "NotFound", "inside"].contains(seen)), "{seen:?}");
    });
}
