//! Secrets that the host fills in, through the binary: the server gets them where the operator says, and nothing else does.

use palisade_model::Digest;
use palisade_tests::server::Server;
use palisade_tests::told::{end_after, end_at_each, kill_once};
use palisade_tests::{Dir, Outcome, command, journal, root, skipped};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const TOKEN: &str = "t0ken+of/the=tracker";
/// The token in the forms in which it could lie about: as it is, in a URL, and in base64 wherever it begins.
const FORMS: [&str; 5] = [
    TOKEN,
    "t0ken%2Bof%2Fthe%3Dtracker",
    "dDBrZW4rb2YvdGhlPXRyYWNrZX",
    "Qwa2VuK29mL3RoZT10cmFja2Vy",
    "0MGtlbitvZi90aGU9dHJhY2tlc",
];

/// A step may be made again after it was cut off.
const TWICE: &str = "\n    retry: {max_attempts: 2, backoff: 1ms}";

/// A folder with a tracker on this machine, which asks for a token.
struct Tracker {
    dir: Dir,
    server: Server,
}

impl Tracker {
    /// The component is added and accepted, and may send the token.
    fn new() -> Option<Self> {
        let Ok(bytes) = fs::read(root().join("target/fetcher/fetcher.wasm")) else {
            skipped("the guest fetcher is not in target/fetcher");
            return None;
        };
        let tracker = Self { dir: Dir::new(), server: Server::start() };
        tracker.settings("");
        tracker.runbook("");
        tracker.dir.write("fetcher.wasm", &bytes);
        let _ = tracker.call("component add fetcher.wasm").exits(0);
        let asked = tracker.call("grants accept example:fetcher").stderr;
        let secret = format!("secret=tracker authorization {} (palisade.toml:1)", tracker.origin());
        assert!(asked.contains(&secret), "{asked}");
        let accept = format!("grants accept example:fetcher --digest sha256:{}", Digest::of(&bytes));
        let _ = tracker.call(&accept).exits(0);
        Some(tracker)
    }

    fn origin(&self) -> String {
        format!("http://localhost:{}", self.server.port())
    }

    /// Writes the operator's file, with more at its end.
    fn settings(&self, more: &str) {
        let origin = self.origin();
        let secret = format!(
            "[[secret]]\nname = \"tracker\"\nfrom = {{ env = \"TRACKER_TOKEN\" }}\norigins = [\"{origin}\"]\n\
             components = [\"example:fetcher\"]\nreason = \"the tracker\"\n"
        );
        let grant = format!("[[grant]]\ncomponent = \"example:fetcher\"\nallow = [\"http={origin}\"]\n");
        self.dir.write("palisade.toml", format!("{secret}\n{grant}\n{more}"));
    }

    fn runbook(&self, capabilities: &str) {
        let origin = self.origin();
        self.dir.write(
            "runbook.yaml",
            format!(
                "name: Tracker\n{capabilities}execution:\n  - name: Pages\n    type: source\n    \
                 connector: 'example:fetcher'\n    \
                 config: {{url: '{origin}/', paths: [echo, drip], token: tracker}}\n    output: pages\n"
            ),
        );
    }

    /// Has the runbook tell the tracker at this path that all was fetched, and grants it.
    fn tells(&self, done: &str, retry: &str) {
        self.edit("palisade.toml", "http=http", "http=GET,POST http");
        self.edit("runbook.yaml", "paths: [echo, drip]", &format!("paths: [echo], done: {done}"));
        self.edit("runbook.yaml", "output: pages", &format!("output: pages{retry}"));
    }

    /// How often the tracker was told under each idempotency key; each time with the token.
    fn told(&self) -> BTreeMap<String, usize> {
        for request in self.server.seen() {
            assert!(request.contains(&format!("\r\nauthorization: Bearer {TOKEN}\r\n")), "{request}");
        }
        self.server.told().into_iter().map(|(key, each)| (key, each.len())).collect()
    }

