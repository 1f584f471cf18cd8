//! The gateway to models against a scripted provider that really speaks HTTP: what it makes of every kind of answer, what
//! that costs, what is recorded, and that nothing passes a budget.

use palisade_llm::{
    Backoff, Caller, Completion, Gateway, HttpProvider, LlmError, Message, ProviderError, Request, Role, Totals, Within,
};
use palisade_model::llm::{
    Bound, BudgetLevel, KeyPlace, LlmMode, LlmSettings, ModelSpec, Price, ProviderKind, Structured,
};
use palisade_model::{Failure, FailureKind, RunId, TenantId};
use palisade_net::{Key, Roots};
use palisade_store::{Outcome, Spent, Store, Used};
use palisade_tests::models::Seen;
use palisade_tests::{Dir, ModelServer, Reply};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SECRET: &str = "sk-very-secret-0123456789";
/// Noon of a day.
const NOW: u64 = 1_795_694_400_000;
/// What a call of `question` reserves: the bytes of its body, what stands around them, and its answer.
const RESERVED: u64 = 83 + 16 + 512 + 2 * 100;

fn run_id() -> RunId {
    RunId::new(NOW, [7; 10])
}

fn settings(url: &str) -> LlmSettings {
    let model = ModelSpec {
        alias: "m".to_owned(),
        provider: ProviderKind::OpenAiCompatible,
        model: "scripted".to_owned(),
        base_url: url.to_owned(),
        key: Some(KeyPlace::Env("THE_KEY".to_owned())),
        local: false,
        // One micro-USD for a token that is read, two for one that is written.
        price: Some(Price { input: 1_000_000, output: 2_000_000, as_of: "2026-11-01".to_owned() }),
        structured: Structured::Native,
        max_concurrent: 64,
    };
    LlmSettings {
        default_model: Some("m".to_owned()),
        models: vec![model],
        timeout_ms: 20_000,
        ..LlmSettings::default()
    }
}

fn store(dir: &Dir) -> Store {
    Store::open(&dir.join(".palisade"), TenantId::default()).unwrap()
}

/// A gateway, and what its callers may do.
#[derive(Debug)]
struct Asker(Gateway, LlmMode);

fn gateway(store: Store, mode: LlmMode, settings: LlmSettings) -> Asker {
    let keys = |model: &ModelSpec| {
        let key = model.key.as_ref().map(|place| Key::read(place, Path::new("/"), |_| Some(SECRET.into())));
        key.transpose()
    };
    let backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_secs(5) };
    let provider = Box::new(HttpProvider::new(&Roots::default()).unwrap());
    Asker(Gateway::new(settings, backoff, store, provider, keys, || NOW).unwrap(), mode)
}

fn caller(mode: LlmMode) -> Caller {
    Caller {
        runs: vec![(run_id(), Bound::default())],
        step: "s".to_owned(),
        left: Bound::default(),
        component: "acme:asks".to_owned(),
        user: "someone".to_owned(),
        mode,
    }
}

fn question(text: &str, schema: Option<Value>) -> Request {
    let messages = vec![Message { role: Role::User, content: text.to_owned() }];
    Request { model: None, messages, schema, max_output_tokens: 100 }
}

fn ask(asker: &Asker, request: &Request) -> (Result<Completion, LlmError>, Totals) {
    let mut totals = Totals::default();
    let Asker(gateway, mode) = asker;
    let answer = gateway.complete(&caller(*mode), request, &mut totals, within(&AtomicBool::new(false)));
    (answer, totals)
}

/// Half a minute, and nothing else that is bounded.
fn within(cancelled: &AtomicBool) -> Within<'_> {
    Within { until: Instant::now() + Duration::from_secs(30), cancelled, sends: &|_| Ok(()) }
}

fn of_run(store: &Store) -> Spent {
    store.spent(BudgetLevel::Run, &run_id().to_string()).unwrap()
}

