use super::PolicyToRunbook;
use crate::text;
use palisade_sdk::serde_json::{Value, json};
use palisade_sdk::{HostError, HostErrorKind, TestContext, TestInput, TestOutcome, llm::Answer};

fn component(name: &str, title: &str, accepts: &str, makes: &str, ruleset: Option<&str>) -> Value {
    let rulesets: Vec<Value> = ruleset
        .map(|kind| json!({"pointer": "/pattern_matching/ruleset", "type": kind, "default": format!("local/{kind}/1.0.0")}))
        .into_iter()
        .collect();
    json!({
        "name": name, "title": title, "description": "",
        "inputs": [{"name": "documents", "schemas": [accepts], "many": true, "optional": false}],
        "outputs": [{"name": "findings", "schema": makes}], "rulesets": rulesets,
    })
}

fn system(name: &str, aliases: &[&str]) -> Value {
    json!({"name": name, "aliases": aliases, "labels": [], "schema": "standard_input/1.0.0", "builtin": name == "this folder"})
}

fn world(systems: &[Value], more: &[Value]) -> TestInput {
    let finds =
        component("personal_data", "Finds personal data", "standard_input/1.0.0", "found/1.0.0", Some("personal"));
    let classifies = component("classifier", "Classifies", "found/1.0.0", "classified/1.0.0", None);
    let rulesets = json!([{"name": "local/mine/2.0.0", "types": ["personal"]}]);
    let components = [finds, classifies].into_iter().chain(more.iter().cloned());
    TestInput::new("context", components).metadata(json!({"systems": systems, "rulesets": rulesets}))
}

fn run(policy: &str, systems: &[Value], more: &[Value]) -> TestOutcome {
    TestContext::new()
        .input("policy", [json!({"content": policy})])
        .artifact(world(systems, more))
        .config(json!({}))
        .run::<PolicyToRunbook>()
}

/// The facts of a policy, as `kind value`.
fn facts(policy: &str) -> Vec<String> {
    let systems = [system("shop database", &["web shop"])];
    let facts = run(policy, &systems, &[]).items("facts");
    let text =
        |fact: &Value| format!("{} {}", fact["kind"].as_str().unwrap_or(""), fact["value"].as_str().unwrap_or(""));
    facts.iter().map(text).collect()
}

#[test]
fn what_a_policy_states_is_told_once_and_with_its_sentence() {
    let policy = "# Privacy policy of the Shop\n\nWe keep your e-mail address and your *postal address* in our web shop to deliver your orders. \
                  We do not collect health data.\n\n## Others\n\n- We share data with [Stripe](https://stripe.example), a processor in the United States.\n\
                  - Orders are deleted after ten years.\n";
    let expected = [
        "data_category email address",
        "data_category postal address",
        "denied_category health data",
        "purpose order fulfilment",
        "system shop database",
        "third_party Stripe",
        "transfer United States",
        "retention 10 years",
    ];
    let found = facts(policy);
    for wanted in expected {
        assert!(found.iter().any(|fact| fact == wanted), "{wanted} is not in {found:?}");
    }
    assert!(!found.iter().any(|fact| fact == "data_category health data"), "{found:?}");
    let outcome = run(policy, &[system("this folder", &[])], &[]);
    let first = &outcome.items("facts")[0];
    assert_eq!(
        first["sentence"],
        "We keep your e-mail address and your postal address in our web shop to deliver your orders."
    );
    assert_eq!(first["heading"], "Privacy policy of the Shop");
}

#[test]
fn german_and_french_are_read_too() {
    let found = facts(
        "<h1>Datenschutz</h1><p>Wir speichern Gesundheitsdaten unserer Patienten im Praxisverwaltungssystem. Sie werden nach zehn Jahren gelöscht.</p>",
    );
    for wanted in
        ["data_category health data", "data_subject patients", "system Praxisverwaltungssystem", "retention 10 years"]
    {
        assert!(found.iter().any(|fact| fact == wanted), "{wanted} is not in {found:?}");
    }
    let found = facts(
        "Nous conservons votre adresse électronique pendant trois ans. Les données sont transférées hors de l'Union européenne.",
    );
    for wanted in ["data_category email address", "retention 3 years", "transfer third countries"] {
        assert!(found.iter().any(|fact| fact == wanted), "{wanted} is not in {found:?}");
    }
    let of = |text: &str| text::language(&text::sentences(None, text));
    assert_eq!(
        (
            of("We use the data of you and for you."),
            of("Wir und die Daten von der Firma."),
            of("Nous et les données des clients.")
        ),
        ("en", "de", "fr")
    );
}

#[test]
fn every_system_is_read_and_everything_that_fits_is_run_over_it() {
    let third = component("acme:names", "Finds names", "standard_input/1.0.0", "acme.names/1.0.0", None);
    // What takes the data and what is made of them is run over the data alone.
    let mut both = component("both", "Takes both", "standard_input/1.0.0", "both/1.0.0", None);
    both["inputs"][0]["schemas"] = json!(["standard_input/1.0.0", "found/1.0.0"]);
    let outcome = run(
        "We keep names in the CRM.",
        &[system("CRM", &[]), system("Shop (EU)", &[]), system("this folder", &[])],
        &[third, both],
    );
    let steps = outcome.items("runbook");
    let ids: Vec<&str> = steps.iter().filter_map(|step| step["id"].as_str()).collect();
    assert_eq!(ids, ["crm", "shop_eu", "personal_data", "names", "both", "classifier"]);
    assert_eq!(steps[2]["inputs"], json!(["crm", "shop_eu"]));
    assert_eq!(steps[2]["config"], json!({"pattern_matching": {"ruleset": "local/mine/2.0.0"}}));
    assert_eq!((&steps[3]["analyser"], &steps[5]["inputs"]), (&json!("acme:names"), &json!(["personal_data"])));
    assert!(
        steps[0]["description"].as_str().is_some_and(|why| why.contains("We keep names in the CRM.")),
        "{}",
        steps[0]
    );
    assert!(steps[1]["description"].as_str().is_some_and(|why| why.contains("the policy does not")), "{}", steps[1]);
}