    /// Starts a run; what it says goes into a file, which is looked at as all others.
    fn start(&self) -> Child {
        let mut run = command::command(self.dir.path());
        run.args(["run", "-q", "runbook.yaml"]).env("PALISADE_LOG", "trace").env("TRACKER_TOKEN", TOKEN);
        let log = fs::File::create(self.dir.join("log")).unwrap();
        run.stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// How the step of the latest run ended.
    fn ended(&self) -> Value {
        let shown: Value = serde_json::from_str(&self.call("runs show last --format json").stdout).unwrap();
        let step = &shown["record"]["steps"][0];
        json!([step["status"], step["failure"]["kind"], step["output"]["digest"], step["skipped"]])
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.dir.join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        self.dir.write(file, text.replace(from, to));
    }

    /// Calls the binary where the token is; what it says never has it.
    fn call(&self, line: &str) -> Outcome {
        self.called(line, Some(TOKEN))
    }

    fn called(&self, line: &str, token: Option<&str>) -> Outcome {
        let mut call = command::command(self.dir.path());
        call.args(line.split(' ')).env("PALISADE_LOG", "trace");
        if let Some(token) = token {
            call.env("TRACKER_TOKEN", token);
        }
        let outcome = Outcome::from(call.output().unwrap());
        for form in FORMS {
            assert!(!outcome.stdout.contains(form) && !outcome.stderr.contains(form), "{line}: {outcome:?}");
        }
        outcome
    }

    /// Nothing that was written has the token.
    fn check_files(&self) {
        let mut files = 0;
        each_file(self.dir.path(), &mut |file, bytes| {
            files += 1;
            for form in FORMS {
                let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
                assert!(!found, "{form} is in {}", file.display());
            }
        });
        assert!(files > 3, "{files}");
    }

    #[track_caller]
    fn is_denied(&self, line: &str, why: &str) {
        let denied = self.call(line);
        assert!(denied.stderr.contains(why), "{why}\n{}", denied.stderr);
        let _ = denied.exits(3);
    }
}

fn each_file(folder: &Path, visit: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_file(&path, visit);
        } else if path.is_file() {
            visit(&path, &fs::read(&path).unwrap());
        }
    }
}

#[test]
fn the_server_gets_the_token_and_nobody_else_does() {
    let Some(tracker) = Tracker::new() else { return };
    let _ = tracker.call("run -q runbook.yaml --out out --report page.html --export wcf").exits(0);
    let seen = tracker.server.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|sent| sent.contains(&format!("\r\nauthorization: Bearer {TOKEN}\r\n"))), "{seen:?}");
    let pages = fs::read_to_string(tracker.dir.join("out/pages.json")).unwrap();
    assert_eq!(pages.matches("authorization: Bearer {{secret:tracker}}").count(), 2, "{pages}");
    let touch = format!("secret  tracker authorization {}", tracker.origin());
    let shown = tracker.call("plan runbook.yaml");
    assert!(shown.stdout.contains(&touch), "{}", shown.stdout);
    let audit = tracker.call("audit log --format json").stdout;
    assert!(audit.contains("secret") && audit.contains("tracker authorization http://localhost"), "{audit}");
    let explained = tracker.call("grants explain last pages").stdout;
    assert!(
        explained.contains("secret of `tracker authorization") && explained.contains("palisade.toml:1"),
        "{explained}"
    );
    for line in [
        "runs show last --events",
        "runs show last --format json",
        "runs show last --tree",
        "plan runbook.yaml --format json",
        "grants show",
        "grants show --format json",
        "component show example:fetcher",
        "doctor",
        "lineage out/pages.json",
        "evidence last --out evidence",
    ] {
        let _ = tracker.call(line);
    }
    tracker.check_files();
    let replayed = tracker.called("replay last", None);
    let _ = replayed.exits(0);
    assert_eq!(tracker.server.seen().len(), 2, "a replay asks nobody and needs no token");
}

#[test]
fn a_secret_that_is_not_there_is_told_by_its_name_before_anything_runs() {
    let Some(tracker) = Tracker::new() else { return };
    let missing = tracker.called("run -q runbook.yaml", None);
    let why = "the secret `tracker` can't be had: the environment variable `TRACKER_TOKEN` is not set";
    assert!(
        missing.stderr.contains(why) && missing.stderr.contains("`from` of the [[secret]] `tracker`"),
        "{missing:?}"
    );
    let _ = missing.exits(2);
    let doctor = tracker.called("doctor", None);
    assert!(doctor.stdout.contains(why), "{doctor:?}");
    let _ = doctor.exits(1);
    assert!(tracker.call("doctor").stdout.contains("`tracker` is there"));
    // A plan tells what would be sent, and sends nothing.
    let _ = tracker.called("plan runbook.yaml", None).exits(0);
    tracker.dir.write("token", TOKEN);
    tracker.edit("palisade.toml", "{ env = \"TRACKER_TOKEN\" }", "{ file = \"token\" }");
    let open = tracker.called("run -q runbook.yaml", None);
    assert!(open.stderr.contains("what stands in the file `token` is not secret: others than its owner"), "{open:?}");
    let _ = open.exits(2);
    assert!(tracker.server.seen().is_empty());
}

