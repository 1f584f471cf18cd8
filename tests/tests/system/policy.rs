//! A privacy policy goes in, findings come out: the examples of `examples/policy_check`, run as they are written.

use palisade_model::Digest;
use palisade_tests::told::holds;
use palisade_tests::{Dir, palisade, root, skipped};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The examples in a folder of their own.
fn examples() -> Dir {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples"));
    dir
}

fn json_in(dir: &Dir, file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join(file)).unwrap()).unwrap()
}

fn values(list: &Value, key: &str) -> BTreeSet<String> {
    list.as_array().unwrap().iter().filter_map(|item| item[key].as_str()).map(str::to_owned).collect()
}

fn set(words: &str) -> BTreeSet<String> {
    words.split(", ").map(str::to_owned).collect()
}

/// What a folder's check is to find.
struct Expected<'e> {
    /// The categories that are found in the data.
    categories: &'e str,
    /// What they are under the GDPR.
    privacy: &'e str,
    /// Some of what the policy states.
    facts: &'e [&'e str],
    /// The systems that it names and nobody set up.
    not_checked: &'e [&'e str],
    /// All gaps that are more than a note: severity, kind, what, number of findings, first place.
    gaps: &'e [&'e str],
    /// What the policy and the data agree in.
    agreed: &'e str,
}

/// Runs the check of a folder and compares what it finds in the data, what of the policy it says is not checked, and where
/// it says that they disagree.
fn check(folder: &str, policy: &str, expected: &Expected<'_>) {
    let dir = examples();
    let run = ["run", "-q", "../check.yaml", "--input", &format!("privacy_policy_document={policy}"), "--out", "out"];
    let _ = palisade(&dir.join(&format!("policy_check/{folder}")), run).exits(0);
    let out = |file: &str| json_in(&dir, &format!("policy_check/{folder}/out/{file}"));
    let found = out("check_the_systems/personal_data.json");
    assert_eq!(values(&found["findings"], "category"), set(expected.categories));
    let classified = out("classified.json");
    assert_eq!(values(&classified["findings"], "privacy_category"), set(expected.privacy));
    let stated = out("policy_facts.json");
    let stated: BTreeSet<String> = stated["facts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| format!("{} {}", fact["kind"].as_str().unwrap(), fact["value"].as_str().unwrap()))
        .collect();
    for fact in expected.facts {
        assert!(stated.contains(*fact), "{fact} is not in {stated:#?}");
    }
    let skipped = values(&out("run.json")["steps"][0]["skipped"], "what");
    let not_checked: BTreeSet<String> = expected.not_checked.iter().map(|name| format!("system `{name}`")).collect();
    assert_eq!(skipped, not_checked);
    let report = out("gaps.json");
    let text = |gap: &Value, key: &str| gap[key].as_str().unwrap_or("?").to_owned();
    let line = |gap: &Value| {
        let (severity, kind, category) = (text(gap, "severity"), text(gap, "kind"), text(gap, "category"));
        format!("{severity} {kind}: {category}, {} in {}", gap["findings"], gap["places"][0].as_str().unwrap_or("none"))
    };
    let gaps: Vec<String> =
        report["gaps"].as_array().unwrap().iter().filter(|gap| gap["severity"] != "info").map(line).collect();
    assert_eq!(gaps, expected.gaps);
    let agreed: BTreeSet<String> =
        report["agreed"].as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned).collect();
    assert_eq!(agreed, set(expected.agreed));
    // Every statement of the policy is in the report: it agrees, or it is a gap, or it is a system that was checked.
    let named = |fact: &Value| {
        let value = fact["value"].as_str().unwrap();
        let in_gaps = report["gaps"].as_array().unwrap().iter().any(|gap| gap["category"] == value);
        agreed.contains(value) || in_gaps || fact["checked"] == true || fact["kind"] == "legal_basis"
    };
    let all = out("policy_facts.json");
    let dropped: Vec<&Value> = all["facts"].as_array().unwrap().iter().filter(|fact| !named(fact)).collect();
    assert!(dropped.is_empty(), "{dropped:#?}");
}

