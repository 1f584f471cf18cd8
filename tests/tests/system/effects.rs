//! Runs with something to lose: what they told a server can't be taken back. Whenever their process is killed, what is done is
//! not done again, and in the end each effect was had under one key and none is missing. A run has a child, maps over a
//! component and over a child, files that it writes, a secret, and a last step that fails, so that the first is undone.

use palisade_model::Digest;
use palisade_tests::cuts::{Cuts, bring_back};
use palisade_tests::effects::{End, Journals, Told, told_anew};
use palisade_tests::server::Server;
use palisade_tests::told::{end_after, kill_once, write_texts};
use palisade_tests::{Dir, Outcome, command, journal, root, skipped};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const TOKEN: &str = "t0ken+of/the=desk";

const BOOK: &str = "
name: Orders
inputs: {docs: {input_schema: standard_input}}
execution:
  - id: order
    analyser: test:poster
    input: docs
    output: ordered
    config: {url: 'DESK/order', token: desk}
    RETRY
    compensate: {id: refund, analyser: 'test:poster', input: ordered, config: {url: 'DESK/refund', token: desk}, RETRY}
  - id: each
    type: map
    analyser: test:poster
    input: ordered
    output: told
    config: {url: 'DESK/each', token: desk}
    max_items: 9
    max_concurrency: 2
    RETRY
  - {id: go, type: execute_workflow, file: leaf.yaml, inputs: {texts: ordered}, outputs: {sent: gone}}
  - {id: all, type: map, file: leaf.yaml, max_items: 9, max_concurrency: 2, inputs: {texts: told}, outputs: {sent: sent}}
  - {id: write, analyser: 'acme:writer', input: sent, output: written, config: {files: [a.txt, sub/b.txt]}}
  - {id: last, analyser: 'test:stepper', input: sent, after: write, config: {fail_at: ax}, outputs: {texts: never}}
";

const LEAF: &str = "
name: Leaf
inputs: {texts: {input_schema: standard_input}}
outputs: {sent: longer}
execution:
  - {id: post, analyser: 'test:poster', input: texts, output: posted, config: {url: 'DESK/post', token: desk}, RETRY}
  - {id: step, analyser: 'test:stepper', input: posted, outputs: {texts: longer}}
";

/// What the server is told in a run, in the order of the alphabet.
const EFFECTS: [&str; 9] = [
    "POST /each a",
    "POST /each bb",
    "POST /each ccc",
    "POST /order a bb ccc",
    "POST /post a",
    "POST /post a bb ccc",
    "POST /post bb",
    "POST /post ccc",
    "POST /refund a bb ccc",
];

const RUN: [&str; 5] = ["run", "-q", "book.yaml", "--input", "docs=docs.json"];
const RESUME: [&str; 3] = ["resume", "-q", "last"];
/// A run that was killed that often comes to its end.
const MOST_KILLS: usize = 9;

/// A folder in which components are accepted and a runbook may tell a server of its own what they read.
struct Desk {
    dir: Dir,
    server: Server,
    /// The data directory before the first run.
    kept: Dir,
}

impl Desk {
    fn new() -> Option<Self> {
        let desk = Self { dir: Dir::new(), server: Server::start(), kept: Dir::new() };
        let origin = format!("http://localhost:{}", desk.server.port());
        desk.dir.write(
            "palisade.toml",
            format!(
                "[[secret]]\nname = \"desk\"\nfrom = {{ env = \"DESK_TOKEN\" }}\norigins = [\"{origin}\"]\n\
                 components = [\"test:poster\"]\nreason = \"orders\"\n\n\
                 [[grant]]\ncomponent = \"test:poster\"\nallow = [\"http=POST {origin}\"]\n\n\
                 [[grant]]\ncomponent = \"acme:writer\"\nallow = [\"fs-write=out\"]\n\n\
                 [[flow]]\nlabels = [\"input\"]\nto = [\"http=POST {origin}\", \"fs-write=out\"]\n"
            ),
        );
        for (component, name) in [("test:stepper", "stepper"), ("test:poster", "poster"), ("acme:writer", "writer")] {
            let path = root().join(format!("target/{name}/{name}.wasm"));
            let Ok(bytes) = fs::read(&path) else {
                skipped(&format!("the guest {name} is not in target/{name}"));
                return None;
            };
            let _ = desk.call(&["component", "add", path.to_str().unwrap()]).exits(0);
            let digest = Digest::of(&bytes).to_string();
            let _ = desk.call(&["grants", "accept", component, "--digest", &digest]);
        }
        let written =
            |text: &str| text.replace("DESK", &origin).replace("RETRY", "retry: {max_attempts: 30, backoff: 1ms}");
        desk.dir.write("book.yaml", written(BOOK)).write("leaf.yaml", written(LEAF));
        write_texts(&desk.dir, "docs.json", &["a", "bb", "ccc"]);
        desk.kept.copy_from(&desk.data_dir());
        Some(desk)
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.join(".palisade")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command::command(self.dir.path());
        command.args(args).env("DESK_TOKEN", TOKEN);
        command
    }

    fn call(&self, args: &[&str]) -> Outcome {
        self.command(args).output().unwrap().into()
    }

    fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The journals as they are on the disk. They are read from a copy, so that the next process finds what the one before left.
    fn journals(&self) -> Journals {
        let copy = Dir::new();
        for file in ["palisade.db", "palisade.db-wal"] {
            // Without a log all is in the database.
            if let Ok(bytes) = fs::read(self.data_dir().join(file)) {
                copy.write(file, bytes);
            }
        }
        journal::all(&journal::open(copy.path()))
    }

