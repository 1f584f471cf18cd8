//! What components may use, through the binary: grants that count for bytes, denies, and the commands that show, accept,
//! explain, propose and check. The component is the reader (`plugins/reader`), whose versions ask for more or less.

use palisade_model::Digest;
use palisade_tests::told::holds;
use palisade_tests::{Dir, Outcome, palisade, root, skipped, with_stepper};
use serde_json::Value;
use std::fs;

const RUNBOOK: &str = "
name: Policies
execution:
  - {name: Policies, type: source, connector: 'acme:reader', config: {path: data, files: [a.txt, link, ../hr/b.txt]}, output: texts}
";
const FILES: &str = ", files: [a.txt, link, ../hr/b.txt]";
const CHANGED: &str = "the bytes of `acme:reader@1.0.0` can't be read as they were added";
const GRANT: &str = "
[[grant]]
component = \"acme:reader\"
allow = [\"fs-read=data\"]
reason = \"the privacy team\"
";

/// The bytes of the reader as that version with these requests.
fn reader(variant: &str) -> Option<Vec<u8>> {
    let Ok(mut bytes) = fs::read(root().join("target/reader/reader.wasm")) else {
        skipped("the guest reader is not in target/reader");
        return None;
    };
    let mark = b"READER-VARIANT ";
    let places: Vec<usize> =
        bytes.windows(mark.len()).enumerate().filter(|(_, window)| window == mark).map(|(at, _)| at).collect();
    let [at] = places.as_slice() else { panic!("the mark stands at {places:?}") };
    let from = at + mark.len();
    let place = &mut bytes[from..at + 64];
    place.fill(b' ');
    place[..variant.len()].copy_from_slice(variant.as_bytes());
    Some(bytes)
}

/// A folder with data, a runbook and three versions of the reader, the first of which is added.
struct Bench(Dir);

impl Bench {
    fn new(toml: &str) -> Option<Self> {
        let dir = Dir::new();
        dir.write("data/a.txt", "anna").write("hr/b.txt", "bob").write("hr2/c.txt", "carl");
        std::os::unix::fs::symlink("../hr/b.txt", dir.join("data/link")).unwrap();
        dir.write("runbook.yaml", RUNBOOK).write("palisade.toml", toml);
        for (file, variant) in [
            ("one.wasm", "1.0.0 fs-read"),
            ("same.wasm", "1.1.0 fs-read"),
            ("more.wasm", "2.0.0 fs-read sql"),
            ("less.wasm", "3.0.0"),
        ] {
            dir.write(file, reader(variant)?);
        }
        let bench = Self(dir);
        let _ = bench.call("component add one.wasm").exits(0);
        Some(bench)
    }

    fn call(&self, line: &str) -> Outcome {
        palisade(self.0.path(), line.split(' '))
    }

    fn json(&self, line: &str) -> Value {
        let outcome = self.call(&format!("{line} --format json"));
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{}{}", outcome.stdout, outcome.stderr))
    }

    fn digest(&self, file: &str) -> String {
        Digest::of(&fs::read(self.0.join(file)).unwrap()).to_string()
    }

    fn accept(&self, what: &str, file: &str) {
        let _ = self.call(&format!("grants accept {what} --digest sha256:{}", self.digest(file))).exits(0);
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.0.join("palisade.lock")).unwrap()
    }

    /// Changes a bit of the reader's bytes in the store; what is returned changes it back.
    fn change_stored_bytes(&self) -> impl Fn() {
        let mark = b"READER-VARIANT ";
        let place = |bytes: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
        let stored =
            walk(&self.0.join(".palisade")).into_iter().find_map(|path| Some((place(&fs::read(&path).ok()?)?, path)));
        let (at, path) = stored.expect("the component's bytes are in a file");
        let mut mode = fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o600);
        fs::set_permissions(&path, mode).unwrap();
        let flip = move || {
            let mut bytes = fs::read(&path).unwrap();
            bytes[at + 20] ^= 1;
            fs::write(&path, bytes).unwrap();
        };
        flip();
        flip
    }

    /// What a run of the runbook read.
    fn texts(&self) -> Vec<String> {
        let _ = self.call("run -q runbook.yaml --out out").exits(0);
        let document = fs::read(self.0.join("out/texts.json")).unwrap();
        let document: Value = serde_json::from_slice(&document).unwrap();
        document["data"].as_array().unwrap().iter().map(|item| item["content"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_grant_counts_once_its_bytes_were_accepted() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let refused = bench.call("run -q runbook.yaml").exits(2);
    holds(
        &refused.stderr,
        "error[PAL0339]: nobody accepted `acme:reader@1.0.0`, so that what palisade.toml:2 grants it",
    );
    holds(&refused.stderr, "`palisade grants accept acme:reader@1.0.0`");
    let _ = bench.call("plan runbook.yaml").exits(2);
    // Nobody is at a terminal, so the bytes must be named.
    let unasked = bench.call("grants accept acme:reader@1.0.0").exits(2);
    holds(&unasked.stderr, "nothing was accepted");
    holds(&unasked.stderr, &format!("--digest sha256:{}", bench.digest("one.wasm")));
    let other = bench.call(&format!("grants accept acme:reader --digest {}", bench.digest("more.wasm"))).exits(7);
    holds(&other.stderr, "not what --digest says");
    assert!(!bench.lock().contains("accepted = "), "{}", bench.lock());
    bench.accept("acme:reader", "one.wasm");
    // What the config does not name is not read, though it lies where the reader may read.
    assert_eq!(bench.texts(), ["anna"]);
    let again = bench.call(&format!("grants accept acme:reader --digest {}", bench.digest("one.wasm"))).exits(0);
    holds(&again.stderr, "accepted and in force already");
}

#[test]
fn without_a_grant_a_component_of_others_runs_and_reads_nothing() {
    let Some(bench) = Bench::new("") else { return };
    let denied = bench.call("run -q runbook.yaml").exits(3);
    holds(&denied.stderr, "the operator grants no `fs-read` of `data`");
    holds(&denied.stderr, "--allow fs-read=data");
    let _ = bench.call("run -q runbook.yaml --allow fs-read=data").exits(0);
}

#[test]
fn a_new_version_keeps_grants_unless_it_asks_for_more() {
    let Some(bench) = Bench::new(GRANT) else { return };
    bench.accept("acme:reader", "one.wasm");
    let same = bench.call("component add same.wasm").exits(0);
    holds(&same.stderr, "granted  as before, by palisade.toml:2: it asks for no more");
    holds(&same.stderr, "its name without a version means 1.0.0 until `palisade grants accept acme:reader@1.1.0`");
    let more = bench.call("component add more.wasm").exits(0);
    holds(&more.stderr, "`acme:reader@2.0.0` asks for more than was accepted: `sql` is new; accepted is 1.0.0");
    let _ = bench.call("component add less.wasm").exits(0);
    let of = |version: &str| RUNBOOK.replace("acme:reader", &format!("acme:reader@{version}"));
    bench.0.write("runbook.yaml", of("1.1.0"));
    assert_eq!(bench.texts(), ["anna"]);
    bench.0.write("runbook.yaml", of("2.0.0"));
    let pending = bench.call("run -q runbook.yaml").exits(2);
    holds(&pending.stderr, "error[PAL0339]: `acme:reader@2.0.0` asks for more than was accepted: `sql` is new");
    // A name without a version still means the one that was accepted.
    bench.0.write("runbook.yaml", RUNBOOK);
    assert_eq!(bench.texts(), ["anna"]);
    let plan = bench.json("plan runbook.yaml");
    assert!(plan.to_string().contains(&bench.digest("one.wasm")));
    let shown = bench.call("grants show").exits(0).stdout;
    holds(&shown, "acme:reader@2.0.0 is pending: `palisade grants accept acme:reader@2.0.0` shows the difference");
    let difference = bench.call("grants accept acme:reader@2.0.0").exits(2).stderr;
    holds(&difference, "version   1.0.0 -> 2.0.0");
    holds(&difference, "NEW: sql: to look customers up");
    holds(&difference, "fs-read=data (palisade.toml:4)");
    bench.accept("acme:reader@2.0.0", "more.wasm");
    let plan = bench.json("plan runbook.yaml --allow sql=crm.db");
    assert!(plan.to_string().contains(&bench.digest("more.wasm")), "the name means what was accepted last");
    // And back again, by the same way.
    bench.accept("acme:reader@1.0.0", "one.wasm");
    assert_eq!(bench.texts(), ["anna"]);
}

#[test]
fn an_alias_and_a_whitelist_entry_move_by_accept_alone() {
    let toml = format!("[aliases]\nreader = \"acme:reader\"\n[generated]\ncomponents = [\"reader\"]\n{GRANT}");
    let Some(bench) = Bench::new(&toml) else { return };
    bench.0.write("runbook.yaml", RUNBOOK.replace("acme:reader", "reader"));
    bench.accept("reader", "one.wasm");
    let _ = bench.call("component add same.wasm").exits(0);
    let means = |file: &str| {
        let plan = bench.json("plan runbook.yaml").to_string();
        assert!(plan.contains(&bench.digest(file)), "{plan}");
        let shown = bench.json("component show reader");
        assert_eq!(shown["digest"].as_str(), Some(bench.digest(file).as_str()));
    };
    means("one.wasm");
    bench.accept("acme:reader@1.1.0", "same.wasm");
    means("same.wasm");
}

#[test]
fn a_lock_that_was_edited_by_hand_grants_nothing() {
    let Some(bench) = Bench::new(GRANT) else { return };
    bench.accept("acme:reader", "one.wasm");
    let good = bench.lock();
    let digest = bench.digest("one.wasm");
    let check = |lock: String, code: i32, told: &str| {
        bench.0.write("palisade.lock", lock);
        let outcome = bench.call("run -q runbook.yaml").exits(code);
        holds(&outcome.stderr, told);
    };
    let other = "0".repeat(64);
    // Accepted are other bytes: those that are there are not.
    check(good.replace(&format!("accepted = \"{digest}\""), &format!("accepted = \"{other}\"")), 2, "nobody accepted");
    // The lock speaks of other bytes altogether.
    check(good.replace(&digest, &other), 7, &other);
    let accept = bench.call(&format!("grants accept acme:reader --digest {digest}")).exits(7);
    holds(&accept.stderr, &other);
    check(good.replace("accepted", "granted"), 2, "unknown field `granted`");
    check(good.replace("version = 2\n", "version = 9\n"), 2, "has version 9, this Palisade knows 2");
    check(good.replace("fs-read", "fs-erase"), 2, "unknown variant");
    check(format!("{good}<<<<<<<\n"), 2, "can't be read");
    // Without the entry nobody accepted anything.
    check("version = 2\n".to_owned(), 2, "nobody accepted");
    fs::remove_file(bench.0.join("palisade.lock")).unwrap();
    let _ = bench.call("run -q runbook.yaml").exits(2);
    bench.0.write("palisade.lock", good);
    let _ = bench.call("run -q runbook.yaml").exits(0);
}

#[test]
fn a_lock_of_the_first_form_is_read_and_accepts_nothing() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let digest = bench.digest("one.wasm");
    let entry = format!("[[component]]\nid = \"acme:reader\"\nversion = \"1.0.0\"\ndigest = \"{digest}\"\n");
    bench.0.write("palisade.lock", format!("version = 1\n\n{entry}"));
    let refused = bench.call("run -q runbook.yaml").exits(2);
    holds(&refused.stderr, "nobody accepted `acme:reader@1.0.0`");
    bench.accept("acme:reader", "one.wasm");
    holds(&bench.lock(), "requests = [\"fs-read\"]");
    assert_eq!(bench.texts(), ["anna"]);
}

#[test]
fn a_deny_beats_grants_the_command_line_and_the_default_set() {
    let deny = "[[deny]]\ndeny = [\"fs-read=hr\"]\nreason = \"works council\"\n";
    let Some(bench) = Bench::new(&format!("{deny}{}", GRANT.replace("fs-read=data", "fs-read=."))) else { return };
    bench.accept("acme:reader", "one.wasm");
    let run = |runbook: &str, allow: &str, code: i32| {
        bench.0.write("runbook.yaml", runbook);
        bench.call(&format!("run -q runbook.yaml --no-cache --allow {allow}")).exits(code).stderr
    };
    let of = |path: &str| RUNBOOK.replace("path: data", &format!("path: {path}"));
    let denied = "the operator forbids `fs-read` of `hr`: a deny of `fs-read` of `hr` (palisade.toml:2: works council)";
    holds(&run(&of("hr"), "fs-read=hr", 3), denied);
    holds(&run(&of("hr").replace("acme:reader", "filesystem").replace(FILES, ""), "fs-read=hr", 3), denied);
    // What only begins alike is another folder.
    let _ = run(&of("hr2"), "fs-read=data", 0);
    // By way of a link in what is named, also where the link's end is allowed for the run.
    let _ = run(&of("data"), "fs-read=hr/b.txt", 0);
    let shown = bench.json("runs show last");
    let skipped = shown["record"]["steps"][0]["skipped"].as_array().unwrap();
    assert!(
        skipped.iter().any(|skip| skip["reason"].as_str().unwrap().contains("the operator forbids")),
        "{skipped:?}"
    );
    assert!(!shown.to_string().contains("bob"));
}

#[test]
fn a_deny_of_a_link_holds_where_it_leads() {
    let deny = "[[deny]]\ndeny = [\"fs-read=people\"]\n";
    let Some(bench) = Bench::new(&format!("{deny}{}", GRANT.replace("fs-read=data", "fs-read=."))) else { return };
    std::os::unix::fs::symlink("hr", bench.0.join("people")).unwrap();
    bench.accept("acme:reader", "one.wasm");
    bench.0.write("runbook.yaml", RUNBOOK.replace("path: data", "path: hr"));
    let denied = bench.call("run -q runbook.yaml").exits(3).stderr;
    holds(&denied, "the operator forbids `fs-read` of `hr`");
    bench.0.write("runbook.yaml", RUNBOOK.replace("path: data", "path: hr2"));
    let _ = bench.call("run -q runbook.yaml").exits(0);
}

#[test]
fn a_label_is_taken_away_by_accepted_bytes_alone() {
    let Some(dir) = with_stepper() else { return };
    let declassify =
        "[[declassify]]\ncomponent = \"test:stepper\"\nlabels = [\"personal\"]\nreason = \"it keeps no names\"\n";
    let toml = "[[system]]\nname = \"crm\"\nconnector = \"filesystem\"\nconfig = { path = \"data\" }\nlabels = [\"personal\"]\n\
                [[flow]]\nlabels = [\"personal\"]\nnever_to = [\"output\"]\n";
    dir.write("data/a.txt", "anna").write("palisade.toml", format!("{toml}{declassify}"));
    dir.write(
        "book.yaml",
        "name: N\noutputs: {made: longer}\nexecution:\n  - {id: read, type: source, system: crm, output: texts}\n  - {id: longer, \
         analyser: 'test:stepper', input: texts, output: longer}\n",
    );
    let plan = |code: i32| {
        let planned = palisade(dir.path(), ["plan", "book.yaml"]).exits(code);
        assert_eq!(planned.stderr.contains("error[PAL0340]"), code == 2, "{}", planned.stderr);
    };
    // It asks for no power, so that it was accepted when it was added; nobody has looked at what it does.
    plan(2);
    let stepper = fs::read(root().join("target/stepper/stepper.wasm")).unwrap();
    let digest = Digest::of(&stepper).to_string();
    let _ = palisade(dir.path(), ["grants", "accept", "test:stepper", "--digest", &digest]).exits(0);
    plan(0);
    // Accepted are other bytes: what these make keeps its label.
    let lock = fs::read_to_string(dir.join("palisade.lock")).unwrap();
    let (before, accepted) = lock.split_once("accepted = \"").unwrap();
    dir.write("palisade.lock", format!("{before}accepted = \"{}{}", "0".repeat(64), &accepted[64..]));
    plan(2);
    dir.write("palisade.lock", lock);
    plan(0);
    // And the word is that of the file: without it, being accepted takes no label away.
    dir.write("palisade.toml", toml);
    plan(2);
}

#[test]
fn a_label_that_one_version_takes_away_stays_with_the_next_until_somebody_accepts_it() {
    let declassify =
        "[[declassify]]\ncomponent = \"acme:reader\"\nlabels = [\"acme:reader\"]\nreason = \"names are cut\"\n";
    let flow = "[[flow]]\nlabels = [\"acme:reader\"]\nnever_to = [\"output\"]\n";
    let Some(bench) = Bench::new(&format!("{GRANT}{declassify}{flow}")) else { return };
    let plan = |version: &str, code: i32, told: &str| {
        let runbook = RUNBOOK.replace("acme:reader", &format!("acme:reader@{version}"));
        bench.0.write("runbook.yaml", runbook.replace("execution:", "outputs: {texts: texts}\nexecution:"));
        holds(&bench.call("plan runbook.yaml").exits(code).stderr, told);
    };
    bench.accept("acme:reader", "one.wasm");
    plan("1.0.0", 0, "");
    // Powers say nothing of what it does with names: its grants count at once, the word about the label does not.
    let added = bench.call("component add same.wasm").exits(0).stderr;
    holds(&added, "granted  as before, by palisade.toml:2: it asks for no more");
    plan("1.1.0", 2, "error[PAL0340]");
    plan("1.0.0", 0, "");
    bench.accept("acme:reader@1.1.0", "same.wasm");
    plan("1.1.0", 0, "");
    // It asks for more, so that nothing of it counts.
    let _ = bench.call("component add more.wasm").exits(0);
    plan("2.0.0", 2, "error[PAL0339]");
    plan("1.1.0", 0, "");
}

#[test]
fn bytes_that_were_changed_in_the_store_are_noticed() {
    let Some(bench) = Bench::new(GRANT) else { return };
    bench.accept("acme:reader", "one.wasm");
    // Its compiled code is kept from now on, and would do.
    let _ = bench.call("run -q runbook.yaml").exits(0);
    let _ = bench.change_stored_bytes();
    let accept = format!("grants accept acme:reader@1.0.0 --digest {}", bench.digest("one.wasm"));
    for line in ["doctor", &accept, "run -q runbook.yaml", "replay last"] {
        let _ = bench.call(line).exits(7);
    }
    holds(&bench.call("run -q runbook.yaml").stderr, CHANGED);
    assert_eq!(bench.json("runs list")["runs"].as_array().unwrap().len(), 1, "nothing was begun");
}

#[test]
fn bytes_that_were_changed_while_a_run_waits_are_noticed_before_it_goes_on() {
    let Some(bench) = Bench::new(GRANT) else { return };
    bench.accept("acme:reader", "one.wasm");
    let reads = RUNBOOK.trim_start().replace("Policies", "Reads");
    bench.0.write("reads.yaml", format!("{reads}outputs: {{texts: texts}}\n"));
    bench.0.write(
        "asks.yaml",
        "name: Asks\nexecution:\n  - {id: ask, type: approval, message: 'Shall it run?'}\n\
         \x20 - {id: go, type: execute_workflow, file: reads.yaml, after: ask, outputs: {texts: texts}}\n",
    );
    // Its compiled code is kept from now on, and would do.
    let _ = bench.call("run -q runbook.yaml").exits(0);
    for _ in 0..3 {
        let _ = bench.call("run -q asks.yaml").exits(5);
    }
    let _ = bench.call("approve -q last --no-run").exits(0);
    let mended = bench.change_stored_bytes();
    for line in ["resume -q last", "approve -q last~1"] {
        holds(&bench.call(line).exits(7).stderr, CHANGED);
    }
    // Nothing of it runs any more.
    let _ = bench.call("cancel last~2").exits(0);
    holds(&bench.call("runs show last~2").exits(0).stdout, "cancelled");
    mended();
    let _ = bench.call("resume -q last").exits(0);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_decision_is_explained_with_what_almost_allowed_it() {
    let Some(bench) = Bench::new(&GRANT.replace("fs-read=data", "fs-read=.")) else { return };
    bench.accept("acme:reader", "one.wasm");
    bench.0.write("runbook.yaml", RUNBOOK.replace("execution:", "capabilities: [fs-read=data]\nexecution:"));
    let _ = bench.call("run -q runbook.yaml").exits(0);
    let told = bench.call("grants explain last policies").exits(0).stdout;
    holds(
        &told,
        "fs-read of `data`, named by `/path` of its config\n  allowed: `fs-read` of `data`, by all that have a say",
    );
    holds(&told, "`fs-read` of `data` is covered by palisade.toml:4");
    holds(
        &told,
        "denied: the runbook's `capabilities` hold no `fs-read` of `hr/b.txt`; it is not below `data` (runbook.yaml:3)",
    );
    holds(&told, "the operator's word (palisade.toml:4) would have allowed it");
    let json = bench.json("grants explain last policies");
    assert_eq!(json["decisions"][0]["allowed"], true);
    assert_eq!((&json["decisions"][1]["path"], &json["decisions"][1]["allowed"]), (&"hr/b.txt".into(), &false.into()));
    let unknown = bench.call("grants explain last policie").exits(2);
    holds(&unknown.stderr, "did you mean `policies`?");
}

#[test]
fn the_smallest_grants_that_would_have_sufficed_are_proposed_and_suffice() {
    let Some(bench) = Bench::new("") else { return };
    let nasty = "da\"ta] x";
    bench.0.write(&format!("{nasty}/a.txt"), "x");
    let runbook = RUNBOOK.replace("path: data", &format!("path: '{nasty}'"));
    bench.0.write("runbook.yaml", runbook);
    let proposed = bench.call("grants propose runbook.yaml").exits(0).stdout;
    holds(&proposed, "component = \"acme:reader@1.0.0\"\nallow = [\"fs-read=da\\\"ta] x\"]");
    assert_eq!(fs::read_to_string(bench.0.join("palisade.toml")).unwrap(), "", "nothing is written");
    let _ = bench.call("run -q runbook.yaml").exits(3);
    bench.0.write("palisade.toml", proposed);
    bench.accept("acme:reader", "one.wasm");
    let _ = bench.call("run -q runbook.yaml").exits(0);
    // What a link led to is nothing that a grant of the file allows: the config does not name it.
    bench.0.write("runbook.yaml", RUNBOOK).write("palisade.toml", GRANT.replace("data", "."));
    let _ = bench.call("run -q runbook.yaml").exits(0);
    let beyond = bench.call("grants propose last").exits(0).stdout;
    holds(
        &beyond,
        "# No grant would have allowed:\n#   step policies: fs-read=hr/b.txt\n#     config: the step's config names no",
    );
    let nothing = bench.call("grants propose runbook.yaml").exits(0);
    holds(&nothing.stderr, "nothing was denied: there is nothing to propose");
}

#[test]
fn expectations_are_checked_and_the_one_that_is_not_met_is_named() {
    let Some(bench) = Bench::new(&format!("[[deny]]\ndeny = [\"fs-read=data/x\"]\n{GRANT}")) else { return };
    bench.accept("acme:reader", "one.wasm");
    let good = "[[expect]]\ncomponent = \"acme:reader\"\nallow = [\"fs-read=data/a.txt\"]\ndeny = [\"fs-read=data/x/y\", \
                \"fs-read=database\", \"sql=data/a.db\"]\n";
    bench.0.write("expect.toml", good);
    let met = bench.call("grants test expect.toml").exits(0);
    assert_eq!(met.stderr, "4 expectations met\n");
    bench.0.write("expect.toml", format!("{good}allow_ = []\n"));
    let wrong = bench.call("grants test expect.toml").exits(2);
    holds(&wrong.stderr, "5:1: [[expect]] has no `allow_`");
    bench.0.write("expect.toml", good.replace("\"fs-read=database\"", "\"fs-read=data/b\""));
    let unmet = bench.call("grants test expect.toml").exits(1);
    holds(&unmet.stderr, "expect.toml:4: acme:reader@1.0.0 is allowed `fs-read=data/b`, and is to be denied");
    holds(&unmet.stderr, "1 of 4 expectations not met");
    assert_eq!(bench.json("grants test expect.toml")["unmet"][0]["line"], 4);
}

#[test]
fn grants_that_no_run_has_used_are_listed() {
    let Some(bench) = Bench::new(&GRANT.replace("\"fs-read=data\"", "\"fs-read=data\", \"fs-read=hr2\"")) else {
        return;
    };
    bench.accept("acme:reader", "one.wasm");
    let before = bench.json("grants unused");
    assert_eq!(before["unused"].as_array().unwrap().len(), 2);
    let _ = bench.call("run -q runbook.yaml").exits(0);
    let after = bench.call("grants unused").exits(0);
    assert_eq!(after.stdout, "  acme:reader  fs-read=hr2  (palisade.toml:4)\n");
    assert_eq!(after.stderr, "none of the stored runs (1) used these\n");
}

#[test]
fn who_revokes_hears_of_runs_that_wait_and_will_use_it() {
    let Some(bench) = Bench::new(GRANT) else { return };
    bench.accept("acme:reader", "one.wasm");
    let read = "type: source, connector: 'acme:reader', config: {path: data, files: [a.txt]}, output: texts";
    let asks = format!(
        "name: Asks\nexecution:\n  - {{id: ask, type: approval, message: Go on?}}\n  - {{id: read, {read}, after: [ask]}}\n"
    );
    bench.0.write("asks.yaml", asks);
    let _ = bench.call("run -q asks.yaml").exits(5);
    let told = bench.call("grants revoke acme:reader fs-read=data --yes").exits(0);
    holds(&told.stderr, "note: no stored run has used it");
    holds(&told.stderr, "note: these wait for a person, and go on with what they were granted: ");
}

#[test]
fn what_a_component_may_use_and_where_it_ran_is_shown_with_it() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let before = bench.call("component show acme:reader").exits(0).stdout;
    holds(&before, "not accepted: none of it counts before `palisade grants accept acme:reader@1.0.0`");
    bench.accept("acme:reader", "one.wasm");
    let _ = bench.call("run -q runbook.yaml").exits(0);
    let shown = bench.call("component show acme:reader").exits(0).stdout;
    holds(&shown, "  is granted\n    fs-read of data  (palisade.toml:4: the privacy team)\n");
    holds(&shown, "  ran last\n    ");
    holds(&shown, "succeeded  Policies\n");
}

#[test]
fn two_locks_are_compared() {
    let Some(bench) = Bench::new(GRANT) else { return };
    bench.0.write("old.lock", bench.lock());
    bench.accept("acme:reader", "one.wasm");
    let diff = bench.call("grants diff old.lock palisade.lock").exits(0).stdout;
    let digest = bench.digest("one.wasm");
    assert_eq!(
        diff,
        format!(
            "+ acme:reader@1.0.0 sha256:{digest} asks for fs-read, unsigned, accepted, in force\n\
             - acme:reader@1.0.0 sha256:{digest} asks for fs-read, unsigned, not accepted, in force\n"
        )
    );
    let same = bench.call("grants diff palisade.lock palisade.lock").exits(0);
    assert_eq!((same.stdout.as_str(), same.stderr.as_str()), ("", "they say the same\n"));
}

/// What the schema of CycloneDX 1.6 asks of a bill of materials, as far as one has these parts.
fn check_bill(bill: &Value) {
    let of = |value: &Value, keys: &[&str]| {
        let found: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(found.iter().all(|key| keys.contains(key)), "{found:?}");
    };
    of(bill, &["bomFormat", "specVersion", "version", "metadata", "components"]);
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"], &bill["version"]),
        (&"CycloneDX".into(), &"1.6".into(), &1.into())
    );
    let components = bill["components"].as_array().unwrap();
    let mut references = std::collections::BTreeSet::new();
    for component in components {
        of(component, &["type", "bom-ref", "group", "name", "version", "description", "hashes", "properties"]);
        assert_eq!(component["type"], "library");
        assert!(references.insert(component["bom-ref"].as_str().unwrap()), "a reference is there once");
        let hash = &component["hashes"][0];
        of(hash, &["alg", "content"]);
        let content = hash["content"].as_str().unwrap();
        assert!(
            hash["alg"] == "SHA-256" && content.len() == 64 && content.bytes().all(|byte| byte.is_ascii_hexdigit())
        );
        for property in component["properties"].as_array().unwrap() {
            of(property, &["name", "value"]);
            assert!(property["value"].is_string());
        }
    }
}