/// Asks once, in a folder of its own; gives what was told, what it cost, and how many requests came.
fn once(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Result<String, String>, Totals, usize) {
    let (dir, server) = (Dir::new(), ModelServer::start(script));
    let store = store(&dir);
    let gateway = gateway(store.clone(), LlmMode::Record, settings(&server.url()));
    let (answer, totals) = ask(&gateway, &question("why?", None));
    let told = answer.map(|answer| answer.content).map_err(|error| {
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ")
    });
    let spent = of_run(&store);
    assert_eq!((spent.used.cost, spent.used.tokens, spent.calls), (totals.cost, totals.tokens, totals.calls));
    assert_eq!(spent.open, Used { cost: 0, tokens: 0 });
    assert!(!store.books(None).unwrap().wrong);
    (told, totals, server.seen().len())
}

fn status(status: u16, headers: Vec<(&'static str, String)>) -> Reply {
    Reply::Status(status, headers, json!({"error": {"message": "not now"}}).to_string())
}

#[test]
fn an_answer_is_given_paid_and_recorded() {
    let (dir, server) = (Dir::new(), ModelServer::saying("because"));
    let store = store(&dir);
    let gateway = gateway(store.clone(), LlmMode::Record, settings(&server.url()));
    let (answer, totals) = ask(&gateway, &question("why?", None));
    assert_eq!(answer.unwrap().content, "because");
    assert_eq!(totals, Totals { calls: 1, recorded: 0, tokens: 15, cost: 20 });
    let seen = &server.seen()[0];
    assert_eq!(seen.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(seen.body["messages"], json!([{"role": "user", "content": "why?"}]));
    assert!(seen.headers.contains(&("authorization".to_owned(), format!("Bearer {SECRET}"))));
    let (again, totals) = ask(&gateway, &question("why?", None));
    assert_eq!(again.unwrap().content, "because");
    assert_eq!(totals, Totals { recorded: 1, ..Totals::default() });
    assert_eq!(server.seen().len(), 1);
    let books = store.books(None).unwrap();
    let call = &books.calls[0];
    let told = (call.component.as_str(), call.model.as_str(), call.user.as_str(), call.day.as_str(), call.outcome);
    assert_eq!(told, ("acme:asks", "m", "someone", "2026-11-26", Outcome::Settled));
}

#[test]
fn modes_say_whether_a_model_is_asked() {
    let (dir, server) = (Dir::new(), ModelServer::saying("because"));
    let store = store(&dir);
    let asks = |mode, text: &str| {
        let (answer, totals) = ask(&gateway(store.clone(), mode, settings(&server.url())), &question(text, None));
        (answer.map(|answer| answer.content).map_err(|error| error.to_string()), totals.calls)
    };
    let said = || Ok("because".to_owned());
    assert_eq!(asks(LlmMode::Off, "why?"), (Err("models are switched off: the mode is `off`".to_owned()), 0));
    let missing = |why: &str| (Err(format!("no answer of `m` to this request is recorded: {why}")), 0);
    assert_eq!(asks(LlmMode::Replay, "why?"), missing("nothing is recorded"));
    assert_eq!(asks(LlmMode::Record, "why?"), (said(), 1));
    assert_eq!(asks(LlmMode::Replay, "why?"), (said(), 0));
    assert_eq!(asks(LlmMode::Live, "why?"), (said(), 1));
    assert_eq!(
        asks(LlmMode::Replay, "why so?"),
        missing("the nearest recorded request differs in message 1 (user) from character 4")
    );
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_provider_that_is_busy_is_asked_again_when_it_says() {
    let (told, totals, seen) = once(|seen| match seen.number {
        0 => status(429, vec![("retry-after", "0".to_owned())]),
        _ => Reply::Say("then".to_owned(), Some((10, 5))),
    });
    // Who was refused pays nothing.
    assert_eq!((told, totals.calls, totals.cost, seen), (Ok("then".to_owned()), 2, 20, 2));
    let (told, totals, seen) = once(|_| status(429, vec![("retry-after", "3600".to_owned())]));
    let gave_up = "the model `m` gave no answer in 1 attempts: it answered with status 429: not now";
    assert_eq!((told, totals.cost, seen), (Err(gave_up.to_owned()), 0, 1));
}

#[test]
fn a_provider_that_fails_is_asked_a_bounded_number_of_times() {
    let (told, totals, seen) = once(|_| status(500, Vec::new()));
    let gave_up = "the model `m` gave no answer in 3 attempts: it answered with status 500: not now";
    assert_eq!((told, totals.cost, totals.calls, seen), (Err(gave_up.to_owned()), 0, 3, 3));
    // What lasts is not tried again; what a gateway says may have been paid for.
    let (told, totals, _) = once(|_| status(401, Vec::new()));
    assert_eq!((told.is_err(), totals.calls, totals.cost), (true, 1, 0));
    let (told, totals, _) = once(|_| status(502, Vec::new()));
    assert_eq!((told.is_err(), totals.calls, totals.cost), (true, 3, 3 * RESERVED));
}

#[test]
fn what_breaks_off_counts_in_full_and_is_tried_again() {
    let (told, totals, seen) = once(|seen| match seen.number {
        0 => Reply::CutOff,
        _ => Reply::Say("then".to_owned(), Some((10, 5))),
    });
    assert_eq!((told, totals.calls, totals.cost, seen), (Ok("then".to_owned()), 2, RESERVED + 20, 2));
}

#[test]
fn what_is_no_answer_is_none_and_counts_in_full() {
    let not_http = once(|_| Reply::Raw(b"SSH-2.0-x\r\n\r\n".to_vec()));
    assert!(not_http.0.unwrap_err().contains("the connection broke before the answer was whole"));
    let garbage = |body: &'static str| once(move |_| Reply::Status(200, Vec::new(), body.to_owned()));
    for (body, why) in [
        ("<html>", "is no JSON, at line 1 column 1"),
        ("{\"choices\": []}", "has no answer in it"),
        ("[1]", "has not the form of an answer, at line 1 column 2"),
        ("", "is no JSON, at line 1 column 0"),
    ] {
        let (told, totals, seen) = garbage(body);
        let told = told.unwrap_err();
        assert!(told.contains(why), "{told}");
        assert_eq!((totals.cost, seen), (RESERVED, 1));
    }
    let zipped = once(|_| Reply::Status(200, vec![("content-encoding", "gzip".to_owned())], "{}".to_owned()));
    assert!(zipped.0.unwrap_err().contains("it is compressed, which was not asked for"));
}

#[test]
fn an_answer_without_end_is_cut_at_its_bound() {
    let (dir, server) = (Dir::new(), ModelServer::start(|_| Reply::Endless));
    let store = store(&dir);
    let gateway = gateway(store.clone(), LlmMode::Record, settings(&server.url()));
    let (answer, totals) = ask(&gateway, &question("why?", None));
    let Err(LlmError::Provider { source, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!((source, totals.cost), (ProviderError::TooLong, RESERVED));
    // The rest is what the system holds for a connection.
    assert!(server.sent() < 16 << 20, "{}", server.sent());
}

#[test]
fn redirects_are_not_followed() {
    let server = ModelServer::saying("a stranger's");
    let elsewhere = server.url();
    let (told, _, _) = once(move |_| status(307, vec![("location", format!("{elsewhere}/chat/completions"))]));
    assert!(told.unwrap_err().ends_with("it answered with status 307: not now"));
    assert!(server.seen().is_empty());
}

#[test]
fn a_provider_that_is_not_there_costs_nothing() {
    let url = ModelServer::saying("").url();
    let dir = Dir::new();
    let store = store(&dir);
    let (answer, totals) = ask(&gateway(store, LlmMode::Record, settings(&url)), &question("why?", None));
    let Err(LlmError::Provider { source: ProviderError::Unreachable(_), attempts: 3, .. }) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(totals.cost, 0);
}

#[test]
fn who_waits_too_long_or_is_cancelled_closes_the_connection_and_pays() {
    let (dir, server) = (Dir::new(), ModelServer::start(|_| Reply::Nothing));
    let store = store(&dir);
    let slow = LlmSettings { timeout_ms: 100, ..settings(&server.url()) };
    let (answer, totals) = ask(&gateway(store.clone(), LlmMode::Record, slow), &question("why?", None));
    let Err(LlmError::Provider { source: ProviderError::TimedOut, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(totals.cost, RESERVED);
    let gateway = gateway(store, LlmMode::Record, settings(&server.url()));
    let cancelled = AtomicBool::new(false);
    let mut totals = Totals::default();
    std::thread::scope(|scope| {
        let request = question("why?", None);
        let (gateway, totals, within) = (&gateway, &mut totals, within(&cancelled));
        let asking = scope.spawn(move || gateway.0.complete(&caller(gateway.1), &request, totals, within));
        wait_for(|| server.seen().len() == 2);
        cancelled.store(true, Ordering::SeqCst);
        assert!(matches!(asking.join().unwrap(), Err(LlmError::Cancelled)));
    });
    assert_eq!(totals.cost, RESERVED);
    wait_for(|| server.closed() == 2);
}

fn wait_for(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not come");
        std::thread::yield_now();
    }
}

#[test]
fn figures_that_can_not_be_true_count_in_full_and_too_large_ones_close_the_level() {
    for lie in [None, Some((0, 0)), Some((10, 0)), Some((-1, 5))] {
        let (told, totals, _) = once(move |_| Reply::Say("yes".to_owned(), lie));
        assert_eq!((told.is_ok(), totals.cost), (true, RESERVED), "{lie:?}");
    }
    let (dir, server) = (Dir::new(), ModelServer::start(|_| Reply::Say("yes".to_owned(), Some((1_000_000, 5)))));
    let store = store(&dir);
    let bounded = Bound { cost: Some(10_000_000), ..Bound::default() };
    let settings = LlmSettings { budgets: vec![(BudgetLevel::Day, bounded)], ..settings(&server.url()) };
    let gateway = gateway(store.clone(), LlmMode::Record, settings);
    let (answer, totals) = ask(&gateway, &question("why?", None));
    assert_eq!((answer.is_ok(), totals.cost), (true, 1_000_010));
    let (refused, totals) = ask(&gateway, &question("why so?", None));
    let over = 1_000_010 - RESERVED;
    assert_eq!(
        refused.unwrap_err().to_string(),
        format!(
            "the day is closed: `m` was billed with {over} micro-USD and {} tokens more than was reserved",
            1_000_005 - (RESERVED - 100)
        )
    );
    assert_eq!((totals, server.seen().len()), (Totals::default(), 1));
    assert_eq!(store.books(None).unwrap().calls[0].outcome, Outcome::Overspent);
    store.accept_overspends().unwrap();
    assert!(ask(&gateway, &question("why so?", None)).0.is_ok());
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false})
}

#[test]
fn what_does_not_fit_is_sent_back_a_bounded_number_of_times() {
    for structured in Structured::ALL {
        let (dir, server) = (
            Dir::new(),
            ModelServer::start(|seen| {
                let said = ["{\"n\": \"one\"}", "no", "{\"n\": 1}"][seen.number as usize];
                Reply::Say(said.to_owned(), Some((10, 5)))
            }),
        );
        let store = store(&dir);
        let mut settings = settings(&server.url());
        settings.models[0].structured = structured;
        let gateway = gateway(store, LlmMode::Record, settings);
        let (answer, totals) = ask(&gateway, &question("how many?", Some(schema())));
        assert_eq!((answer.unwrap().content.as_str(), totals.calls, totals.cost), ("{\"n\": 1}", 3, 60));
        let seen = server.seen();
        let native = structured == Structured::Native;
        assert!(seen.iter().all(|seen| seen.body.get("response_format").is_some() == native));
        let asked = seen[0].body["messages"].to_string();
        assert_eq!(asked.contains("JSON Schema"), !native);
        let last = seen[2].body["messages"].as_array().unwrap();
        let told = &last[last.len() - 3]["content"];
        assert_eq!(
            told,
            "That does not fit the schema:\n- `/n` must be an integer\nAnswer again with the whole document, corrected."
        );
        // The whole conversation is recorded.
        assert_eq!(
            ask(&gateway, &question("how many?", Some(schema()))).1,
            Totals { recorded: 3, ..Totals::default() }
        );
    }
    let dir = Dir::new();
    let server = ModelServer::saying("{\"n\": \"one\"}");
    let gateway = gateway(store(&dir), LlmMode::Record, settings(&server.url()));
    let (answer, totals) = ask(&gateway, &question("how many?", Some(schema())));
    assert_eq!(
        answer.unwrap_err().to_string(),
        "the model `m` gave no answer that fits the schema: after 2 corrections, `/n` must be an integer"
    );
    assert_eq!(totals.calls, 3);
    let file = json!({"$ref": "file:///etc/passwd"});
    assert!(matches!(ask(&gateway, &question("how many?", Some(file))).0, Err(LlmError::Schema(_))));
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn what_may_not_be_sent_stays_here_and_costs_nothing() {
    let (dir, server) = (Dir::new(), ModelServer::saying("because"));
    let store = store(&dir);
    let Asker(gateway, mode) = gateway(store.clone(), LlmMode::Record, settings(&server.url()));
    let (told, cancelled) = (AtomicU64::new(0), AtomicBool::new(false));
    let refuses = |bytes| {
        told.store(bytes, Ordering::SeqCst);
        Err(Failure::new(FailureKind::Cancelled, "no more"))
    };
    let within = Within { sends: &refuses, ..within(&cancelled) };
    let mut totals = Totals::default();
    let refused = gateway.complete(&caller(mode), &question("why?", None), &mut totals, within).unwrap_err();
    assert!(matches!(&refused, LlmError::NotSent(why) if why.message == "no more"), "{refused}");
    assert_eq!((told.load(Ordering::SeqCst), server.seen().len(), totals), (83, 0, Totals::default()));
    let spent = of_run(&store);
    assert_eq!((spent.used, spent.open), (Used { cost: 0, tokens: 0 }, Used { cost: 0, tokens: 0 }));
}

#[test]
fn a_model_without_a_price_is_refused_where_its_cost_is_bounded() {
    let (dir, server) = (Dir::new(), ModelServer::saying("yes"));
    let store = store(&dir);
    let ask = |price: Option<Price>, local, bound: Bound| {
        let mut settings = LlmSettings { budgets: vec![(BudgetLevel::Child, bound)], ..settings(&server.url()) };
        (settings.models[0].price, settings.models[0].local) = (price, local);
        let gateway = gateway(store.clone(), LlmMode::Live, settings);
        let mut caller = caller(LlmMode::Live);
        caller.runs.push((RunId::new(1, [1; 10]), Bound::default()));
        let mut totals = Totals::default();
        let request = question("why?", None);
        gateway
            .0
            .complete(&caller, &request, &mut totals, within(&AtomicBool::new(false)))
            .map(|answer| answer.totals.cost)
    };
    let cost = Bound { cost: Some(1_000_000), ..Bound::default() };
    let calls = Bound { calls: Some(9), ..Bound::default() };
    assert!(matches!(ask(None, false, cost), Err(LlmError::NoPrice { .. })));
    assert_eq!(ask(None, false, calls).unwrap(), 0);
    assert_eq!(ask(None, true, cost).unwrap(), 0);
    let price = Price { input: 1, output: 1, as_of: "2026-11-01".to_owned() };
    assert_eq!(ask(Some(price), false, cost).unwrap(), 1);
}

#[test]
fn the_key_is_nowhere_but_at_the_provider() {
    let (dir, server) = (
        Dir::new(),
        ModelServer::start(|seen| {
            let echoed = seen.headers.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
            match seen.number {
                0 => Reply::Status(
                    401,
                    Vec::new(),
                    json!({"error": {"message": format!("wrong key {echoed}")}}).to_string(),
                ),
                1 => Reply::Status(400, Vec::new(), echoed),
                _ => Reply::Say(format!("your header was {echoed}"), Some((10, 5))),
            }
        }),
    );
    let gateway = gateway(store(&dir), LlmMode::Record, settings(&server.url()));
    let mut told = format!("{gateway:?}");
    for text in ["a", "b", "c", "d"] {
        let (answer, _) = ask(&gateway, &question(text, None));
        told.push_str(&format!("{answer:?}"));
        if let Err(error) = answer {
            told.push_str(&error.to_string());
        }
    }
    assert!(told.contains("your header was Bearer [key]") && told.contains("wrong key Bearer [key]"), "{told}");
    assert!(!told.contains(SECRET), "{told}");
    drop(gateway);
    let mut files = 0;
    let mut folders = vec![dir.join(".palisade")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{}", path.display());
        }
    }
    assert!(files > 0);
}

/// Where a process of [`started_by_another_test`] works, and whom it asks.
const FOLDER: &str = "PALISADE_TEST_CALLER_FOLDER";
const URL: &str = "PALISADE_TEST_CALLER_URL";

/// A budget for ten calls at once.
fn for_ten(url: &str) -> LlmSettings {
    let cost = Bound { cost: Some(10 * RESERVED), ..Bound::default() };
    LlmSettings { budgets: vec![(BudgetLevel::Organisation, cost)], ..settings(url) }
}

/// So many calls at once; gives how many were answered, the others being refused by the budget.
fn many(gateway: &Asker, count: usize) -> usize {
    let answered = || match ask(gateway, &question("why?", None)).0 {
        Ok(_) => 1,
        Err(LlmError::Budget(_)) => 0,
        Err(error) => panic!("{error:?}"),
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(answered)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn sixty_four_at_once_never_pass_a_budget_for_ten() {
    // All that got through are answered only once ten are there: they were all reserved at the same time.
    let (dir, server) = (Dir::new(), ModelServer::start(|_| Reply::Together(10, "yes".to_owned())));
    let store = store(&dir);
    let gateway = gateway(store.clone(), LlmMode::Live, for_ten(&server.url()));
    let answered = many(&gateway, 64);
    // Once the first ten are settled at less than they reserved, others may follow.
    let spent = store.spent(BudgetLevel::Organisation, "").unwrap();
    assert!((10..=64).contains(&answered), "{answered}");
    assert_eq!(spent.used, Used { cost: 20 * answered as u64, tokens: 15 * answered as u64 });
    assert!(spent.used.cost <= 10 * RESERVED);
    assert_eq!(server.seen().len(), answered);
}

#[test]
fn four_processes_never_pass_a_budget_for_ten_together() {
    // No answer comes before all have asked who may: whoever passes is one of ten.
    let (dir, server) = (Dir::new(), ModelServer::start(|_| Reply::Nothing));
    let processes: Vec<_> = (0..4).map(|_| process(&dir, &server)).collect();
    wait_for(|| server.seen().len() == 10 && refused(&dir) >= 54);
    let open = store(&dir).spent(BudgetLevel::Organisation, "").unwrap();
    assert_eq!((open.open.cost, open.calls), (10 * RESERVED, 10));
    for mut process in processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    // All of them died in the middle of their calls, which therefore count in full.
    let store = store(&dir);
    let books = store.books(None).unwrap();
    assert!(!books.wrong && books.calls.iter().all(|call| call.outcome == Outcome::Unknown));
    let spent = store.spent(BudgetLevel::Organisation, "").unwrap();
    assert_eq!((spent.used.cost, spent.open.cost), (10 * RESERVED, 0));
    assert_eq!(server.seen().len(), 10);
    let gateway = gateway(store, LlmMode::Record, for_ten(&server.url()));
    assert!(matches!(ask(&gateway, &question("why?", None)).0, Err(LlmError::Budget(_))));
}

/// How many calls the processes were refused: each notes that by a file.
fn refused(dir: &Dir) -> usize {
    let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("refused-")).count()
}

fn process(dir: &Dir, server: &ModelServer) -> Child {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new(own);
    command.args(["--exact", "models::started_by_another_test"]).env(FOLDER, dir.path()).env(URL, server.url());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// No test of its own: what [`process`] starts. It makes sixteen calls at once.
#[test]
fn started_by_another_test() {
    let (Some(folder), Ok(url)) = (std::env::var_os(FOLDER), std::env::var(URL)) else { return };
    let store = Store::open(&Path::new(&folder).join(".palisade"), TenantId::default()).unwrap();
    let gateway = gateway(store, LlmMode::Live, for_ten(&url));
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (gateway, folder) = (&gateway, Path::new(&folder));
            scope.spawn(move || {
                if let Err(LlmError::Budget(_)) = ask(gateway, &question("why?", None)).0 {
                    std::fs::write(folder.join(format!("refused-{}-{number}", std::process::id())), "").unwrap();
                }
            });
        }
    });
}
