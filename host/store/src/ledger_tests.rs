//! The ledger against a plain model of it, with many at once, and on a disk that fails at every operation.

use crate::backend::Backend;
use crate::crash_tests::{BrokenDisk, Failing};
use crate::*;
use palisade_model::llm::{Bound, BudgetLevel};
use palisade_model::{RunId, TenantId};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn open(folder: &Path) -> Store {
    Store::open(folder, TenantId::default()).unwrap()
}

fn account(level: BudgetLevel, scope: &str, bound: Bound) -> Account {
    Account { level, scope: scope.to_owned(), bound }
}

fn cost(cost: u64) -> Bound {
    Bound { cost: Some(cost), ..Bound::default() }
}

fn call(cost: u64, tokens: u64, accounts: Vec<Account>) -> NewCall {
    NewCall {
        run: RunId::new(1, [1; 10]),
        step: "s".to_owned(),
        component: "a:b".to_owned(),
        model: "m".to_owned(),
        user: "u".to_owned(),
        day: "2026-11-26".to_owned(),
        at_ms: 1,
        accounts,
        cost,
        tokens,
    }
}

fn used(cost: u64, tokens: u64) -> Used {
    Used { cost, tokens }
}

#[test]
fn what_fits_is_reserved_at_all_levels_and_what_does_not_at_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let ledger = store.ledger().unwrap();
    let levels = |step: u64| {
        vec![
            account(BudgetLevel::Organisation, "", Bound { calls: Some(3), ..cost(100) }),
            account(BudgetLevel::Run, "r", Bound { tokens: Some(50), ..Bound::default() }),
            account(BudgetLevel::Step, "r/s", cost(step)),
        ]
    };
    let refused = |cost, tokens, step| ledger.reserve(&call(cost, tokens, levels(step))).unwrap_err().to_string();
    assert_eq!(
        refused(101, 1, 200),
        "the budget of the organisation has too little left: of 0.0001 USD, 0.00 USD are spent and 0.00 USD are reserved by calls that go on, and this one could take 0.000101 USD"
    );
    assert_eq!(
        refused(1, 51, 200),
        "the budget of the run has too little left: of 50 tokens, 0 tokens are spent and 0 tokens are reserved by calls that go on, and this one could take 51 tokens"
    );
    assert_eq!(
        refused(60, 1, 59),
        "the budget of the step has too little left: of 0.000059 USD, 0.00 USD are spent and 0.00 USD are reserved by calls that go on, and this one could take 0.00006 USD"
    );
    // Nothing stuck of what was refused: exactly all fits.
    let first = ledger.reserve(&call(60, 50, levels(60))).unwrap();
    assert_eq!(store.spent(BudgetLevel::Run, "r").unwrap().open, used(60, 50));
    let settled = ledger.settle(first, used(10, 5)).unwrap();
    assert_eq!(settled, Settled { used: used(10, 5), overspent: false });
    let second = ledger.reserve(&call(90, 45, levels(100))).unwrap();
    assert!(refused(1, 0, 200).contains(
        "0.00001 USD are spent and 0.00009 USD are reserved by calls that go on, and this one could take 0.000001 USD"
    ));
    let _ = ledger.settle(second, used(0, 0)).unwrap();
    let _ = ledger.settle(ledger.reserve(&call(0, 0, levels(10))).unwrap(), used(0, 0)).unwrap();
    assert!(refused(0, 0, 10).contains(
        "of 3 calls, 3 calls are spent and 0 calls are reserved by calls that go on, and this one could take 1 call"
    ));
    assert!(!store.books(None).unwrap().wrong);
}

#[test]
fn a_level_without_a_bound_is_counted_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let ledger = store.ledger().unwrap();
    let of = |bound| vec![account(BudgetLevel::User, "u", bound)];
    let _ = ledger.settle(ledger.reserve(&call(9, 9, of(Bound::default()))).unwrap(), used(7, 7)).unwrap();
    assert!(matches!(ledger.reserve(&call(4, 0, of(cost(10)))), Err(ReserveError::Budget { spent: 7, .. })));
    drop(ledger.reserve(&call(3, 0, of(cost(10)))).unwrap());
}