    /// What the server was told since it had been told `known`.
    fn told(&self, known: &Told) -> Told {
        let mut told = self.server.told();
        told.retain(|key, _| !known.contains_key(key));
        told
    }

    /// As if nothing had run.
    fn begin_anew(&self) {
        bring_back(&self.data_dir(), &self.kept);
        self.take_files();
    }

    /// Takes away the files that steps wrote.
    fn take_files(&self) {
        // There may be none.
        let _ = fs::remove_dir_all(self.dir.join("out"));
    }

    /// What a run comes to that nobody disturbs.
    fn undisturbed(&self) -> End {
        let _ = self.call(&RUN).exits(1);
        let end = self.end(&Told::new());
        assert_eq!(end.effects, EFFECTS);
        end
    }

    /// What the run came to that is over.
    fn end(&self, known: &Told) -> End {
        for request in self.server.seen() {
            assert!(request.contains(&format!("\r\nauthorization: Bearer {TOKEN}\r\n")), "{request}");
        }
        for file in ["out/a.txt", "out/sub/b.txt"] {
            assert_eq!(fs::read_to_string(self.dir.join(file)).unwrap(), "hello\naxbbxcccx");
        }
        let _ = self.call(&["doctor"]).exits(0);
        End::of(&self.journals(), &self.told(known))
    }
}

/// Whether the run that a person started is in a journal, and whether it has ended.
fn state(journals: &Journals) -> Option<bool> {
    let root = journals.values().find(|events| events[0].get("parent").is_none())?;
    Some(root.last().unwrap()["kind"] == "RunEnded")
}

#[test]
fn killed_behind_any_commit_a_run_has_each_effect_once() {
    let Some(desk) = Desk::new() else { return };
    let cuts = Cuts::of(&desk.data_dir(), || drop(desk.call(&RUN).exits(1)));
    let end = desk.end(&Told::new());
    assert_eq!(end.effects, EFFECTS);
    let mut gone_on = 0;
    for count in 0..=cuts.len() {
        cuts.restore(count);
        let (acknowledged, before) = (desk.journals(), desk.told(&Told::new()));
        if state(&acknowledged) != Some(false) {
            continue;
        }
        gone_on += 1;
        if !acknowledged.values().flatten().any(|event| event["kind"] == "FilesPut") {
            desk.take_files();
        }
        let _ = desk.call(&RESUME).exits(1);
        let anew = told_anew(&acknowledged, &before, &desk.told(&Told::new()));
        assert!(anew.iter().all(|times| *times == 1), "behind commit {count}: {anew:?}");
        assert_eq!(desk.end(&Told::new()), end, "behind commit {count}");
    }
    assert!(gone_on > 12, "{gone_on} of {} commits", cuts.len());
}

#[test]
fn killed_as_soon_as_the_server_was_told_a_run_has_each_effect_once() {
    let Some(desk) = Desk::new() else { return };
    let end = desk.undisturbed();
    for count in 1..=EFFECTS.len() {
        desk.begin_anew();
        let known = desk.server.told();
        kill_once(desk.start(&RUN), || desk.told(&known).len() >= count);
        let (acknowledged, before) = (desk.journals(), desk.told(&known));
        // Behind the last effect there is little left to do.
        if state(&acknowledged) == Some(false) {
            let _ = desk.call(&RESUME).exits(1);
        }
        let _ = told_anew(&acknowledged, &before, &desk.told(&known));
        assert_eq!(desk.end(&known), end, "killed behind effect {count}");
    }
}

#[test]
fn killed_at_any_moment_and_again_a_run_has_each_effect_once() {
    let wanted = if std::env::var_os("PALISADE_SLOW_TESTS").is_none() { 40 } else { 1_000 };
    let (kills, moments) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let Some(desk) = Desk::new() else { return };
                let _ = desk.undisturbed();
                desk.begin_anew();
                let known = desk.server.told();
                let begun = Instant::now();
                let _ = desk.call(&RUN).exits(1);
                let length = begun.elapsed();
                let end = desk.end(&known);
                while kills.load(Ordering::Relaxed) < wanted {
                    let next = || moment(moments.fetch_add(1, Ordering::Relaxed), length);
                    kills.fetch_add(life(&desk, &end, next), Ordering::Relaxed);
                }
            });
        }
    });
    assert!(moments.into_inner() < 20 * wanted, "most were not killed in time");
}

/// The next of moments that fill the time of a run more and more densely.
fn moment(number: usize, length: Duration) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    length.mul_f64((number as f64 * GOLDEN).fract())
}

/// One run that is killed at the next moments until it comes to its end. Gives how often it was killed while it went on.
fn life(desk: &Desk, end: &End, mut moment: impl FnMut() -> Duration) -> usize {
    desk.begin_anew();
    let known = desk.server.told();
    let mut killed = Vec::new();
    loop {
        let args: &[&str] = if killed.is_empty() { &RUN } else { &RESUME };
        if killed.len() < MOST_KILLS {
            end_after(desk.start(args), moment(), "-KILL");
        } else {
            let _ = desk.call(args).exits(1);
        }
        let journals = desk.journals();
        match state(&journals) {
            // It had not begun.
            None => {}
            Some(false) => killed.push((journals, desk.told(&known))),
            Some(true) => break,
        }
    }
    let told = desk.told(&known);
    for (acknowledged, before) in &killed {
        let _ = told_anew(acknowledged, before, &told);
    }
    assert_eq!(&desk.end(&known), end);
    killed.len()
}