#[test]
fn a_shop_holds_what_its_policy_denies() {
    check(
        "shop",
        "policy.md",
        &Expected {
            categories: "bank, contact, person, postal_address, wellbeing",
            privacy: "finance, identity, sensitive",
            facts: &[
                "data_category postal address",
                "denied_category health data",
                "system order database",
                "third_party Stripe",
                "transfer United States",
                "retention 10 years",
            ],
            not_checked: &["Mailchimp"],
            gaps: &[
                "high found_but_denied: health data, 1 in data/support/2024-05-03.txt",
                "medium found_not_stated: telephone number, 1 in data/support/2024-05-03.txt",
                "medium system_not_checked: Mailchimp, 0 in none",
                "low stated_not_found: payment data, 0 in none",
            ],
            agreed: "bank details, email address, name, postal address",
        },
    );
}

#[test]
fn a_finding_of_a_grandchild_leads_to_who_planned_it_from_which_policy_and_who_allowed_it() {
    let dir = examples();
    let shop = dir.join("policy_check/shop");
    let given = "inputs: {privacy_policy_document: policy}";
    let outer = format!(
        "name: Outer\ninputs: {{policy: {{input_schema: privacy_policy_document}}}}\nexecution:\n  \
         - {{id: go, type: execute_workflow, file: check.yaml, {given}}}\n"
    );
    std::fs::write(shop.join("outer.yaml"), outer).unwrap();
    std::fs::copy(dir.join("policy_check/check.yaml"), shop.join("check.yaml")).unwrap();
    let _ = palisade(&shop, ["run", "-q", "outer.yaml", "--input", "policy=policy.md", "--out", "out"]).exits(0);
    let found = std::fs::read_to_string(shop.join("out/go/classified.json")).unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    let finding = found["findings"][0]["id"].as_str().unwrap();
    // From the run that a person started down to the files and the rules, and to the policy behind the runbook.
    let up = palisade(&shop, ["lineage", finding, "--up"]).exits(0).stdout;
    let planned = [
        "approved beforehand by the runbook, ",
        "generated_runbook  ",
        "  as the runbook that it runs",
        "palisade:policy_to_runbook_analyser@",
        "privacy_policy_document  input of the run, `policy` of the run above",
        "local/planning_context/1.0.0  ruleset",
    ];
    let behind = [
        "step go  execute_workflow  child run ",
        "step check_the_systems  execute_workflow  child run ",
        "palisade:gdpr_personal_data_classifier@",
        "palisade:personal_data@",
        "data/orders  file or folder that its config names",
    ];
    for part in planned.iter().chain(&behind) {
        assert!(up.contains(part), "no {part}:\n{up}");
    }
    // From the grandchild up to the same, and to what its grandparent got of it.
    let runs = palisade(&shop, ["runs", "list", "--children", "--format", "json"]).exits(0).stdout;
    let runs: Value = serde_json::from_str(&runs).unwrap();
    let grandchild = runs["runs"][0]["run_id"].as_str().unwrap();
    let told = palisade(&shop, ["lineage", finding, "--run", grandchild]).exits(0).stdout;
    let (_, above) = told.split_once("Its run was started by").unwrap();
    assert_eq!(above.matches("Its run was started by").count(), 1, "{told}");
    for part in planned.iter().chain(&["  of Outer  ✓ succeeded  run ", "in Outer\n  go/classified  "]) {
        assert!(above.contains(part), "no {part}:\n{told}");
    }
}

#[test]
fn the_summary_is_as_the_documents_show_it() {
    let dir = examples();
    let shop = dir.join("policy_check/shop");
    let run = ["run", "-q", "../check.yaml", "--input", "privacy_policy_document=policy.md"];
    let told = palisade(&shop, run).exits(0).stderr;
    for document in ["README.md", "docs/policy-check.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        let shown = text.split_once("Policy and data: ").and_then(|(_, rest)| rest.split_once('…')).unwrap().0;
        assert!(told.contains(shown.trim_end()) && shown.lines().count() > 4, "{document}: {shown}\n{told}");
    }
    // By whose word what no person wrote was run, seen from both sides.
    let told = palisade(&shop, ["runs", "show", "last"]).exits(0).stdout;
    assert!(told.contains("By whose word\n  check_the_systems  approved beforehand by the runbook, "), "{told}");
    let tree = palisade(&shop, ["runs", "show", "last", "--tree"]).exits(0).stdout;
    let child = tree.split_once("child run ").unwrap().1.split(' ').next().unwrap();
    let told = palisade(&shop, ["runs", "show", child]).exits(0).stdout;
    assert!(told.contains("By whose word\n  started by step check_the_systems of run "), "{told}");
    // By the name under which the summary has it.
    let up = ["lineage", "check_the_systems/personal_data", "--run", "last", "--up"];
    let told = palisade(&shop, up).exits(0).stdout;
    assert!(told.contains("step check_the_systems") && told.contains("as the runbook that it runs"), "{told}");
}