#[test]
fn nobody_reads_the_file_in_which_a_secret_is_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(tracker) = Tracker::new() else { return };
    tracker.dir.write("keys/token", TOKEN);
    fs::set_permissions(tracker.dir.join("keys/token"), fs::Permissions::from_mode(0o600)).unwrap();
    tracker.edit("palisade.toml", "{ env = \"TRACKER_TOKEN\" }", "{ file = \"keys/token\" }");
    let _ = tracker.called("run -q runbook.yaml", None).exits(0);
    assert!(tracker.server.seen()[0].contains(TOKEN));
    tracker.dir.write("keys/other", "words");
    tracker.dir.write(
        "files.yaml",
        "name: Files\nexecution:\n  - {name: Files, type: source, connector: filesystem, config: {path: keys}, output: files}\n",
    );
    let _ = tracker.called("run -q files.yaml --out out", None).exits(0);
    let files = fs::read_to_string(tracker.dir.join("out/files.json")).unwrap();
    assert!(files.contains("words") && !files.contains(TOKEN), "{files}");
    fs::remove_file(tracker.dir.join("keys/token")).unwrap();
    tracker.check_files();
}

#[test]
fn both_the_operator_and_the_runbook_say_who_sends_a_secret() {
    let Some(tracker) = Tracker::new() else { return };
    let origin = tracker.origin();
    tracker.runbook(&format!("capabilities: ['http={origin}']\n"));
    tracker.is_denied("run -q runbook.yaml", "the runbook's `capabilities` hold no `secret` of `tracker authorization");
    tracker.runbook(&format!("capabilities: ['http={origin}', secret=tracker]\n"));
    let _ = tracker.call("run -q runbook.yaml").exits(0);
    tracker.settings("[[deny]]\ndeny = [\"secret=tracker\"]\n");
    tracker.is_denied("run -q runbook.yaml", "the operator forbids `secret` of `tracker authorization");
    tracker.settings("");
    tracker.edit("palisade.toml", "components = [\"example:fetcher\"]", "components = [\"acme:other\"]");
    tracker.is_denied("run -q runbook.yaml", "the operator grants no `secret` of `tracker`");
    let proposed = tracker.call("grants propose runbook.yaml").stdout;
    assert!(proposed.contains("a secret is granted by its own table alone"), "{proposed}");
    assert_eq!(tracker.server.seen().len(), 2);
    for line in ["run -q runbook.yaml --allow secret=tracker", "grants add example:fetcher secret=tracker --yes"] {
        let refused = tracker.call(line);
        assert!(refused.stderr.contains("a secret is granted by its own table alone"), "{refused:?}");
        let _ = refused.exits(2);
    }
    tracker.settings("[[grant]]\ncomponent = \"example:fetcher\"\nallow = [\"secret=tracker\"]\n");
    let refused = tracker.call("plan runbook.yaml");
    assert!(refused.stderr.contains("a secret is granted by its own table alone"), "{refused:?}");
    let _ = refused.exits(2);
}

#[test]
fn a_secret_goes_to_no_other_origin_whatever_the_component_asks() {
    let Some(tracker) = Tracker::new() else { return };
    tracker.edit(
        "palisade.toml",
        &format!("origins = [\"{}\"]", tracker.origin()),
        "origins = [\"https://a.example\"]",
    );
    let denied = tracker.call("run -q runbook.yaml");
    let _ = denied.exits(3);
    assert!(tracker.server.seen().is_empty(), "nothing of what is denied leaves");
    let explained = tracker.call("grants explain last pages").stdout;
    let why = format!("the operator grants no `secret` of `tracker authorization {}`", tracker.origin());
    assert!(explained.contains(&why) && explained.contains("denied once"), "{explained}");
    tracker.check_files();
}