#[test]
fn the_reservations_of_the_dead_are_settled_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (open(folder.path()), open(folder.path()));
    let (dies, lives) = (store.ledger().unwrap(), other.ledger().unwrap());
    let of = |bound| vec![account(BudgetLevel::Day, "d", bound)];
    let _lost = dies.reserve(&call(30, 3, of(cost(100)))).unwrap();
    let kept = lives.reserve(&call(20, 2, of(cost(100)))).unwrap();
    let books = store.books(None).unwrap();
    assert_eq!(books.calls.iter().map(|call| call.outcome).collect::<Vec<_>>(), [Outcome::Open, Outcome::Open]);
    drop(dies);
    let books = store.books(None).unwrap();
    assert_eq!(books.calls.iter().map(|call| call.outcome).collect::<Vec<_>>(), [Outcome::Unknown, Outcome::Open]);
    assert_eq!(lives.settle(kept, used(1, 1)).unwrap().used, used(1, 1));
    let spent = store.spent(BudgetLevel::Day, "d").unwrap();
    assert_eq!((spent.used, spent.open, spent.calls), (used(31, 4), used(0, 0), 2));
    assert_eq!(std::fs::read_dir(folder.path().join("locks/llm")).unwrap().count(), 1);
}

#[test]
fn what_is_billed_beyond_a_reservation_closes_its_levels_until_a_person_accepts_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let ledger = store.ledger().unwrap();
    let of = |scope: &str| vec![account(BudgetLevel::Run, scope, cost(1_000))];
    let first = ledger.reserve(&call(10, 10, of("a"))).unwrap();
    assert!(ledger.settle(first, used(11, 10)).unwrap().overspent);
    let refused = ledger.reserve(&call(1, 1, of("a"))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the budget of the run is closed: `m` was billed with 0.000001 USD and 0 tokens more than was reserved"
    );
    // Another run is none of its levels, and what was billed to the last token is no overspend.
    let other = ledger.reserve(&call(10, 10, of("b"))).unwrap();
    assert!(!ledger.settle(other, used(10, 10)).unwrap().overspent);
    drop(ledger.reserve(&call(1, 1, of("b"))).unwrap());
    assert_eq!(store.accept_overspends().unwrap(), 1);
    drop(ledger.reserve(&call(1, 1, of("a"))).unwrap());
    assert_eq!(store.spent(BudgetLevel::Run, "a").unwrap().used, used(11, 10));
}

#[test]
fn a_reservation_is_settled_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (open(folder.path()), open(folder.path()));
    let ledger = store.ledger().unwrap();
    let reservation = ledger.reserve(&call(10, 10, Vec::new())).unwrap();
    // As seen from elsewhere its process died, as on a disk whose locks do not hold.
    for file in std::fs::read_dir(folder.path().join("locks/llm")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert_eq!(other.books(None).unwrap().calls[0].outcome, Outcome::Unknown);
    assert!(ledger.settle(reservation, used(1, 1)).unwrap_err().to_string().contains("call 1 of a model is not open"));
    assert_eq!(other.books(None).unwrap().calls[0].used, used(10, 10));
}

#[test]
fn many_at_once_never_pass_a_budget_together() {
    let folder = tempfile::tempdir().unwrap();
    let (most, inside) = (AtomicU64::new(0), AtomicU64::new(0));
    // Budget for ten at once; each settles at a third of what it reserved.
    let of = || vec![account(BudgetLevel::Organisation, "", cost(1_000)), account(BudgetLevel::Run, "r", cost(2_000))];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let store = open(folder.path());
            let ledger = Arc::new(store.ledger().unwrap());
            for _ in 0..16 {
                let (ledger, most, inside) = (Arc::clone(&ledger), &most, &inside);
                scope.spawn(move || {
                    if let Ok(reservation) = ledger.reserve(&call(100, 1, of())) {
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        let _ = ledger.settle(reservation, used(33, 1)).unwrap();
                    }
                });
            }
        }
    });
    let store = open(folder.path());
    let spent = store.spent(BudgetLevel::Organisation, "").unwrap();
    assert!(most.load(Ordering::SeqCst) <= 10 && spent.calls >= 10);
    assert_eq!((spent.used, spent.open), (used(33 * spent.calls, spent.calls), used(0, 0)));
    assert!(spent.used.cost <= 1_000 && !store.books(None).unwrap().wrong);
}

/// What one of two processes does.
#[derive(Debug, Clone)]
enum Act {
    Reserve {
        process: usize,
        accounts: Vec<usize>,
        cost: u64,
        tokens: u64,
    },
    /// Settles the oldest call of a process, at so many hundredths of what it reserved.
    Settle {
        process: usize,
        cost: u64,
        tokens: u64,
    },
    Die {
        process: usize,
    },
    Accept,
}