#[test]
fn a_clinic_s_policy_is_read_in_german() {
    check(
        "clinic",
        "policy.html",
        &Expected {
            categories: "birth, contact, person, postal_address, wellbeing",
            privacy: "identity, sensitive",
            facts: &[
                "data_category health data",
                "data_subject patients",
                "system Praxisverwaltungssystem",
                "retention 10 years",
                "third_party Doctolib",
            ],
            not_checked: &["Doctolib"],
            gaps: &[
                "medium special_without_basis: health data, 1 in data/patienten.csv",
                "medium system_not_checked: Doctolib, 0 in none",
            ],
            agreed: "date of birth, health data, name, postal address, telephone number",
        },
    );
}

#[test]
fn a_vendor_s_logs_and_contacts_are_read_as_two_systems() {
    check(
        "saas",
        "policy.md",
        &Expected {
            categories: "contact, conviction, device_id, person, whereabouts",
            privacy: "identity, sensitive, technical",
            facts: &[
                "system log server",
                "system CRM",
                "data_category IP address",
                "third_party Sentry",
                "transfer United States",
                "retention 30 days",
            ],
            not_checked: &["Matomo", "Sentry", "Zendesk"],
            gaps: &[
                "high found_not_stated: religion, 1 in data/crm/contacts.csv",
                "medium found_not_stated: location data, 1 in data/logs/access.log",
                "medium found_not_stated: name, 1 in data/crm/contacts.csv",
                "medium found_not_stated: telephone number, 1 in data/crm/contacts.csv",
                "medium system_not_checked: Matomo, 0 in none",
                "medium system_not_checked: Sentry, 0 in none",
                "medium system_not_checked: Zendesk, 0 in none",
            ],
            agreed: "IP address, cookies, device data, email address",
        },
    );
}

#[test]
fn an_employer_s_policy_is_read_in_french() {
    check(
        "employer",
        "policy.txt",
        &Expected {
            categories: "bank, conviction, employment, person",
            privacy: "finance, identity, sensitive, work",
            facts: &[
                "data_subject employees",
                "system logiciel de paie",
                "data_category health data",
                "retention 5 years",
                "purpose employment",
            ],
            not_checked: &["dossier du personnel"],
            gaps: &[
                "high found_not_stated: trade union membership, 1 in data/paie.csv",
                "medium system_not_checked: dossier du personnel, 0 in none",
                "low stated_not_found: health data, 0 in none",
                "low stated_not_found: postal address, 0 in none",
            ],
            agreed: "bank details, employment data, name",
        },
    );
}