#[test]
fn the_inventory_is_a_bill_of_materials() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let list = || bench.call("component list --format cyclonedx").exits(0).stdout;
    let bill: Value = serde_json::from_str(&list()).unwrap();
    check_bill(&bill);
    let components = bill["components"].as_array().unwrap();
    let reader = components.iter().find(|one| one["bom-ref"] == "acme:reader@1.0.0").unwrap();
    assert_eq!(
        (&reader["group"], &reader["name"], &reader["version"]),
        (&"acme".into(), &"reader".into(), &"1.0.0".into())
    );
    assert_eq!(reader["hashes"][0]["content"].as_str(), Some(bench.digest("one.wasm").as_str()));
    let properties = reader["properties"].to_string();
    assert!(properties.contains(r#"{"name":"palisade:grants","value":"not accepted"}"#), "{properties}");
    assert_eq!(list(), list());
    let elsewhere = bench.call("component show acme:reader --format cyclonedx").exits(2);
    holds(&elsewhere.stderr, "only `palisade component list` has it");
}

impl Bench {
    /// Makes a key in `NAME.key`, and gives its part that is no secret.
    fn key(&self, name: &str) -> String {
        let printed = self.call(&format!("approvals key {name} --out {name}.key")).exits(0).stdout;
        printed.split('"').nth(1).unwrap().to_owned()
    }

    /// Names a new key as the owner of `acme`, and gives it.
    fn owned(&self) -> String {
        let key = self.key("acme");
        self.0.write("palisade.toml", format!("[[namespace]]\nname = \"acme\"\nkey = \"{key}\"\n{GRANT}"));
        key
    }
}

#[test]
fn a_component_of_an_owned_namespace_needs_its_owners_signature() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let owner = bench.owned();
    let _ = bench.key("eve");
    let missing = bench.call("component add same.wasm").exits(3);
    holds(&missing.stderr, &format!("acme:reader@1.1.0 was not added: it needs a signature by `{owner}`"));
    holds(&missing.stderr, "which owns the namespace `acme` (palisade.toml:1); same.wasm.sig is not there");
    holds(&missing.stderr, "`palisade component sign FILE --key KEY`");
    let _ = bench.call("component sign same.wasm --key eve.key").exits(0);
    let other = bench.call("component add same.wasm").exits(3);
    holds(&other.stderr, "same.wasm.sig: it is of another key");
    assert!(!bench.lock().contains("1.1.0"), "{}", bench.lock());
    let signed = bench.call("component sign same.wasm --key acme.key").exits(0);
    holds(&signed.stderr, "signed: acme:reader@1.1.0\n");
    let added = bench.call("component add same.wasm").exits(0);
    holds(&added.stderr, "maker    signed by acme\n");
    holds(&bench.lock(), &format!("signed_by = \"{owner}\""));
    holds(&bench.call("audit log").exits(0).stdout, &format!("signed by {owner}"));
    holds(&bench.call("component list").exits(0).stdout, "(signed by acme)");
    holds(
        &bench.call("component show acme:reader@1.1.0").exits(0).stdout,
        &format!("origin   added, signed by {owner}"),
    );
    holds(&bench.call("grants accept acme:reader@1.1.0").exits(2).stderr, "  signature signed by acme\n");
    holds(&bench.call("grants show").exits(0).stdout, "signed by acme");
    let listed = bench.json("component list");
    let version = |version: &str| listed.as_array().unwrap().iter().find(|one| one["version"] == version).unwrap();
    assert_eq!((&version("1.1.0")["signed_by"], &version("1.0.0")["signed_by"]), (&owner.into(), &Value::Null));
}

