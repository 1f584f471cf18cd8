//! How much is read of policies that people marked by hand, and how much of it is right (`tests/policies`).

use crate::facts::{Fact, Kind, found};
use crate::text::sentences;
use crate::unread::is_no_policy;
use palisade_planning::World;
use palisade_sdk::serde_json;
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// What a person says that a policy states.
#[derive(Deserialize)]
struct Marked {
    categories: Vec<String>,
    systems: Vec<String>,
    /// Those who get data: products are both.
    third_parties: Vec<String>,
}

/// Counts of a folder of policies.
#[derive(Default)]
struct Counts {
    stated: usize,
    missed: Vec<String>,
    told: usize,
    wrong: Vec<String>,
}

impl Counts {
    fn add(
        &mut self,
        policy: &str,
        stated: &[String],
        told: &[&Fact],
        also: &[String],
        same: impl Fn(&str, &str) -> bool,
    ) {
        let same = |word: &str, fact: &Fact| same(&word.to_lowercase(), &fact.value.to_lowercase());
        self.stated += stated.len();
        self.told += told.len();
        let missed = stated.iter().filter(|word| !told.iter().any(|fact| same(word, fact)));
        self.missed.extend(missed.map(|word| format!("{policy}: {word}")));
        let wrong = told.iter().filter(|fact| !stated.iter().chain(also).any(|word| same(word, fact)));
        self.wrong.extend(wrong.map(|fact| format!("{policy}: {} ({})", fact.value, fact.sentence)));
    }

    fn recall(&self) -> f64 {
        1.0 - self.missed.len() as f64 / self.stated as f64
    }

    fn precision(&self) -> f64 {
        1.0 - self.wrong.len() as f64 / self.told as f64
    }
}

/// Words of the authors' own that mean what a category of `policy_facts` does, or a part of it. What only goes with it does
/// not stand here: a residence permit is no nationality.
const SAME: &[(&str, &[&str])] = &[
    ("emergency contact", &["emergency contacts"]),
    ("usage data", &["log data"]),
    (
        "reference number",
        &[
            "neph number",
            "training account file number",
            "customer number",
            "family benefits number",
            "library card number",
            "membership number",
            "benefit claimant number",
            "meter point number (mprn/gprn)",
            "student identifier (ine)",
        ],
    ),
    ("property data", &["occupancy status (landlord, tenant, owner)"]),
    ("pension data", &["pension and benefits", "pension details"]),
    ("identity document", &["identity card copy", "passport or driving licence copy"]),
    ("employment data", &["job title", "tachograph data and working hours"]),
    ("education data", &["internship agreements"]),
    ("disciplinary records", &["disciplinary sanctions"]),
    (
        "access records",
        &["door entry data", "access badge logs", "access logs", "door opening records", "gate passages"],
    ),
    ("account data", &["nickname"]),
    ("animals", &["animal records", "pet data", "pets"]),
    ("assessments", &["interview notes", "interview notes and assessment", "performance reviews", "risk score"]),
    (
        "assets",
        &[
            "source of funds and wealth",
            "source of funds",
            "investment data",
            "savings",
            "savings and loan balances",
            "shareholdings",
        ],
    ),
    (
        "attendance",
        &["absences", "attendance data", "attendance records", "attendance times", "visit history", "visit times"],
    ),
    (
        "bookings",
        &[
            "appointment data",
            "appointments",
            "booking data",
            "class bookings",
            "dates of stay",
            "travel and booking data",
        ],
    ),
    (
        "consumption data",
        &[
            "meter data",
            "energy consumption data",
            "charging sessions",
            "consumption data (heat and water)",
            "energy consumption",
            "meter and consumption data",
            "meter readings",
        ],
    ),
    ("device data", &["advertising id"]),
    ("donations", &["donation history"]),
    (
        "driving licence",
        &[
            "driver's license",
            "penalty points",
            "driving licence check",
            "driving licence class",
            "driving licence data",
        ],
    ),
    ("email address", &["parent's email address", "partner's email address"]),
    (
        "employment data",
        &["curriculum vitae", "cv", "driving and working times", "timesheets", "working hours", "working time"],
    ),
    ("feedback", &["product reviews", "reviews", "survey answers"]),
    ("genetic data", &["dna match list"]),
    ("health data", &["drug and alcohol test results"]),
    (
        "identity document",
        &[
            "identity document data",
            "identity documents",
            "passport copy",
            "passport data",
            "passport details",
            "passport number",
            "identity document copy",
        ],
    ),
    ("incident reports", &["accident data", "accident reports", "damage reports", "fines and tolls", "traffic fines"]),
    (
        "income",
        &["social benefits data", "household expenses", "housing cost", "benefits", "benefits data", "social benefits"],
    ),
    ("insurance data", &["claims data"]),
    ("languages", &["language", "languages spoken", "native language"]),
    ("legal proceedings", &["county court judgments", "court judgments", "custody judgment", "custody ruling"]),
    ("loyalty points", &["loyalty data", "loyalty membership data", "loyalty programme data"]),
    ("order history", &["subscription data", "subscription status"]),
    ("payment data", &["payment history", "account balances", "account balances and transactions", "account history"]),
    ("physical characteristics", &["height", "body measurements", "body weight", "height and weight"]),
    (
        "politically exposed person",
        &[
            "politically exposed person status",
            "prominent public function",
            "public office (politically exposed person)",
        ],
    ),
    ("place of birth", &["country of birth"]),
    ("preferences", &["dietary preferences"]),
    ("references", &["landlord reference", "referees"]),
    ("representatives", &["authorised collectors", "authorised persons", "persons authorised to collect the child"]),
    (
        "residence status",
        &[
            "work authorization",
            "employment permit",
            "immigration status",
            "residence and work permit",
            "residence permit",
            "work permit",
        ],
    ),
    ("sexual orientation", &["sex life"]),
    ("travel data", &["flight number", "travel history"]),
];

