//! What a decision costs under many grants and denies. Aim: 2 µs with 1,000 of each.

#![expect(clippy::unwrap_used, reason = "a benchmark that can not run may panic")]

use divan::Bencher;
use palisade_authority::{Authority, Bound, Capability, Deny, Grant, Rule, Use, WorkingFolder, authorise};

/// How many grants an operator may have.
const GRANTS: [usize; 3] = [10, 100, 1_000];

fn main() {
    divan::main();
}

/// The operator's grants of folders four names deep, a runbook's `capabilities` of as many, and the config's word.
fn authority(grants: usize) -> Authority {
    let folder = WorkingFolder::new(b"/srv/work").unwrap();
    let parse = |text: String| Capability::parse(&folder, text.as_bytes()).unwrap();
    let path = |number: usize| format!("fs-read=data/customers/region{}/year{number}", number % 7);
    let operator = (0..grants).map(|number| Grant::parse(&folder, path(number).as_bytes()).unwrap());
    let rule = |number| Rule { capability: parse(path(number)), stated: format!("book.yaml:{number}") };
    Authority::of_operator(operator).meet(Bound::of_runbook((0..grants).map(rule)))
}

/// As many denies, in folders beside what is granted.
fn denying(authority: Authority, denies: usize) -> Authority {
    let folder = WorkingFolder::new(b"/srv/work").unwrap();
    let deny = |number: usize| {
        let path = format!("fs-read=data/customers/region{}/staff{number}", number % 7);
        Deny::parse_in(&folder, &folder, path.as_bytes(), "palisade.toml:1").unwrap()
    };
    authority.denying((0..denies).flat_map(deny))
}

fn read(written: &str) -> Use {
    let folder = WorkingFolder::new(b"/srv/work").unwrap();
    Use::parse_in(&folder, &folder, format!("fs-read={written}").as_bytes()).unwrap()
}

#[divan::bench(args = GRANTS)]
fn an_allowed_read(bencher: Bencher<'_, '_>, grants: usize) {
    let authority = authority(grants);
    let asked = read(&format!("data/customers/region{}/year{}/march/orders.csv", (grants - 1) % 7, grants - 1));
    assert!(authorise(&authority, &asked).allowed());
    bencher.bench(|| authorise(&authority, divan::black_box(&asked)).allowed());
}

#[divan::bench(args = GRANTS)]
fn an_allowed_read_beside_denies(bencher: Bencher<'_, '_>, grants: usize) {
    let authority = denying(authority(grants), grants);
    let asked = read(&format!("data/customers/region{}/year{}/march/orders.csv", (grants - 1) % 7, grants - 1));
    assert!(authorise(&authority, &asked).allowed());
    bencher.bench(|| authorise(&authority, divan::black_box(&asked)).allowed());
}

#[divan::bench(args = GRANTS)]
fn a_denied_read(bencher: Bencher<'_, '_>, grants: usize) {
    let authority = authority(grants);
    let asked = read("data/customers/region3/yearly/march/orders.csv");
    assert!(!authorise(&authority, &asked).allowed());
    bencher.bench(|| authorise(&authority, divan::black_box(&asked)).allowed());
}