#[test]
fn a_signature_that_does_not_fit_is_refused_whether_one_is_needed_or_not() {
    for owned in [true, false] {
        let Some(bench) = Bench::new(GRANT) else { return };
        let _ = if owned { bench.owned() } else { bench.key("acme") };
        let _ = bench.call("component sign same.wasm --key acme.key --out good.sig").exits(0);
        let _ = bench.call("component sign more.wasm --key acme.key --out other.sig").exits(0);
        let refused = |said: &str| {
            let told = bench.call("component add same.wasm").exits(7);
            holds(&told.stderr, said);
            assert!(!bench.lock().contains("1.1.0"), "{}", bench.lock());
        };
        fs::copy(bench.0.join("other.sig"), bench.0.join("same.wasm.sig")).unwrap();
        refused("it signs other bytes than these");
        bench.0.write("same.wasm.sig", "hello\n");
        refused("it is no signed note");
        bench.0.write("same.wasm.sig", "x".repeat((64 << 10) + 1));
        refused("a note has at most 65536 bytes");
        // What is there and can't be read is not taken for none.
        fs::remove_file(bench.0.join("same.wasm.sig")).unwrap();
        std::os::unix::fs::symlink("nowhere", bench.0.join("same.wasm.sig")).unwrap();
        let _ = bench.call("component add same.wasm").exits(2);
        let _ = bench.call("component add same.wasm --signature none.sig").exits(2);
        let added = bench.call("component add same.wasm --signature good.sig").exits(0);
        holds(
            &added.stderr,
            if owned { "signed by acme\n" } else { "unsigned: a signature is there, but the namespace" },
        );
        assert_eq!(bench.lock().contains("signed_by"), owned, "{}", bench.lock());
    }
}