/// Whether a category that a person marked is the one that was read.
fn is_category(marked: &str, read: &str) -> bool {
    marked == read || SAME.iter().any(|(category, words)| *category == read && words.contains(&marked))
}

/// Whether two words are the same but for an ending.
fn is_same(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    short == long
        || short.len() > 3 && long.strip_prefix(short).is_some_and(|end| ["s", "n", "e", "en", "es"].contains(&end))
}

/// Whether all words of one name are in the other, as those of `CRM` in `our CRM`.
fn names(one: &str, other: &str) -> bool {
    let words = |name: &str| -> Vec<String> {
        let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let (one, other) = (words(one), words(other));
    let is_in = |few: &[String], many: &[String]| few.iter().all(|word| many.iter().any(|known| is_same(word, known)));
    is_in(&one, &other) || is_in(&other, &one)
}

fn read(folder: &str) -> (Counts, Counts) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/policies").join(folder);
    let world = World { systems: Vec::new(), components: Vec::new(), rulesets: Vec::new() };
    let (mut categories, mut systems) = (Counts::default(), Counts::default());
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end != "json")) {
        let marked: Marked = serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let sentences = sentences(None, &fs::read_to_string(path).unwrap());
        let facts = found(&sentences, &world).list;
        assert_eq!(is_no_policy(&sentences, &facts), None, "{}", path.display());
        let of = |kind| facts.iter().filter(|fact| fact.kind == kind).collect::<Vec<_>>();
        let name = path.file_name().unwrap().to_string_lossy();
        categories.add(&name, &marked.categories, &of(Kind::DataCategory), &[], is_category);
        systems.add(&name, &marked.systems, &of(Kind::System), &marked.third_parties, names);
    }
    (categories, systems)
}

/// Prints what was read, for whoever widens the vocabulary, and tells whether it is enough.
#[expect(clippy::print_stdout, reason = "shown to whoever asks for it")]
fn reads(folder: &str, categories: [f64; 2], systems: [f64; 2]) {
    let read = read(folder);
    for (what, counts, least) in [("categories", &read.0, categories), ("systems", &read.1, systems)] {
        let (recall, precision) = (counts.recall(), counts.precision());
        println!("{folder}: {what}: recall {recall:.3}, precision {precision:.3} of {}", counts.stated);
        println!("  missed\n    {}", counts.missed.join("\n    "));
        println!("  wrong\n    {}", counts.wrong.join("\n    "));
        assert!([recall, precision] >= least && precision >= least[1], "{folder}: {what}: {recall} and {precision}");
    }
}

#[test]
fn most_of_known_policies_is_read_and_little_is_wrong() {
    reads("known", [0.9, 0.89], [0.91, 0.91]);
}