#[test]
fn the_seed_waits_for_a_person_and_then_finds_what_there_is() {
    let dir = examples();
    let folder = dir.join("policy_check/shop");
    let _ = palisade(&folder, ["run", "-q", "../seed.yaml", "--input", "privacy_policy_document=policy.md"]).exits(5);
    let shown = palisade(&folder, ["approvals", "show", "last"]).exits(0).stdout;
    for part in [
        "system: order database",
        "analyser: personal_data",
        "The policy denies a data category",
        "What it could touch",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let _ = palisade(&folder, ["approve", "-q", "last", "--out", "out"]).exits(0);
    let found = json_in(&dir, "policy_check/shop/out/execute_generated_runbook/personal_data.json");
    assert_eq!(values(&found["findings"], "category"), set("bank, contact, person, postal_address, wellbeing"));
    let _ = palisade(&folder, ["replay", "--all"]).exits(0);
    // In one go, with the same answer.
    let at_once =
        ["run", "-q", "../seed.yaml", "--input", "privacy_policy_document=policy.md", "--approve", "--out", "again"];
    let _ = palisade(&folder, at_once).exits(0);
    let again = json_in(&dir, "policy_check/shop/again/execute_generated_runbook/personal_data.json");
    assert_eq!(values(&again["findings"], "id"), values(&found["findings"], "id"));
}

#[test]
fn what_the_operator_does_not_allow_is_not_planned_with() {
    let dir = examples();
    let folder = dir.join("policy_check/shop");
    let settings = std::fs::read_to_string(folder.join("palisade.toml")).unwrap();
    dir.write("policy_check/shop/palisade.toml", settings.replace("\"personal_data\", ", ""));
    let run = ["run", "../check.yaml", "--input", "privacy_policy_document=policy.md"];
    let refused = palisade(&folder, run).exits(2).stderr;
    assert!(refused.contains("does not let runbooks that are artifacts use `palisade:personal_data`"), "{refused}");
    let seed = ["run", "../seed.yaml", "--input", "privacy_policy_document=policy.md", "--approve"];
    let told = palisade(&folder, seed).exits(1).stderr;
    assert!(told.contains("there is no system that could be checked, or nothing that could check one"), "{told}");
}

/// Adds the guest `hello` as if somebody else had made it: under another name, and reading what `reads` says.
fn add_by_another_author(dir: &Dir, hello: &[u8], name: &str, reads: &str) {
    let swap = |bytes: Vec<u8>, from: &str, to: &str| {
        assert_eq!(from.len(), to.len(), "texts within a component are changed in their places");
        let mut bytes = bytes;
        while let Some(at) = bytes.windows(from.len()).position(|part| part == from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        bytes
    };
    let named = [("example:hello", name), ("example.word_count", "unknown.word_count")];
    let bytes = named.into_iter().fold(hello.to_vec(), |bytes, (from, to)| swap(bytes, from, to));
    let bytes = if reads == READS { bytes } else { swap(bytes, READS, reads) };
    dir.write("policy_check/shop/made.wasm", bytes);
    let _ = palisade(&dir.join("policy_check/shop"), ["component", "add", "made.wasm"]).exits(0);
}

/// What the guest `hello` reads.
const READS: &str = "standard_input/1";

#[test]
fn an_analyser_that_nobody_here_has_seen_is_used_where_it_fits() {
    let Ok(hello) = std::fs::read(root().join("target/hello/hello.wasm")) else {
        skipped("the guest hello is not in target/hello");
        return;
    };
    let dir = examples();
    let folder = dir.join("policy_check/shop");
    add_by_another_author(&dir, &hello, "unknown:words", READS);
    add_by_another_author(&dir, &hello, "unknown:notes", "security_notes/1");
    let settings = std::fs::read_to_string(folder.join("palisade.toml")).unwrap();
    let allowing = settings.replace("\"personal_data\", ", "\"personal_data\", \"unknown:words\", \"unknown:notes\", ");
    dir.write("policy_check/shop/palisade.toml", allowing);
    let seed =
        ["run", "-q", "../seed.yaml", "--input", "privacy_policy_document=policy.md", "--approve", "--out", "out"];
    let _ = palisade(&folder, seed).exits(0);
    let made = json_in(&dir, "policy_check/shop/out/generated_runbook.json");
    let steps = made["execution"].as_array().unwrap();
    let of = |name: &str| steps.iter().filter(|step| step["analyser"] == name).collect::<Vec<_>>();
    assert!(of("unknown:notes").is_empty(), "{made:#}");
    let inputs: Vec<&Value> = of("unknown:words").iter().map(|step| &step["inputs"]).collect();
    assert_eq!(inputs, [&json!(["order_database"]), &json!(["support_mailbox"])]);
    let cited = [
        "(order database): “When you order in our web shop we collect your name,",
        "(support mailbox): “Messages to our support are kept for two years in the support mailbox.",
    ];
    for (step, cited) in of("unknown:words").iter().zip(cited) {
        let why = step["description"].as_str().unwrap();
        assert!(why.starts_with("The policy says ") && why.contains(cited), "{why}");
    }
    // What it found is an output of the run that made its runbook.
    for (output, data) in [("words", "orders/orders.csv"), ("words_2", "support/2024-05-03.txt")] {
        let found = json_in(&dir, &format!("policy_check/shop/out/execute_generated_runbook/{output}.json"));
        let text = std::fs::read_to_string(folder.join("data").join(data)).unwrap();
        assert_eq!(found["counts"], json!([{"words": text.split_whitespace().count()}]));
    }
    // Asked for by name, what fits nothing is told as not checked.
    let asking = std::fs::read_to_string(folder.join("../seed.yaml")).unwrap();
    let asking = asking.replace(
        "    output: \"generated_runbook\"\n",
        "    output: \"generated_runbook\"\n    config: {components: [personal_data, 'unknown:notes']}\n",
    );
    dir.write("policy_check/asking.yaml", asking);
    let told =
        palisade(&folder, ["run", "../asking.yaml", "--input", "privacy_policy_document=policy.md", "--approve"])
            .exits(0);
    holds(&told.stderr, "nothing that is read or made is what it reads: not checked");
    holds(&told.stderr, "analysis `unknown:notes`");
}

#[test]
fn the_seed_leaves_out_what_can_not_run_as_things_are_set_up() {
    let dir = examples();
    // No list of components there: all that come with Palisade.
    let folder = dir.join("policy_check/saas");
    let seed = ["run", "../seed.yaml", "--input", "privacy_policy_document=policy.md", "--approve", "--out", "out"];
    let told = palisade(&folder, seed).exits(0).stderr;
    holds(&told, "it needs a language model, and none is set up: not checked");
    holds(&told, "analysis `finding_reviewer`");
    let found = json_in(&dir, "policy_check/saas/out/execute_generated_runbook/personal_data.json");
    assert!(values(&found["findings"], "category").contains("conviction"), "{found:#}");
    // With a model what is missing is its grant, or a config that only a person can write.
    let settings = std::fs::read_to_string(folder.join("palisade.toml")).unwrap();
    let model = "[[model]]\nalias = 'here'\nprovider = 'ollama'\nmodel = 'm'\n[[grant]]\ncomponent = 'palisade:finding_reviewer'\nallow = ['llm=here']\n";
    for default in ["", "[llm]\ndefault = 'here'\n"] {
        dir.write("policy_check/saas/palisade.toml", format!("{settings}\n{default}{model}"));
        let shown = palisade(&folder, ["ruleset", "show", "local/planning_context/1.0.0", "--format", "json"]).exits(0);
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let rules = shown["rules"].as_array().unwrap();
        let of = |name: &str| rules.iter().find(|rule| rule["name"] == name).unwrap();
        assert_eq!(of("finding_reviewer")["lacks"], "needs a config that states `goal`");
        let which = if default.is_empty() { "none is granted to it" } else { "may ask none of those that are set up" };
        let ungranted = format!("needs a language model, and {which}");
        assert_eq!(of("personal_data_validator")["lacks"], ungranted, "{default}");
        assert_eq!(of("personal_data")["lacks"], Value::Null);
        let _ = palisade(&folder, seed).exits(0);
    }
    // A model that is granted all the same, and can't be asked.
    let remote = "[[model]]\nalias = 'here'\nprovider = 'openai-compatible'\nmodel = 'm'\nbase_url = 'https://api.example.org'\nlocal = false\n";
    let granted = "[[grant]]\ncomponent = 'palisade:personal_data_validator'\nallow = ['llm=here']\n";
    let denied = "[[deny]]\ncomponent = '*'\ndeny = ['llm=here']\n";
    let price = "price = { input = 1, output = 2, as_of = '2026-11-01' }\n";
    for (settings_of_model, expected) in [
        (format!("{remote}{granted}"), "may ask the model `here`, and it is not known what that costs"),
        (
            format!("{remote}{price}{granted}{denied}"),
            "needs a language model, and may ask none of those that are set up",
        ),
    ] {
        dir.write("policy_check/saas/palisade.toml", format!("{settings}\n{settings_of_model}"));
        let shown = palisade(&folder, ["ruleset", "show", "local/planning_context/1.0.0", "--format", "json"]).exits(0);
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let mut rules = shown["rules"].as_array().unwrap().iter();
        assert_eq!(rules.find(|rule| rule["name"] == "personal_data_validator").unwrap()["lacks"], expected);
        let _ = palisade(&folder, seed).exits(0);
    }
}

#[test]
fn an_analysis_that_needs_a_power_that_is_not_granted_is_left_out_and_that_is_told() {
    let poster = root().join("target/poster/poster.wasm");
    if !poster.exists() {
        skipped("the guest poster is not in target/poster");
        return;
    }
    let dir = examples();
    let folder = dir.join("policy_check/saas");
    let _ = palisade(&folder, ["component", "add", poster.to_str().unwrap()]).exits(0);
    let digest = Digest::of(&std::fs::read(&poster).unwrap()).to_string();
    let _ = palisade(&folder, ["grants", "accept", "test:poster", "--digest", &digest]).exits(0);
    let settings = std::fs::read_to_string(folder.join("palisade.toml")).unwrap();
    let generated = "[generated]\ncomponents = ['palisade:personal_data', 'test:poster']\n";
    let granted = "[[grant]]\ncomponent = 'test:poster'\nallow = ['http=POST https://desk.example.org']\n";
    let needed = "needs `http`, and nothing of it is granted";
    let granted_and = |deny: &str| format!("{granted}[[deny]]\ndeny = ['http={deny}']\n");
    let needed_and_denied = "needs `http`, and what is granted of it is denied";
    for (more, expected) in [
        (String::new(), needed),
        (granted.to_owned(), "needs a config that states `url`"),
        (granted_and("*"), needed_and_denied),
        (granted_and("POST https://desk.example.org"), needed_and_denied),
        (granted_and("POST https://other.example.org"), "needs a config that states `url`"),
    ] {
        dir.write("policy_check/saas/palisade.toml", format!("{settings}\n{generated}{more}"));
        let shown = palisade(&folder, ["ruleset", "show", "local/planning_context/1.0.0", "--format", "json"]).exits(0);
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let mut rules = shown["rules"].as_array().unwrap().iter();
        assert_eq!(rules.find(|rule| rule["name"] == "test:poster").unwrap()["lacks"], expected, "{more}");
    }
    dir.write("policy_check/saas/palisade.toml", format!("{settings}\n{generated}"));
    let seed = ["run", "../seed.yaml", "--input", "privacy_policy_document=policy.md", "--approve", "--out", "out"];
    let told = palisade(&folder, seed).exits(0).stderr;
    holds(&told, "analysis `test:poster`");
    holds(&told, &format!("it {needed}: not checked"));
}

#[test]
fn what_can_not_be_read_is_told_and_does_not_end_the_check() {
    let dir = examples();
    let folder = dir.join("policy_check/saas");
    dir.write("policy_check/saas/list.txt", "milk\neggs\nbread\n")
        .write("policy_check/saas/odd.md", "We keep your name.\n\u{0}\u{1}\n")
        .write("policy_check/saas/empty.md", "\n")
        .write("policy_check/saas/broken.yaml", "services:\n  crm: {image: mariadb\n  x: [\n")
        .write("policy_check/saas/broken.mmd", "graph TD\n  crm[(CRM)] --> a[(Orders\n")
        .write("policy_check/saas/picture.png", b"\x89PNG\r\n\x1a\n\0\0");
    let check = |policy: &str, systems: Option<&str>, code: i32| {
        let of = |name: &str, file: &str| ["--input".to_owned(), format!("{name}={file}")];
        let systems = systems.into_iter().flat_map(|file| of("system_architecture_document", file));
        let given = of("privacy_policy_document", policy).into_iter().chain(systems);
        let args = ["run", "../check.yaml", "--report", "page.html"].map(str::to_owned).into_iter().chain(given);
        let told = palisade(&folder, args).exits(code).stderr;
        told.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let page = || std::fs::read_to_string(folder.join("page.html")).unwrap();
    let no_policy = "it reads like none, with 0 statements in 1 sentence: what it is told not to state proves nothing";
    holds(&check("list.txt", None, 0), no_policy);
    holds(&page(), no_policy);
    holds(&check("odd.md", None, 0), "it has 2 characters that no text has, so that it may be none");
    holds(&check("empty.md", None, 1), "the policy has no text");
    holds(&check("picture.png", None, 2), "picture.png is not UTF-8: byte 0 is wrong");
    holds(&check("policy.md", Some("broken.yaml"), 0), "what looks like a Compose file is none (line ");
    holds(&page(), "what looks like a Compose file is none (line ");
    holds(
        &check("policy.md", Some("broken.mmd"), 0),
        "1 label of its Mermaid diagram has no end, first in line 2 of the diagram: not read",
    );
    holds(&check("policy.md", Some("empty.md"), 0), "no system is read in it");
    holds(&check("policy.md", Some("list.txt"), 0), "no system is read in it");
    holds(&check("policy.md", Some("picture.png"), 2), "picture.png is not UTF-8: byte 0 is wrong");
    assert!(!check("policy.md", Some("compose.yaml"), 0).contains("description of the systems"));
}

#[test]
fn systems_that_only_the_architecture_names_are_told() {
    let dir = examples();
    let folder = dir.join("policy_check/saas");
    let run = [
        "run",
        "-q",
        "../check.yaml",
        "--input",
        "privacy_policy_document=policy.md",
        "--input",
        "system_architecture_document=compose.yaml",
        "--out",
        "out",
    ];
    let _ = palisade(&folder, run).exits(0);
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.join("out").join(name)).unwrap()).unwrap()
    };
    let gaps = read("gaps.json");
    let of_systems: Vec<_> =
        gaps["gaps"].as_array().unwrap().iter().filter(|gap| gap["kind"] == "system_not_checked").collect();
    let names: Vec<_> = of_systems.iter().map(|gap| gap["category"].as_str().unwrap()).collect();
    assert_eq!(names, ["Matomo", "Sentry", "Zendesk", "events (clickhouse-server)"], "{gaps:#}");
    assert!(of_systems[3]["explanation"].as_str().unwrap().starts_with("the architecture has this system"), "{gaps:#}");
    let facts = read("policy_facts.json");
    let in_architecture = facts["facts"].as_array().unwrap().iter().filter(|fact| fact["in_architecture"] == true);
    assert_eq!(in_architecture.count(), 1, "what the policy names, too, is its: {facts:#}");
}

