//! How much is read of policies that people marked by hand, and how much of it is right (`tests/policies`).

use crate::facts::{Kind, found};
use crate::text::{has_word, sentences};
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
        told: &[String],
        also: &[String],
        same: impl Fn(&str, &str) -> bool,
    ) {
        let is_in =
            |word: &str, list: &[String]| list.iter().any(|known| same(&word.to_lowercase(), &known.to_lowercase()));
        self.stated += stated.len();
        self.told += told.len();
        self.missed.extend(stated.iter().filter(|word| !is_in(word, told)).map(|word| format!("{policy}: {word}")));
        let wrong = told.iter().filter(|word| !is_in(word, stated) && !is_in(word, also));
        self.wrong.extend(wrong.map(|word| format!("{policy}: {word}")));
    }

    fn recall(&self) -> f64 {
        1.0 - self.missed.len() as f64 / self.stated as f64
    }

    fn precision(&self) -> f64 {
        1.0 - self.wrong.len() as f64 / self.told as f64
    }
}

/// Words of the authors' own that a category of `policy_facts` includes.
const INCLUDED: &[(&str, &[&str])] = &[
    (
        "national identification number",
        &["identity document", "passport copy", "passport number", "passport data", "identity document data"],
    ),
    ("nationality", &["immigration status", "work permit", "country of residence", "residence permit"]),
    ("employment data", &["curriculum vitae", "cv", "timesheets"]),
    ("bookings", &["class bookings", "appointments", "dates of stay", "booking data"]),
    ("references", &["landlord reference"]),
    ("assets", &["savings"]),
    ("driving licence", &["identity document data", "driving licence data"]),
    ("physical characteristics", &["height and weight"]),
    ("gender", &["title (civilité)"]),
    ("device data", &["advertising id"]),
    ("family members", &["number of fellow travellers", "companion"]),
    ("health data", &["drug and alcohol test results"]),
    ("physical characteristics", &["body weight", "clothing size"]),
    ("payment data", &["account balances"]),
];

fn is_category(one: &str, other: &str) -> bool {
    let includes =
        |category: &str, word: &str| INCLUDED.iter().any(|(known, words)| *known == category && words.contains(&word));
    one == other || includes(one, other) || includes(other, one)
}

/// Whether one is named by the other, as `CRM` by `our CRM`.
fn names(one: &str, other: &str) -> bool {
    let (one, other) = (one.replace('’', "'"), other.replace('’', "'"));
    has_word(&one, &other) || has_word(&other, &one)
}

fn read(folder: &str) -> (Counts, Counts) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/policies").join(folder);
    let world = World { systems: Vec::new(), components: Vec::new(), rulesets: Vec::new() };
    let (mut categories, mut systems) = (Counts::default(), Counts::default());
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end != "json")) {
        let marked: Marked = serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let facts = found(&sentences(None, &fs::read_to_string(path).unwrap()), &world).list;
        let of =
            |kind| facts.iter().filter(|fact| fact.kind == kind).map(|fact| fact.value.clone()).collect::<Vec<_>>();
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
    reads("known", [0.84, 0.86], [0.75, 0.86]);
}