fn act() -> impl Strategy<Value = Act> {
    let accounts = prop::collection::btree_set(0..4_usize, 0..=4).prop_map(|set| set.into_iter().collect());
    prop_oneof![
        6 => (0..2_usize, accounts, 0..40_u64, 0..40_u64)
            .prop_map(|(process, accounts, cost, tokens)| Act::Reserve { process, accounts, cost, tokens }),
        4 => (0..2_usize, 0..=104_u64, 0..=104_u64)
            .prop_map(|(process, cost, tokens)| Act::Settle { process, cost, tokens }),
        1 => (0..2_usize).prop_map(|process| Act::Die { process }),
        1 => Just(Act::Accept),
    ]
}

/// An account as a person would keep it.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    cost: u64,
    tokens: u64,
    calls: u64,
    open: (u64, u64),
    over: (u64, u64),
}

const LEVELS: [BudgetLevel; 4] = [BudgetLevel::User, BudgetLevel::Run, BudgetLevel::Child, BudgetLevel::Step];

fn bounds() -> [Bound; 4] {
    [
        Bound { cost: Some(100), tokens: None, calls: None },
        Bound { cost: Some(90), tokens: Some(80), calls: Some(6) },
        Bound { cost: None, tokens: Some(60), calls: None },
        Bound::default(),
    ]
}

#[test]
fn any_order_of_events_comes_out_as_in_a_plain_model() {
    let folder = tempfile::tempdir().unwrap();
    let stores = [open(folder.path()), open(folder.path())];
    let number = AtomicU64::new(0);
    let config = ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(acts in prop::collection::vec(act(), 1..14))| {
        // Each case has accounts of its own in the same database.
        let scope = format!("case {}", number.fetch_add(1, Ordering::Relaxed));
        follow(&stores, &scope, acts);
    });
    assert!(!stores[0].books(None).unwrap().wrong);
}

fn follow(stores: &[Store; 2], scope: &str, acts: Vec<Act>) {
    let mut ledgers = [stores[0].ledger().unwrap(), stores[1].ledger().unwrap()];
    let mut kept = [Kept::default(); 4];
    let mut open: [Vec<(Reservation, Vec<usize>)>; 2] = Default::default();
    let close = |kept: &mut [Kept; 4], accounts: &[usize], reserved: Used, used: Used| {
        for &at in accounts {
            let Kept { cost, tokens, open, over, .. } = &mut kept[at];
            *cost += used.cost;
            *tokens += used.tokens;
            *open = (open.0 - reserved.cost, open.1 - reserved.tokens);
            over.0 += used.cost.saturating_sub(reserved.cost);
            over.1 += used.tokens.saturating_sub(reserved.tokens);
        }
    };
    for act in acts {
        match act {
            Act::Reserve { process, accounts, cost, tokens } => {
                let fits = accounts.iter().all(|&at| {
                    let (kept, bound) = (kept[at], bounds()[at]);
                    let below = |bound: Option<u64>, all: u64| bound.is_none_or(|bound| all <= bound);
                    bound.is_none()
                        || kept.over == (0, 0)
                            && below(bound.cost, kept.cost + kept.open.0 + cost)
                            && below(bound.tokens, kept.tokens + kept.open.1 + tokens)
                            && below(bound.calls, kept.calls + 1)
                });
                let wanted = accounts.iter().map(|&at| account(LEVELS[at], scope, bounds()[at])).collect();
                let reserved = ledgers[process].reserve(&call(cost, tokens, wanted));
                assert_eq!(reserved.is_ok(), fits, "{reserved:?}");
                if let Ok(reservation) = reserved {
                    for &at in &accounts {
                        kept[at].calls += 1;
                        kept[at].open = (kept[at].open.0 + cost, kept[at].open.1 + tokens);
                    }
                    open[process].push((reservation, accounts));
                }
            }
            Act::Settle { process, cost, tokens } => {
                if open[process].is_empty() {
                    continue;
                }
                let (reservation, accounts) = open[process].remove(0);
                let whole = reservation.whole();
                let now = used(whole.cost * cost / 100, whole.tokens * tokens / 100);
                let settled = ledgers[process].settle(reservation, now).unwrap();
                assert_eq!(settled.overspent, now.cost > whole.cost || now.tokens > whole.tokens);
                close(&mut kept, &accounts, whole, now);
            }
            Act::Die { process } => {
                // Who reads next settles what it left, which the model does at once.
                ledgers[process] = stores[process].ledger().unwrap();
                drop(stores[1 - process].books(Some(RunId::new(9, [9; 10]))).unwrap());
                for (reservation, accounts) in open[process].drain(..) {
                    close(&mut kept, &accounts, reservation.whole(), reservation.whole());
                }
            }
            Act::Accept => {
                stores[0].accept_overspends().unwrap();
                kept.iter_mut().for_each(|kept| kept.over = (0, 0));
            }
        }
        for (at, kept) in kept.iter().enumerate() {
            let spent = stores[0].spent(LEVELS[at], scope).unwrap();
            let found = (spent.used, (spent.open.cost, spent.open.tokens), (spent.over.cost, spent.over.tokens));
            assert_eq!((found, spent.calls), ((used(kept.cost, kept.tokens), kept.open, kept.over), kept.calls));
            if let (Some(bound), (0, 0)) = (bounds()[at].cost, kept.over) {
                assert!(kept.cost + kept.open.0 <= bound + 2, "at most what was accepted is beyond a bound");
            }
        }
    }
}