#[test]
fn a_signature_of_the_owner_that_was_moved_from_another_component_is_refused() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let _ = bench.owned();
    let _ = bench.call("component sign same.wasm --key acme.key").exits(0);
    let _ = bench.call("component sign more.wasm --key acme.key").exits(0);
    let line = |file: &str| fs::read_to_string(bench.0.join(file)).unwrap().lines().last().unwrap().to_owned();
    let note = fs::read_to_string(bench.0.join("same.wasm.sig")).unwrap();
    bench.0.write("same.wasm.sig", note.replace(&line("same.wasm.sig"), &line("more.wasm.sig")));
    let forged = bench.call("component add same.wasm").exits(7);
    holds(&forged.stderr, "its signature is not one of the key");
}

#[test]
fn what_was_added_before_its_namespace_had_an_owner_is_not_run_before_it_is_signed() {
    let Some(bench) = Bench::new(GRANT) else { return };
    bench.accept("acme:reader", "one.wasm");
    let _ = bench.call("run -q runbook.yaml").exits(0);
    let owner = bench.owned();
    let refused = bench.call("run -q runbook.yaml").exits(2);
    holds(&refused.stderr, &format!("error[PAL0339]: `acme:reader@1.0.0` is not signed by `{owner}`"));
    let accept = format!("grants accept acme:reader --digest {}", bench.digest("one.wasm"));
    holds(&bench.call(&accept).exits(3).stderr, "nothing was accepted");
    holds(
        &bench.call("grants show").exits(0).stdout,
        "acme:reader@1.0.0 is refused: `acme:reader@1.0.0` is not signed by",
    );
    let _ = bench.call("component sign one.wasm --key acme.key").exits(0);
    let _ = bench.call("component add one.wasm").exits(0);
    assert_eq!(bench.texts(), ["anna"], "what was accepted for these bytes still is");
    // Another owner did not sign it.
    let eve = bench.key("eve");
    let toml = fs::read_to_string(bench.0.join("palisade.toml")).unwrap();
    bench.0.write("palisade.toml", toml.replace(&owner, &eve));
    let _ = bench.call("run -q runbook.yaml").exits(2);
}