#[test]
fn special_categories_lead_to_a_second_look_within_the_same_bound() {
    let dir = examples();
    let folder = dir.join("policy_check/clinic");
    let look = |runbook: &str, out: &str| {
        let input = ["--input", "privacy_policy_document=policy.html", "--out", out];
        palisade(&folder, [["run", "-q", runbook].as_slice(), &input].concat())
    };
    let status = |out: &str| -> Vec<String> {
        let record: Value = serde_json::from_slice(&std::fs::read(folder.join(out).join("run.json")).unwrap()).unwrap();
        let told = |step: &Value| format!("{} {}", step["id"].as_str().unwrap(), step["status"].as_str().unwrap());
        record["steps"].as_array().unwrap().iter().map(told).collect()
    };
    let _ = look("../second_look.yaml", "found").exits(0);
    let both =
        ["read_the_policy succeeded", "first_look succeeded", "plan_a_second_look succeeded", "second_look succeeded"];
    assert_eq!(status("found"), both);
    let subjects: Value = serde_json::from_slice(&std::fs::read(folder.join("found/subjects.json")).unwrap()).unwrap();
    assert_eq!(values(&subjects["findings"], "subject_category"), set("patient"));
    // The first look takes three component runs, the second two, and making both takes two more.
    let runbook = std::fs::read_to_string(folder.join("../second_look.yaml")).unwrap();
    std::fs::write(folder.join("small.yaml"), runbook.replace("max_runs: 30", "max_runs: 6")).unwrap();
    let ended = look("small.yaml", "small").exits(4);
    assert!(ended.stderr.contains("max_runs") || ended.stdout.contains("max_runs"), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(status("small")[2..], ["plan_a_second_look succeeded", "second_look failed"]);
    // Nothing special, no second look.
    let data = std::fs::read_to_string(folder.join("data/patienten.csv")).unwrap();
    std::fs::write(folder.join("data/patienten.csv"), data.replace("diagnosis: Asthma", "kein Befund")).unwrap();
    let _ = look("../second_look.yaml", "nothing").exits(0);
    assert_eq!(status("nothing")[2..], ["plan_a_second_look skipped", "second_look skipped"]);
}