/// Two calls, the second of which only fits since the first used less. Gives what was told of them.
fn work(store: &Store) -> BTreeMap<&'static str, bool> {
    let mut told = BTreeMap::new();
    let Ok(ledger) = store.ledger() else { return told };
    let of = || vec![account(BudgetLevel::Run, "r", cost(100)), account(BudgetLevel::Organisation, "", cost(100))];
    for (reserve, settle, amount) in [("first", "first settled", 80), ("second", "second settled", 70)] {
        let reserved = ledger.reserve(&call(amount, 1, of()));
        told.insert(reserve, reserved.is_ok());
        if let Ok(reservation) = reserved {
            told.insert(settle, ledger.settle(reservation, used(30, 1)).is_ok());
        }
    }
    told
}

#[test]
fn whatever_the_disk_does_the_books_add_up_and_nothing_acknowledged_is_cheaper_than_it_was() {
    for (failing, recovers) in
        [(Failing::Before, false), (Failing::After, false), (Failing::Before, true), (Failing::After, true)]
    {
        for operations in 1.. {
            let folder = tempfile::tempdir().unwrap();
            drop(open(folder.path()));
            let disk = BrokenDisk::after(operations, failing, recovers);
            let told = match Store::open_on(Arc::clone(&disk) as Arc<dyn Backend>, folder.path(), TenantId::default()) {
                Ok(store) => work(&store),
                Err(_) => BTreeMap::new(),
            };
            let store = open(folder.path());
            let books = store.books(None).unwrap();
            let spent = store.spent(BudgetLevel::Organisation, "").unwrap();
            assert!(!books.wrong && spent.open == used(0, 0) && spent.used.cost <= 100, "{told:?}");
            let reserved = |what| told.get(what).copied().unwrap_or(false);
            let least = 30 * u64::from(reserved("first")) + 30 * u64::from(reserved("second"));
            assert!(spent.used.cost >= least, "{told:?}");
            if reserved("first settled") && reserved("second settled") {
                assert_eq!(spent.used, used(60, 2));
            }
            if disk.left() > 0 {
                assert!(operations > 8, "only {operations} operations were broken");
                break;
            }
        }
    }
}

#[test]
fn records_go_with_the_last_run_that_asked_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let [a, b] = [1, 2].map(|number| RunId::new(number, [0; 10]));
    let digest = palisade_model::Digest::of(b"asked");
    let record = |answer: &str| ModelRecord { request: b"{}".to_vec(), answer: answer.as_bytes().to_vec() };
    assert_eq!(store.recorded_answer(a, digest).unwrap(), None);
    store.record_answer(a, digest, 1, &record("1")).unwrap();
    assert_eq!(store.recorded_answer(b, digest).unwrap(), Some(b"1".to_vec()));
    store.record_answer(b, digest, 2, &record("2")).unwrap();
    assert_eq!(store.recorded_answer(a, digest).unwrap(), Some(b"2".to_vec()));
    let forget = |run| {
        let connection = store.connection();
        crate::removal::hints(&connection, &store.tenant().key(), run).unwrap();
    };
    forget(a);
    assert_eq!(store.recorded_requests(9).unwrap(), [b"{}".to_vec()]);
    forget(b);
    assert!(store.recorded_requests(9).unwrap().is_empty());
}