#[test]
fn what_was_read_before_a_crash_needs_no_secret_any_more() {
    let Some(tracker) = Tracker::new() else { return };
    let _ = tracker.call("run -q runbook.yaml").exits(0);
    let connection = journal::open(&tracker.dir.join(".palisade"));
    let whole = journal::events(&connection);
    for length in 1..whole.len() {
        journal::rewrite(&connection, &whole[..length]);
        let read = whole[..length].iter().any(|event| event["kind"] == "AttemptSucceeded");
        let without = tracker.called("resume -q last", None);
        if read {
            let _ = without.exits(0);
            continue;
        }
        assert!(without.stderr.contains("`TRACKER_TOKEN` is not set"), "behind event {length}: {without:?}");
        let _ = without.exits(1);
        journal::rewrite(&connection, &whole[..length]);
        let _ = tracker.call("resume -q last").exits(0);
    }
    tracker.check_files();
}

#[test]
fn wherever_a_run_died_its_secret_is_sent_under_one_key_and_kept_nowhere() {
    let Some(tracker) = Tracker::new() else { return };
    tracker.tells("done", TWICE);
    let _ = tracker.call("run -q runbook.yaml").exits(0);
    assert_eq!(tracker.told().into_values().collect::<Vec<_>>(), [1]);
    let ended = tracker.ended();
    assert_eq!(ended[0], "succeeded");
    // Closed before the files are read: whoever closes a file gives up the locks of the database on it.
    let journal = || journal::open(&tracker.dir.join(".palisade"));
    let whole = journal::events(&journal());
    for length in 1..whole.len() {
        let before = tracker.told();
        journal::rewrite(&journal(), &whole[..length]);
        tracker.check_files();
        let _ = tracker.call("resume -q last").exits(0);
        let done = whole[..length].iter().any(|event| event["kind"] == "AttemptSucceeded");
        // The other side counts by key: what it is told again is the same once more.
        let again = before.into_iter().map(|(key, times)| (key, times + usize::from(!done))).collect();
        assert_eq!(tracker.told(), again, "behind event {length}");
        assert_eq!(tracker.ended(), ended, "behind event {length}");
        tracker.check_files();
    }
}

#[test]
fn whenever_a_run_is_killed_its_secret_is_sent_under_one_key_and_kept_nowhere() {
    let Some(tracker) = Tracker::new() else { return };
    tracker.tells("done", TWICE);
    let mut runs = 0;
    end_at_each(40, Duration::from_millis(2), |life, signal| {
        end_after(tracker.start(), life, signal);
        tracker.check_files();
        let listed: Value = serde_json::from_str(&tracker.call("runs list --format json").stdout).unwrap();
        let listed = listed["runs"].as_array().unwrap();
        if listed.len() == runs {
            // It had not begun.
            return false;
        }
        runs = listed.len();
        let in_time = listed[0]["state"] != "succeeded";
        if in_time {
            let _ = tracker.call("resume -q last").exits(0);
        }
        assert_eq!(tracker.ended()[0], "succeeded");
        assert_eq!(tracker.told().len(), runs, "each run tells under a key of its own");
        tracker.check_files();
        in_time
    });
}

#[test]
fn a_secret_is_not_sent_again_where_nobody_knows_whether_it_arrived() {
    let Some(tracker) = Tracker::new() else { return };
    tracker.tells("mute", "");
    kill_once(tracker.start(), || tracker.told().len() == 1);
    tracker.check_files();
    let seen = tracker.server.seen();
    let _ = tracker.call("resume -q last").exits(1);
    assert_eq!(tracker.ended()[1], "in_doubt");
    assert_eq!(tracker.server.seen(), seen);
    tracker.check_files();
}

#[test]
fn a_secret_that_no_run_has_sent_is_listed() {
    let Some(tracker) = Tracker::new() else { return };
    let unused = || tracker.call("grants unused").exits(0).stdout;
    let listed = unused();
    assert!(listed.contains("example:fetcher  secret=tracker") && listed.contains("(palisade.toml:1"), "{listed}");
    let _ = tracker.call("run -q runbook.yaml").exits(0);
    assert_eq!(unused(), "");
}