#[test]
fn a_signature_is_written_over_nothing_but_another_one() {
    let Some(bench) = Bench::new(GRANT) else { return };
    let _ = bench.key("acme");
    let kept = bench.call("component sign same.wasm --key acme.key --out more.wasm").exits(2);
    holds(&kept.stderr, "more.wasm is there already, and is no signature of a component");
    for _ in 0..2 {
        let _ = bench.call("component sign same.wasm --key acme.key").exits(0);
    }
    let _ = bench.call("component sign runbook.yaml --key acme.key").exits(2);
    let _ = bench.call("component sign same.wasm --key runbook.yaml").exits(2);
}

/// What git prints in a folder; none and a loud line where there is no git.
fn git(dir: &Dir, arguments: &[&str]) -> Option<()> {
    let who = ["-c", "user.name=a", "-c", "user.email=a@a.example", "-c", "init.defaultBranch=main"];
    let Ok(status) = std::process::Command::new("git").current_dir(dir.path()).args(who).args(arguments).status()
    else {
        skipped("git is not there");
        return None;
    };
    assert!(status.success(), "{arguments:?}");
    Some(())
}

#[test]
fn what_a_file_granted_in_a_commit_is_compared_with_what_it_grants_now() {
    let dir = Dir::new();
    let grant =
        |scope: &str| format!("[[grant]]\ncomponent = \"palisade:filesystem\"\nallow = [\"fs-read={scope}\"]\n");
    let flow = "\n[[flow]]\nlabels = [\"filesystem\"]\nto = [\"output\"]\nreason = \"reports\"\n";
    dir.write("conf/palisade.toml", grant("a"));
    if git(&dir, &["init", "-q"]).is_none() {
        return;
    }
    git(&dir, &["add", "."]);
    git(&dir, &["commit", "-q", "-m", "first"]);
    dir.write("conf/palisade.toml", grant("b") + flow);
    let diff = |old: &str| palisade(&dir.join("conf"), ["grants", "diff", old, "palisade.toml"]);
    let told = diff("HEAD:palisade.toml").exits(0).stdout;
    let expected = "+ flow of `filesystem` may to the results of the run\n- grant palisade:filesystem fs-read=a\n\
                    + grant palisade:filesystem fs-read=b\n";
    assert_eq!(told, expected);
    for (name, says) in [
        ("HEAD~7:palisade.toml", "HEAD~7:palisade.toml can't be read"),
        ("HEAD:none.toml", "none.toml"),
        ("none.toml", "none.toml can't be read"),
        ("--output=x:palisade.toml", "unexpected argument"),
    ] {
        let told = diff(name).exits(2).stderr;
        assert!(told.contains(says), "{name}: {told}");
    }
}