#[test]
fn without_systems_this_folder_is_read_and_without_rulesets_it_is_said_what_is_missing() {
    let steps = run("We keep names.", &[system("this folder", &[])], &[]).items("runbook");
    assert_eq!((&steps[0]["system"], steps.len()), (&json!("this folder"), 3));
    let other = component("purposes", "Finds purposes", "standard_input/1.0.0", "purposes/1.0.0", Some("purpose"));
    let outcome = run("We keep names.", &[system("this folder", &[])], &[other]);
    assert_eq!(outcome.items("runbook").len(), 3);
}

#[test]
fn only_the_components_that_are_named_are_used() {
    let named = |names: Value| {
        let context = TestContext::new().input("policy", [json!({"content": "We keep names."})]);
        let outcome = context
            .artifact(world(&[system("CRM", &[])], &[]))
            .config(json!({"components": names}))
            .run::<PolicyToRunbook>();
        outcome.items("runbook").iter().map(|step| step["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(named(json!(["personal_data"])), ["crm", "personal_data"]);
    assert_eq!(named(json!([])), ["crm", "personal_data", "classifier"]);
}

/// What is told to be left out, with why.
fn skipped(outcome: &TestOutcome) -> Vec<(&str, &str)> {
    outcome.skips.iter().map(|(what, why)| (what.as_str(), why.as_str())).collect()
}

#[test]
fn what_can_not_run_as_things_are_is_left_out_and_told() {
    let mut validates = component("acme:validator", "Validates", "found/1.0.0", "found/1.0.0", None);
    validates["lacks"] = json!("needs a language model, and none is set up");
    let outcome = run("We keep names.", &[system("CRM", &[])], &[validates]);
    assert_eq!(outcome.items("runbook").len(), 3);
    let why = "it needs a language model, and none is set up: not checked";
    assert_eq!(skipped(&outcome), [("analysis `acme:validator`", why)]);
}

#[test]
fn an_analysis_that_was_asked_for_and_fits_nothing_is_told() {
    let code = component("acme:code", "Reads code", "source_code/1.0.0", "code/1.0.0", None);
    let outcome = TestContext::new()
        .input("policy", [json!({"content": "We keep names."})])
        .artifact(world(&[system("CRM", &[])], &[code]))
        .config(json!({"components": ["personal_data", "acme:code"]}))
        .run::<PolicyToRunbook>();
    assert_eq!(outcome.items("runbook").len(), 2);
    let why = "nothing that is read or made is what it reads: not checked";
    assert_eq!(skipped(&outcome), [("analysis `acme:code`", why)]);
}

#[test]
fn every_step_cites_the_policy_where_it_says_anything_that_bears_on_it() {
    let reason = |policy: &str, title: &str| {
        let other = component("acme:other", title, "standard_input/1.0.0", "acme.other/1.0.0", None);
        let steps = run(policy, &[system("CRM", &[])], &[other]).items("runbook");
        let step = steps.iter().find(|step| step["analyser"] == "acme:other").unwrap();
        step["description"].as_str().unwrap().to_owned()
    };
    let policy = "Names and your date of birth are kept in the CRM.";
    assert_eq!(
        reason(policy, "Finds dates of birth"),
        format!("The policy states data category (date of birth): “{policy}”")
    );
    let of_the_data = "The policy says nothing of what it looks for, and this of what it is run over";
    assert_eq!(reason(policy, "Counts words"), format!("{of_the_data} (CRM): “{policy}”"));
    let nowhere = "We keep your name.";
    let states = "The policy says nothing of what it looks for; it states data category (name)";
    assert_eq!(reason(nowhere, "Counts words"), format!("{states}: “{nowhere}”"));
    let denies = "The policy says nothing of what it looks for; it denies a data category (health data)";
    let nothing = "We do not collect health data.";
    assert_eq!(reason(nothing, "Counts words"), format!("{denies}: “{nothing}”"));
    assert!(reason("Write to us.", "Counts words").starts_with("The policy says nothing of it;"));
}

#[test]
fn a_step_cites_the_system_that_it_runs_over() {
    let mut one = component("acme:one", "Counts words", "standard_input/1.0.0", "acme.one/1.0.0", None);
    one["inputs"][0]["many"] = json!(false);
    let after = component("acme:after", "Counts them", "acme.one/1.0.0", "acme.after/1.0.0", None);
    let systems = [system("CRM", &[]), system("Wiki", &[]), system("Vault", &[])];
    let steps = run("Names are kept in the CRM. Notes are kept in the Wiki.", &systems, &[one, after]).items("runbook");
    let of = |analyser: &str| -> Vec<&str> {
        let steps = steps.iter().filter(|step| step["analyser"] == analyser);
        steps.map(|step| step["description"].as_str().unwrap()).collect()
    };
    let run_over = "The policy says nothing of what it looks for, and this of what it is run over";
    let of_the_crm = format!("{run_over} (CRM): “Names are kept in the CRM.”");
    let of_the_wiki = format!("{run_over} (Wiki): “Notes are kept in the Wiki.”");
    let of_none =
        "The policy says nothing of what it looks for; it states data category (name): “Names are kept in the CRM.”";
    assert_eq!(of("acme:one"), [of_the_crm.as_str(), &of_the_wiki, of_none]);
    assert_eq!(of("acme:after"), [of_the_crm]);
}

#[test]
fn why_an_analysis_that_was_asked_for_is_not_run_is_told_once() {
    let idle = |systems: usize, asked: Value| {
        let name = asked["name"].clone();
        let systems: Vec<Value> = (0..systems).map(|number| system(&format!("CRM {number}"), &[])).collect();
        let outcome = TestContext::new()
            .input("policy", [json!({"content": "We keep names."})])
            .artifact(world(&systems, &[asked]))
            .config(json!({"components": ["personal_data", name]}))
            .run::<PolicyToRunbook>();
        outcome.skips.iter().map(|(what, why)| format!("{what}: {why}")).collect::<Vec<_>>()
    };
    let mut both = component("acme:both", "Takes both", "standard_input/1.0.0", "both/1.0.0", None);
    both["inputs"] = json!([both["inputs"][0], both["inputs"][0]]);
    let several = "it reads several things at once, which this planner does not put together: not checked";
    assert_eq!(idle(1, both.clone()), [format!("analysis `acme:both`: {several}")]);
    both["inputs"] = json!([]);
    assert_eq!(idle(1, both), ["analysis `acme:both`: it needs nothing of what is read or made: not checked"]);
    let mut each = component("acme:each", "Takes each", "standard_input/1.0.0", "each/1.0.0", None);
    each["inputs"][0]["many"] = json!(false);
    let enough = "the runbook has its 150 steps: not checked, or not over everything";
    assert_eq!(idle(100, each.clone()), [format!("analysis `acme:each`: {enough}")]);
    let left_out = idle(160, each);
    let told = |system: &str| format!("system `{system}`: a runbook reads the first 100 systems at most: not checked");
    assert_eq!(left_out.len(), 61, "{left_out:?}");
    assert!(left_out.contains(&told("CRM 100")) && left_out.contains(&told("CRM 159")), "{left_out:?}");
    assert!(!left_out.contains(&told("CRM 99")), "{left_out:?}");
}

#[test]
fn of_more_systems_than_a_runbook_holds_the_first_are_checked() {
    let systems: Vec<Value> = (0..400).map(|number| system(&format!("CRM {number}"), &[])).collect();
    let outcome = run("We keep names in CRM 7 and CRM 300.", &systems, &[]);
    let checked =
        |name: &str| outcome.items("facts").iter().find(|fact| fact["value"] == name).unwrap()["checked"].clone();
    assert_eq!((checked("CRM 7"), checked("CRM 300")), (json!(true), json!(false)));
    let read = outcome.items("runbook").iter().filter(|step| step["type"] == "source").count();
    assert_eq!((read, outcome.skips.len()), (100, 300));
    let analysis = outcome.items("runbook").into_iter().find(|step| step["analyser"] == "personal_data").unwrap();
    assert_eq!(analysis["inputs"].as_array().unwrap().len(), 100);
}

#[test]
fn nothing_that_a_policy_says_means_anything_to_who_reads_the_runbook() {
    let hostile = "Our CRM holds your name ${HOME} {{ secret }}\u{202e}\u{7}\nand: - a\nrun: everything.";
    let steps = run(hostile, &[system("CRM", &[])], &[]).items("runbook");
    let text = steps.iter().map(ToString::to_string).collect::<String>();
    for bad in ["${", "{{", "\u{202e}", "\\u0007", "\\n"] {
        assert!(!text.contains(bad), "{bad:?} is in {text}");
    }
    assert!(text.chars().count() < 8_000);
}

#[test]
fn a_policy_without_text_and_a_world_without_systems_are_told() {
    assert_eq!(run("  \n", &[system("CRM", &[])], &[]).failure().message, "the policy has no text");
    assert!(run("We keep names.", &[], &[]).failure().message.contains("no system that could be checked"));
}

#[test]
fn any_text_ends_in_sentences_or_none() {
    for text in [
        "<",
        "<p",
        "<script>x",
        "](",
        "# ",
        "1.",
        "1. ",
        "a. B",
        "&amp;amp;",
        "<style>é</styl",
        "…",
        "|",
        "\u{0}",
        "Ä. Ö? Ü! ß; x",
    ] {
        for sentence in text::sentences(None, &text.repeat(3)) {
            assert!(!sentence.text.contains('\n'));
        }
    }
}

/// Compares all facts of some kinds, in whatever order.
fn states(policy: &str, kinds: &[&str], expected: &[&str]) {
    let is_wanted = |fact: &String| kinds.iter().any(|kind| fact.split(' ').next() == Some(*kind));
    let mut found: Vec<String> = facts(policy).into_iter().filter(is_wanted).collect();
    let mut expected: Vec<String> = expected.iter().map(|fact| (*fact).to_owned()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_system_within_another_one_s_name_is_that_one_unless_german_joined_them() {
    states(
        "Bookings are kept in ClubRight, our membership system. We also record visits in the membership system.",
        &["system"],
        &["system ClubRight (membership system)"],
    );
    states(
        "Wir speichern die Werte auf unserem Server. Die Zugriffe stehen in den Server-Logfiles.",
        &["system"],
        &["system Server", "system Server-Logfiles"],
    );
}

#[test]
fn a_product_and_what_runs_on_it_are_one_system() {
    states("The mailing list is run on Mailchimp.", &["system"], &["system Mailchimp"]);
}

#[test]
fn a_policy_is_called_by_its_first_heading_or_its_first_line() {
    let check = |policy: &str, expected: Option<&str>| {
        assert_eq!(text::title(&text::sentences(None, policy)).as_deref(), expected, "{policy}");
    };
    check("Last changed in May.\n\n# Privacy of the Shop\n", Some("Privacy of the Shop"));
    check("Information des salariés\n\nNous traitons vos données.", Some("Information des salariés"));
    check("We collect names.", None);
    check(&"x".repeat(121), None);
}

const DATA: [&str; 2] = ["data_category", "denied_category"];

#[test]
fn what_is_not_collected_is_told_from_what_is_only_not_passed_on() {
    let check = |policy: &str, expected: &[&str]| states(policy, &DATA, expected);
    check("We do not collect health data.", &["denied_category health data"]);
    check("Biometric data are never stored.", &["denied_category biometric data"]);
    check("Gesundheitsdaten werden von uns nicht erhoben.", &["denied_category health data"]);
    check("Nous ne collectons aucune donnée de santé.", &["denied_category health data"]);
    check("We never sell your e-mail address.", &[]);
    check("We store your telephone number and do not pass it on.", &["data_category telephone number"]);
    check("We do not store your e-mail address longer than 30 days.", &["data_category email address"]);
    check("Standortdaten werden nicht ohne Ihre Zustimmung gespeichert.", &["data_category location data"]);
    check("We collect not only your date of birth.", &["data_category date of birth"]);
    check("Choose a user name; the domain name is ours.", &["data_category account data"]);
}

#[test]
fn what_is_said_of_something_else_takes_no_statement_and_no_denial_away() {
    let has = |policy: &str, fact: &str| assert!(facts(policy).iter().any(|found| found == fact), "{policy}: {fact}");
    for (policy, category) in [
        ("Where we declined your loan, we keep your income details for a year.", "income"),
        ("We turned our card index into a database of names.", "name"),
        ("Lehnen wir ab, speichern wir Ihren Namen noch sechs Monate.", "name"),
        ("Si nous avons refusé votre dossier, nous gardons vos revenus un an.", "income"),
        ("Staff unlock the gate with a fingerprint; we store the templates.", "biometric data"),
        ("We note your allergies and a diet that may suggest a religion.", "health data"),
        ("Zu den Daten, die wir speichern, gehören der Name und der Gesundheitszustand.", "name"),
        ("Zu den Daten, die wir speichern, gehören der Name und der Gesundheitszustand.", "health data"),
        ("We keep the names of those who belong to the parish.", "name"),
        ("We give your diagnosis to insurers, who are controllers in their own right.", "health data"),
        ("Personnel files kept under employment law include bank details and sick notes.", "bank details"),
        ("The records that the law requires include bank details.", "bank details"),
        ("Staff act on a list of names and addresses.", "name"),
        ("| Data | Who | Kept |\n|---|---|---|\n| Bank Details | Payroll Office | 7 years |", "bank details"),
        ("| Data | Who |\n|---|---|\n| Date of Birth | HR Department |", "date of birth"),
    ] {
        has(policy, &format!("data_category {category}"));
    }
    for (policy, category) in [
        ("We never ask for your passport or driving licence.", "driving licence"),
        ("We do not collect health data, and draw no conclusions about it.", "health data"),
        ("We do not store the fingerprint with which you unlock your phone.", "biometric data"),
    ] {
        has(policy, &format!("denied_category {category}"));
    }
    for policy in ["You may unlock your phone with a fingerprint.", "The law lists health data and religion."] {
        states(policy, &DATA, &[]);
    }
    states(
        "We note your allergies and a diet that may suggest a religion.",
        &["data_category"],
        &["data_category health data", "data_category preferences"],
    );
    states("We take your privacy seriously and do not sell your email address or telephone number.", &DATA, &[]);
    has("Les adhésions sont gérées dans le logiciel « Galette » par le bureau.", "system Galette (logiciel)");
}

#[test]
fn what_only_looks_like_the_name_of_a_system_is_none() {
    for policy in [
        "Kinder mit ADHS werden besonders betreut.",
        "Für unsere Seite nutzen wir SSL-Verschlüsselung.",
        "Dafür nutzen wir IP-Adressen und E-Mail-Adressen.",
        "You can sign in with your Facebook account.",
        "Our school has been in Leominster since 1954.",
        "Our accounts are kept and are audited by Deloitte.",
        "Our licence is issued by Ofcom.",
        "We enter into a contract with Aviva.",
        "Our treasurer Anne Kelly keeps the list of members.",
        "Barclays, whose branch is next door, is our bank.",
        "We let Fernhill to students.",
        "The statistics are sent to Ofsted.",
        "# Our service providers\n\n- Payment Processors: to take your payment.",
        "The school board is elected each year.",
        "We send printed cards.",
        "Mit dem Kundenportal sind wir zufrieden.",
    ] {
        states(policy, &["system"], &[]);
    }
    let of_processors = "| Data | Purpose | Processor |\n|---|---|---|\n| Customer Names | Billing | Acme Ltd |";
    states(of_processors, &["system"], &["system Acme Ltd"]);
    let introduced = |host: &str| format!("The site is hosted by {host} (\"Nimbus\"). Backups are stored in Nimbus.");
    states(&introduced("Nimbus Ltd"), &["system"], &["system Nimbus Ltd"]);
    states(&introduced("a firm nearby"), &["system"], &["system Nimbus"]);
}

#[test]
fn words_that_only_look_like_statements_are_none() {
    for policy in [
        "Unser Standort ist Kiel, und unser Team freut sich.",
        "The notion of a processor is wide; please stripe nothing out.",
        "We run a medical practice in Northam.",
        "The treatment of personal data is governed by minor rules.",
        "Localisation des bureaux : Lyon.",
    ] {
        states(policy, &["data_category", "third_party", "system", "purpose", "data_subject"], &[]);
    }
}

#[test]
fn a_word_that_policies_use_otherwise_is_no_category() {
    let check = |policy: &str, category: &str| {
        let category = format!("data_category {category}");
        assert!(!facts(policy).contains(&category), "{policy}");
    };
    check("Our newsletters have trackers.", "location data");
    check("We keep your name. This policy is subject to an annual review.", "assessments");
    check("Staff who break these rules face disciplinary action.", "disciplinary records");
    check("Staff who break these rules face disciplinary action.", "employment data");
    check("We may delete your account without any warning.", "disciplinary records");
    check("We store the last digits of your Visa card.", "residence status");
    check("We keep data of citizens who live in the Union.", "trade union membership");
    check("We keep your name. Ask your school for help with it.", "education data");
    check("Cookies are deleted at the end of your session.", "usage data");
    check("We keep your name. Any landlord, tenant or owner may ask for it.", "property data");
    check("Die Telefonnummer, unter der Sie uns erreichen, steht unten.", "telephone number");
    check("Si vous avez le permis, vous pouvez conduire nos véhicules.", "driving licence");
    check("We keep your name. Tell the people who live with you of this.", "family members");
    check("Envoyez-nous une copie de la lettre.", "communication");
    check("Retirez votre colis dans un point de livraison.", "reference number");
    check("Nous gardons votre nom, car nous vous écrivons.", "vehicle data");
    check("We are a savings bank and keep your name.", "assets");
    check("Nous gardons votre nom pour nos appels aux dons.", "donations");
    check("Die Bank holt die Schufa-Auskunft ein, nicht wir.", "credit score");
    check("We have no list of anyone's nationality.", "nationality");
    check("Cookies are files; many sites use them to keep a browsing history.", "usage data");
    states("We put down the school and class.", &["data_category"], &["data_category education data"]);
    let not_without = "Without your telephone number we wouldn't be able to reach you.";
    states(not_without, &["data_category"], &["data_category telephone number"]);
    let to_know = "We wouldn't know what to send you without your postal address.";
    states(to_know, &["data_category"], &["data_category postal address"]);
    let covered = "This policy applies to customers whose data we keep in our booking system.";
    states(covered, &["system"], &["system booking system"]);
    states("We ask whether you own or rent.", &["data_category"], &["data_category property data"]);
    states("We keep a video selfie.", &["data_category"], &["data_category video recordings"]);
    states("Our site sets no cookies other than those it needs.", &["data_category"], &["data_category cookies"]);
    states("We keep records of disciplinary proceedings.", &["data_category"], &["data_category disciplinary records"]);
    states(
        "Wir speichern Monatsgehalt, Röntgenbefunde und Passfotos.",
        &["data_category"],
        &["data_category income", "data_category health data", "data_category photographs"],
    );
    states("Wir speichern Genomdaten.", &["data_category"], &["data_category genetic data"]);
    check("Die Daten werden von uns genommen.", "genetic data");
    states("We keep records of disciplinary action.", &["data_category"], &["data_category disciplinary records"]);
    states("Our vans have trackers.", &["data_category"], &["data_category location data"]);
    states("We keep your visa.", &["data_category"], &["data_category residence status"]);
    states("We keep the notes of your annual review.", &["data_category"], &["data_category assessments"]);
}

#[test]
fn a_system_that_is_asked_for_or_covered_or_the_readers_own_keeps_nothing() {
    for policy in [
        "We keep your name. What about the booking system?",
        "We keep your name. This policy covers our mobile app.",
        "We keep readings if you have a voice recorder.",
        "The router keeps the address of your phone or laptop.",
        "Das Newsletterprogramm Brevo verwenden wir nicht.",
    ] {
        assert!(facts(policy).iter().all(|fact| !fact.starts_with("system ")), "{policy}: {:?}", facts(policy));
    }
}

#[test]
fn what_only_asks_or_explains_states_nothing() {
    let check = |policy: &str, expected: &[&str]| states(policy, &DATA, expected);
    check("Why would a shop want your date of birth?", &[]);
    check("**Do you need my photo?**\n\nNo. We know you.\n", &["denied_category photographs"]);
    check("Do you need my photo? Yes: we keep your photo.", &["data_category photographs"]);
    check("The law calls health data, religion and the like sensitive data.", &[]);
    check("We process special categories of data: your health record.", &["data_category health data"]);
}

#[test]
fn entities_of_html_are_read_as_what_they_stand_for() {
    let read = |html: &str| text::sentences(None, html)[0].text.clone();
    assert_eq!(read("<p>&Agrave; l&rsquo;&eacute;cole &#40;&#x41;&#41; &amp;eacute;</p>"), "À l’école (A) &eacute;");
    for broken in ["&", "&;", "&#;", "&#xFFFFFFFF;", "&nothing;", "&éééééééé;", "a&b"] {
        assert_eq!(read(&format!("<p>{broken}</p>")), broken);
    }
}

#[test]
fn a_system_is_told_once_however_short_it_is_called_later() {
    let policy = "Names are kept in the membership system. All is entered in ClubRight, our membership system. \
                  The membership system is run on a server in the accounts office.";
    states(policy, &["system"], &["system ClubRight (membership system)", "system server in the accounts office"]);
    states("Photos are uploaded to Instagram and kept on Facebook. It is hosted in Dublin.", &["system"], &[]);
    // Its kind and its place say what a column with places of the data is not about.
    let table = "# Where it is\n\n| System | Where |\n|---|---|\n| Bookings board | Canada |\n";
    states(table, &["system"], &["system Bookings board"]);
}

#[test]
fn a_cell_that_says_on_what_a_system_runs_names_the_system() {
    let page = "<h2>Systems</h2>\n<table>\n <tr>\n  <th>System</th>\n  <th>What</th>\n </tr>\n <tr>\n  <td>Perch Cloud (our own, on Azure)</td>\n  \
                <td>accounts</td>\n </tr>\n</table>";
    assert!(facts(page).contains(&"system Perch Cloud".to_owned()), "{:?}", facts(page));
}

#[test]
fn many_systems_and_many_words_take_the_time_of_their_length() {
    let systems = (0..4_000).map(|n| format!("Data are kept in our storage{n} system. ")).collect::<String>();
    assert!(facts(&systems).len() >= 4_000);
    let words = "email,address,of,the,server,in,our,".repeat(20_000);
    assert!(!facts(&words).is_empty());
    assert!(facts(&"&".repeat(200_000)).is_empty() && facts(&format!("<p>{}", "&".repeat(200_000))).is_empty());
}

#[test]
fn many_scripts_are_skipped_in_the_time_that_one_takes() {
    let html = format!("<p>a</p>{}<p>We keep your telephone number.</p>", "<SCRIPT>x</Script>".repeat(100_000));
    states(&html, &["data_category"], &["data_category telephone number"]);
}

#[test]
fn a_notice_with_a_table_of_processors_is_read_by_its_columns() {
    let policy = "# Privacy notice\n\nWe process the names and e-mail addresses of our customers (Article 6(1)(b), performance of a contract).\n\n\
                  ## Our service providers\n\n| Processor | What for | Location |\n|---|:--|---|\n\
                  | [Stripe](https://stripe.example) | payments | United States |\n| Fenwick Mail Ltd | newsletter | United Kingdom |\n\
                  | Brightdesk | support chat | Ireland |\n\n## How long\n\n| Data | Retention |\n| --- | --- |\n| Invoices | 10 years |\n| Log files | 14 days |\n\n\
                  We rely on legitimate interests for security.\n";
    let expected = [
        "third_party Stripe",
        "third_party Fenwick Mail Ltd",
        "system Brightdesk",
        "system Fenwick Mail Ltd",
        "system Stripe",
        "third_party Brightdesk",
        "transfer United States",
        "transfer United Kingdom",
        "retention 10 years",
        "retention 14 days",
        "legal_basis contract",
        "legal_basis legitimate interests",
    ];
    states(policy, &["third_party", "transfer", "retention", "system", "legal_basis"], &expected);
    let expected = ["email address", "name", "payment data", "communication", "usage data"];
    states(policy, &DATA, &expected.map(|value| format!("data_category {value}")).each_ref().map(String::as_str));
    let html = "<h1>Privacy</h1><table><tr><th>Recipient</th><th>Country</th></tr><tr><td>Ost Print</td><td>Switzerland</td></tr></table>";
    states(html, &["third_party", "transfer"], &["third_party Ost Print", "transfer Switzerland"]);
}

#[test]
fn a_german_employer_s_notice_is_read() {
    let policy = "# Datenschutzhinweise für Beschäftigte\n\nDie Werft Nordkai GmbH verarbeitet Daten ihrer Mitarbeiter zur Durchführung des \
                  Beschäftigungsverhältnisses.\n\n## Welche Daten wir verarbeiten\n\n- Vorname, Nachname, Anschrift und Geburtsdatum\n\
                  - Bankverbindung und Steuerklasse für die Lohnabrechnung\n- Krankmeldungen (Art. 9 Abs. 2 lit. b DSGVO)\n\
                  - die Konfession, soweit für die Kirchensteuer nötig\n\nBiometrische Daten erfassen wir nicht. Die Arbeitszeit wird in unserer \
                  Zeiterfassung gespeichert, die Abrechnung läuft über DATEV.\n\n## Speicherdauer\n\nLohnunterlagen: sechs Jahre. \
                  Bewerbungen werden nach sechs Monaten gelöscht. Ihre Daten werden nicht in Drittländer übermittelt.\n";
    let data = [
        "data_category name",
        "data_category postal address",
        "data_category date of birth",
        "data_category bank details",
        "data_category tax data",
        "data_category employment data",
        "data_category health data",
        "data_category religion",
        "denied_category biometric data",
    ];
    states(policy, &DATA, &data);
    let others = [
        "data_subject employees",
        "system DATEV",
        "system zeiterfassung",
        "third_party DATEV",
        "retention 6 years",
        "retention 6 months",
        "legal_basis Article 9(2)",
    ];
    states(policy, &["data_subject", "system", "third_party", "retention", "transfer", "legal_basis"], &others);
}

#[test]
fn a_french_clinic_s_notice_is_read() {
    let policy = "Clinique des Tilleuls – protection des données\n\nNous traitons les données de nos patients pour les soins : nom, prénom, date de \
                  naissance, téléphone et numéro de sécurité sociale. Vos données de santé sont enregistrées dans le dossier patient, sur le fondement \
                  de l'article 9, paragraphe 2, point h) du RGPD.\n\nLes rendez-vous sont pris avec Doctolib, notre sous-traitant. Nous ne conservons \
                  jamais vos données génétiques. Les dossiers sont conservés pendant vingt ans.\n";
    let data = [
        "data_category name",
        "data_category date of birth",
        "data_category telephone number",
        "data_category national identification number",
        "data_category bookings",
        "data_category health data",
        "denied_category genetic data",
    ];
    states(policy, &DATA, &data);
    let others = [
        "data_subject patients",
        "system dossier patient",
        "third_party Doctolib",
        "retention 20 years",
        "purpose medical treatment",
        "legal_basis Article 9(2)",
    ];
    states(
        policy,
        &["data_subject", "system", "third_party", "retention", "transfer", "purpose", "legal_basis"],
        &others,
    );
}

/// What a model says of a policy.
fn read_by(says: &'static str, policy: &str) -> TestOutcome {
    TestContext::new()
        .input("policy", [json!({"content": policy})])
        .artifact(world(&[system("CRM", &["customer list"])], &[]))
        .config(json!({"model": "big"}))
        .models(move |question| {
            assert_eq!(question.model.as_deref(), Some("big"));
            match says {
                "" => Err(HostError::new(HostErrorKind::Unavailable, "it is away")),
                says => Ok(Answer { content: says.to_owned(), ..Answer::default() }),
            }
        })
        .run::<PolicyToRunbook>()
}

fn of_model(outcome: &TestOutcome) -> Vec<String> {
    let facts = outcome.items("facts");
    let of_model = facts.iter().filter(|fact| fact["by_model"] == true);
    of_model
        .map(|fact| format!("{} {}", fact["kind"].as_str().unwrap_or(""), fact["value"].as_str().unwrap_or("")))
        .collect()
}

const UNUSUAL: &str =
    "How folks reach you is kept in the customer list. We look after the wellness notes of Kestrel Cove.";

#[test]
fn a_model_reads_more_and_each_statement_stands_in_a_sentence() {
    let says = r#"{"facts": [
        {"kind": "data_category", "value": "Email address", "sentence": 0, "special_category": false},
        {"kind": "system", "value": "customer list", "sentence": 0, "special_category": false},
        {"kind": "data_category", "value": "wellness notes", "sentence": 1, "special_category": true},
        {"kind": "third_party", "value": "Kestrel Cove", "sentence": 1, "special_category": false},
        {"kind": "third_party", "value": "Nobody Ltd", "sentence": 1, "special_category": false},
        {"kind": "retention", "value": "3 years", "sentence": 1, "special_category": false},
        {"kind": "system", "value": "CRM", "sentence": 99, "special_category": false}
    ]}"#;
    let outcome = read_by(says, UNUSUAL);
    // The list is a name that the operator knows, so the rules read it too, and theirs is told.
    let expected = ["data_category email address", "data_category wellness notes", "third_party Kestrel Cove"];
    assert_eq!(of_model(&outcome), expected);
    let facts = outcome.items("facts");
    let notes = facts.iter().find(|fact| fact["value"] == "wellness notes").cloned().unwrap_or_default();
    assert_eq!(notes["special_category"], true);
    assert_eq!(notes["sentence"], "We look after the wellness notes of Kestrel Cove.");
    assert!(outcome.logs.iter().any(|(_, text)| text.starts_with("3 statements of the model")), "{:?}", outcome.logs);
}

#[test]
fn whatever_a_model_says_the_runbook_checks_as_much() {
    let plain = run(UNUSUAL, &[system("CRM", &["customer list"])], &[]).items("runbook");
    let ids = |steps: &[Value]| steps.iter().map(|step| step["id"].clone()).collect::<Vec<_>>();
    for says in [
        "",
        "no JSON",
        r#"{"facts": []}"#,
        r#"{"facts": [{"kind": "denied_category", "value": "name", "sentence": 0, "special_category": false}]}"#,
        r#"{"facts": [{"kind": "system", "value": "/etc", "sentence": 0, "special_category": false}]}"#,
    ] {
        let outcome = read_by(says, UNUSUAL);
        assert_eq!(ids(&outcome.items("runbook")), ids(&plain), "{says}");
    }
    let away = read_by("", UNUSUAL);
    assert_eq!(away.skips, [("what the model `big` reads in sentences 0 to 1".to_owned(), "it is away".to_owned())]);
}

#[test]
fn a_long_policy_is_read_in_parts() {
    let policy = "We keep your name in a list. ".repeat(2_000);
    let outcome = read_by(r#"{"facts": []}"#, &policy);
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
}

/// What is read of a description of the systems, as `value checked`, a policy beside it that names none.
fn of_architecture(text: &str) -> Vec<String> {
    let systems = [system("shop database", &["orders-db"]), system("CRM", &[])];
    let outcome = TestContext::new()
        .input("policy", [json!({"content": "We use your name."})])
        .input("architecture", [json!({"content": text})])
        .artifact(world(&systems, &[]))
        .config(json!({}))
        .run::<PolicyToRunbook>();
    let facts = outcome.items("facts");
    let systems = facts.iter().filter(|fact| fact["kind"] == "system");
    systems
        .map(|fact| {
            assert_eq!(fact["in_architecture"], true);
            format!("{} {}", fact["value"].as_str().unwrap_or(""), fact["checked"])
        })
        .collect()
}

#[test]
fn a_compose_file_names_what_keeps_data() {
    let compose = "# what runs\nservices:\n  web:\n    image: registry.example/shop/web:3\n  orders-db:\n    image: postgres:16\n  cache:\n    \
                   image: docker.io/library/redis@sha256:aa\n    environment: [A=1]\n  search: {build: ./search}\nvolumes: {data: {}}\n";
    assert_eq!(of_architecture(compose), ["shop database true", "cache (redis) false"]);
    // What looks like one and is broken is read as text.
    assert_eq!(of_architecture("services:\n  - [\nThe CRM: a database"), ["CRM true"]);
}

/// What of a policy and of a description of the systems is told to be unread.
fn unread(policy: &str, architecture: &str) -> Vec<(String, String)> {
    let outcome = TestContext::new()
        .input("policy", [json!({"content": policy})])
        .input("architecture", [json!({"content": architecture})])
        .artifact(world(&[system("CRM", &[])], &[]))
        .config(json!({}))
        .run::<PolicyToRunbook>();
    outcome.items("runbook");
    outcome.skips.into_iter().filter(|(what, _)| !what.starts_with("system `")).collect()
}

#[test]
fn what_of_a_description_of_the_systems_can_not_be_read_is_told() {
    let told = |architecture: &str| -> Vec<String> {
        let unread = unread("We keep your name.", architecture);
        assert!(unread.iter().all(|(what, _)| what == "the description of the systems"), "{unread:?}");
        unread.into_iter().map(|(_, why)| why).collect()
    };
    let is_text = |why: &str| [format!("what looks like a Compose file is none ({why}), so that it is read as text")];
    let broken = told("services:\n  crm: {image: mariadb\n  x: [\nThe CRM: a database");
    assert!(broken[0].starts_with("what looks like a Compose file is none (line "), "{broken:?}");
    assert!(broken[0].contains(" is no YAML: ") && broken.len() == 1, "{broken:?}");
    assert_eq!(told("services:\n  - The CRM: a database\n"), is_text("its `services` are no mapping"));
    for begins in ["services:\n\tcrm:", "services:\n# ours\n\n  crm: {image: mariadb"] {
        let broken = told(&format!("{begins}\n x: [\nThe CRM: a database"));
        assert!(broken.len() == 1 && broken[0].ends_with("), so that it is read as text"), "{broken:?}");
    }
    let fenced = |file: &str| format!("# Ours\n\nThe CRM: a database\n\n```yaml\n{file}```\n");
    assert!(told(&fenced("services:\n  crm: {image: mariadb}\n")).is_empty());
    let broken = told(&fenced("services:\n  crm: {image: mariadb\n"));
    assert!(broken.len() == 1 && broken[0].starts_with("a fenced block that looks like"), "{broken:?}");
    assert!(broken[0].ends_with("): it is not read"), "{broken:?}");
    let long = format!("services:\n{}\nThe CRM: a database", "  x: {}\n".repeat(200_000));
    assert_eq!(told(&long), is_text("it has more than 1048576 bytes"));
    assert!(told("# Ours\n\nservices:\n\nThe CRM: a database that we like").is_empty());
    let open = "graph TD\n  CRM[(CRM)]\n  a[(Orders --> b[Web\n  c{{x\n";
    assert_eq!(told(open), ["3 labels of its Mermaid diagram have no end, first in line 3 of the diagram: not read"]);
    assert_eq!(
        told("# D\n\nThe CRM: a database\n\n```mermaid\ngraph TD\n  a[(Orders\n```\n"),
        ["1 label of its Mermaid diagram has no end, first in line 2 of the diagram: not read"]
    );
    for whole in [
        "erDiagram\n CUSTOMER ||--o{ ORDER : places",
        "classDiagram\n class Animal{\n  +int age\n }",
        "graph TD\n a[A]\n click a \"https://x/f(1\"\n style a fill:x(1\n classDef b(1\n linkStyle c(1",
    ] {
        assert!(told(&format!("The CRM: a database\n\n```mermaid\n{whole}\n```\n")).is_empty(), "{whole}");
    }
    assert_eq!(told("---\ntitle: Ours\n---\nflowchart TD\n CRM[(CRM)]\n a[(b\n").len(), 1);
    assert_eq!(told("milk\neggs\n"), ["no system is read in it"]);
    assert_eq!(told(""), ["no system is read in it"]);
    assert_eq!(told("CRM: a database\u{0}\u{1}"), ["it has 2 characters that no text has, so that it may be none"]);
    assert_eq!(told("CRM: a database\u{fffd}"), ["it has 1 character that no text has, so that it may be none"]);
    assert!(told("The CRM: a database").is_empty());
}

#[test]
fn which_of_several_descriptions_can_not_be_read_is_told() {
    let outcome = TestContext::new()
        .input("policy", [json!({"content": "We keep your name."})])
        .input("architecture", [json!({"content": "The CRM: a database"})])
        .input("architecture", [json!({"content": "milk\n"}), json!({"content": "graph TD\n a[(b"})])
        .artifact(world(&[system("CRM", &[])], &[]))
        .config(json!({}))
        .run::<PolicyToRunbook>();
    let open = "1 label of its Mermaid diagram has no end, first in line 2 of the diagram: not read";
    let which = "description 2 of the systems";
    assert_eq!(skipped(&outcome), [(which, open), (which, "no system is read in it")]);
}

#[test]
fn what_is_no_policy_is_told() {
    let told = |policy: &str| -> Vec<String> {
        let unread = unread(policy, "The CRM: a database");
        assert!(unread.iter().all(|(what, _)| what == "the policy"), "{unread:?}");
        unread.into_iter().map(|(_, why)| why).collect()
    };
    let no_policy =
        |read: &str| format!("it reads like none, with {read}: what it is told not to state proves nothing");
    assert_eq!(told("milk\neggs\nbread\n"), [no_policy("0 statements in 1 sentence")]);
    assert_eq!(told("Milk. A telephone number."), [no_policy("1 statement in 2 sentences")]);
    assert_eq!(
        told("a\u{0}b\u{1}\u{2}"),
        [
            "it has 3 characters that no text has, so that it may be none".to_owned(),
            no_policy("0 statements in 1 sentence"),
        ]
    );
    assert!(told("We keep your name.").is_empty());
}

#[test]
fn a_diagram_names_what_is_drawn_as_a_store() {
    let flow = "flowchart LR\n  %% a comment[(not this)]\n  U([Customer]) --> W[Web shop] --> O[(\"orders-db<br/>Postgres\")]\n  W -->|writes| \
                L[(Audit log)]\n  W --> C{{CRM}}\n  W --> X[broken\n";
    assert_eq!(of_architecture(flow), ["shop database true", "Audit log false", "CRM true"]);
    let c4 = "C4Context\n  Person(p, \"Patient\")\n  SystemDb_Ext(r, \"Laboratory records\", \"results\")\n  System(c, \"CRM\")\n  System(w, \"Web site\")\n";
    assert_eq!(of_architecture(c4), ["Laboratory records false", "CRM true"]);
}

#[test]
fn prose_names_systems_and_its_blocks_are_read() {
    let markdown = "# Systems\n\n| System | Purpose |\n|---|---|\n| CRM | customers |\n| Payroll DB | salaries |\n\n- **Backup store**: a bucket in another region\n\
                    - Gateway: forwards requests\n\nMail goes out through Mailchimp. We do not use Zendesk.\n\n```mermaid\ngraph TD\n  A[(Archive)]\n```\n\n\
                    ```sh\necho [(nothing)]\n```\n";
    let expected = ["CRM true", "Payroll DB false", "Backup store false", "Mailchimp false", "Archive false"];
    assert_eq!(of_architecture(markdown), expected);
}

#[test]
fn what_the_policy_and_the_architecture_name_is_the_policys() {
    let outcome = TestContext::new()
        .input("policy", [json!({"content": "We keep your name in the CRM."})])
        .input("architecture", [json!({"content": "services:\n  crm: {image: mariadb}\n  other: {image: mariadb}\n"})])
        .artifact(world(&[system("CRM", &[])], &[]))
        .config(json!({}))
        .run::<PolicyToRunbook>();
    let facts = outcome.items("facts");
    let systems: Vec<_> = facts.iter().filter(|fact| fact["kind"] == "system").collect();
    assert_eq!((&systems[0]["value"], &systems[0]["in_architecture"]), (&json!("CRM"), &Value::Null));
    assert_eq!((&systems[1]["value"], &systems[1]["in_architecture"]), (&json!("other (mariadb)"), &json!(true)));
    let told = ("system `other (mariadb)`", "the architecture names it and no system is called so: not checked");
    assert_eq!(outcome.skips, [(told.0.to_owned(), told.1.to_owned())]);
}

#[test]
fn a_page_in_a_cell_and_a_long_row_are_read_to_their_ends() {
    let filler = "We are a small shop and like what we do.<br><br>".repeat(60);
    let page =
        format!("<table><tr><td>We collect your name.<br><br>{filler}We keep your telephone number.</td></tr></table>");
    states(&page, &["data_category"], &["data_category name", "data_category telephone number"]);
    let filler = "We are a small shop and like what we do. ".repeat(60);
    let rows = format!(
        "| System | What |\n|---|---|\n| CRM | We collect your name. {filler}We keep your telephone number. |\n| Wiki | notes |\n"
    );
    let expected = ["data_category name", "data_category telephone number", "system CRM", "system Wiki"];
    states(&rows, &["data_category", "system"], &expected);
    for filler in ["odds, ".repeat(300), "é".repeat(2_000)] {
        let list = format!("We keep these data:\n\n| What |\n|---|\n| {filler} your telephone number |\n");
        states(&list, &["data_category"], &["data_category telephone number"]);
    }
}

#[test]
fn a_row_with_a_head_of_its_own_and_an_empty_first_cell_keep_their_columns() {
    let page = "<p>What we keep:</p><table><tr><th scope=\"row\">E-mail address</th><td>CRM</td></tr></table>";
    states(page, &["data_category"], &["data_category email address"]);
    let table = "| What | System |\n|---|---|\n| names | CRM |\n| | Wiki |\n|  | Intranet |\n";
    states(table, &["system"], &["system CRM", "system Wiki", "system Intranet"]);
    let wide = format!("|{} telephone number |", "a|".repeat(30));
    states(&format!("We keep your data.\n\n{wide}\n"), &["data_category"], &["data_category telephone number"]);
    let wide = format!("| System |{}\n|{}\n| CRM |{}\n", "a|".repeat(30), "-|".repeat(31), "b|".repeat(30));
    states(&wide, &["system"], &["system CRM"]);
}

#[test]
fn long_heads_and_introductions_are_not_copied_whole() {
    let long = "x".repeat(100_000);
    let list = format!("{long}:\n{}", "- a name\n".repeat(20_000));
    assert!(text::sentences(None, &list).iter().all(|sentence| sentence.intro.len() < 1_000));
    let table = format!("| {long} | b |\n|---|---|\n{}", "| a | b |\n".repeat(20_000));
    assert!(text::sentences(None, &table).iter().all(|sentence| sentence.context.len() < 1_000));
}

#[test]
fn markdown_with_a_compose_file_in_it_is_read_as_both() {
    let both = "The CRM: a database.\n\n```yaml\nservices:\n  cache: {image: redis}\n```\n";
    assert_eq!(of_architecture(both), ["CRM true", "cache (redis) false"]);
}

#[test]
fn a_long_line_of_a_diagram_takes_the_time_of_its_length() {
    let nodes = "CRM[(CRM)] ".repeat(50_000);
    assert_eq!(of_architecture(&format!("graph TD\n{nodes}\n")), ["CRM true"]);
    assert!(of_architecture(&format!("graph TD\n{}\n", "a[(a".repeat(300_000))).is_empty());
}

#[test]
fn who_works_for_the_author_in_a_table_is_a_system_and_who_gets_data_is_none() {
    let rows = "| Wexcom | Tickets |\n| Perch Desk (USA) | Hosting |\n| Accountants | Books |\n| Payroll bureau | Wages |\n| Germany | – |";
    for (head, expected) in
        [("Service provider", &["system Perch Desk", "system Wexcom"] as &[&str]), ("Recipient", &[])]
    {
        let table = format!("| {head} | What for |\n|---|---|\n{rows}\n");
        states(&format!("# Privacy\n\nWe keep your name.\n\n## Others\n\n{table}"), &["system"], expected);
    }
}
