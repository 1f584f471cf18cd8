//! What a guest may ask of web servers, with a server on this machine: every request is decided about, nothing is followed,
//! and whatever the server does ends.

use palisade_model::LimitKind;
use palisade_tests::guest::{Attempt, Guest, Setting};
use palisade_tests::server::Server;

/// A run of the guest over one server, which the config names as `localhost`.
struct Asking {
    guest: Guest,
    server: Server,
}

impl Asking {
    fn new() -> Option<Self> {
        Some(Self { guest: Guest::hostile("http-asker")?, server: Server::start() })
    }

    /// `PORT` stands for the port of the server.
    fn with_port(&self, text: &str) -> String {
        text.replace("PORT", &self.server.port().to_string())
    }

    fn run(&self, config: &str, names: &[(&str, &[&str])], allow: &[&str], limits: &[(LimitKind, u64)]) -> Attempt {
        let allow: Vec<String> = allow.iter().map(|text| self.with_port(text)).collect();
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let urls = ["localhost", "127.0.0.1", "a.example", "x.b.example"].map(|host| format!("http://{host}:PORT"));
        let urls = urls.map(|url| self.with_port(&url));
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let setting = Setting::default().http(&urls, names, &allow);
        let setting = limits.iter().fold(setting, |setting, (kind, value)| setting.limit(*kind, *value));
        self.guest.run(&self.with_port(config), &setting)
    }

    /// A run that may send the secret `token` to the server, in the header `authorization`.
    fn run_with_token(&self, requests: &str) -> Attempt {
        let (local, other) = (self.with_port("http://localhost:PORT"), self.with_port("http://127.0.0.1:PORT"));
        let secrets = [["token", "authorization", local.as_str(), TOKEN]];
        let allow = [format!("http=* {local}"), format!("http={other}")];
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let setting = Setting::default().http_with(&[&local, &other], &[], &allow, &secrets);
        let attempt = self.guest.run(&self.with_port(&format!(r#"{{"requests": [{requests}]}}"#)), &setting);
        let told = format!("{:?} {:?}", attempt.told, attempt.result);
        assert!(!told.contains(TOKEN), "{told}");
        attempt
    }

    /// What is told of one request.
    #[track_caller]
    fn check(&self, request: &str, names: &[(&str, &[&str])], allow: &[&str], expected: &str) {
        let attempt = self.run(&format!(r#"{{"requests": [{request}]}}"#), names, allow, &[]);
        assert_eq!(attempt.told.log, [self.with_port(expected)], "{request}: {:?} {:?}", attempt.result, attempt.told);
    }
}

const LOCAL: &str = "http=http://localhost:PORT";
const TOKEN: &str = "t0ken+of/the=tracker";

/// A request that has the token.
const SIGNED: &str =
    r#"{"url": "http://localhost:PORT/PATH", "headers": [["authorization", "Bearer {{secret:token}}"]]}"#;

#[test]
fn what_is_granted_is_asked_and_nothing_else() {
    let Some(asking) = Asking::new() else { return };
    asking.check(r#"{"url": "http://localhost:PORT/x?y"}"#, &[], &[LOCAL], "200||hello");
    let seen = asking.server.seen();
    assert!(seen[0].starts_with("GET /x?y HTTP/1.1\r\n"), "{seen:?}");
    assert!(seen[0].contains(&asking.with_port("\r\nhost: localhost:PORT\r\n")), "{seen:?}");
    for denied in [
        r#"{"url": "http://localhost:PORT/", "method": "POST"}"#,
        r#"{"url": "http://localhost:1/"}"#,
        r#"{"url": "https://localhost:PORT/"}"#,
        r#"{"url": "http://127.0.0.1:PORT/"}"#,
        r#"{"url": "http://evil.example/"}"#,
        // Where no port is written that of the scheme is meant; what is behind the origin is no part of it.
        r#"{"url": "http://localhost/"}"#,
        r#"{"url": "http://evil.example/http://localhost:PORT/"}"#,
        r#"{"url": "http://xn--lcalhost-w4a:PORT/"}"#,
        r#"{"url": "http://localhost.evil.example:PORT/"}"#,
        r#"{"url": "http://evil.example#@localhost:PORT/"}"#,
        r#"{"url": "http://evil.example?@localhost:PORT/"}"#,
    ] {
        asking.check(denied, &[("evil.example", &["1.1.1.1"])], &[LOCAL], "Denied");
    }
    asking.check(r#"{"url": "http://127.0.0.1:PORT/"}"#, &[], &["http=http://127.0.0.1:PORT"], "200||hello");
    assert_eq!(asking.server.seen().len(), 2, "nothing of what is denied leaves");
    // The same server with capitals, or in the form of the other kind of address; a path is sent as it is written.
    asking.check(r#"{"url": "http://LocalHost:PORT/%2e%2e/..%2fx/../y"}"#, &[], &[LOCAL], "200||hello");
    asking.check(r#"{"url": "http://[::ffff:127.0.0.1]:PORT/"}"#, &[], &["http=http://127.0.0.1:PORT"], "200||hello");
    assert!(asking.server.seen()[2].starts_with("GET /%2e%2e/..%2fx/../y HTTP/1.1\r\n"), "{:?}", asking.server.seen());
}

#[test]
fn a_denial_is_told_to_people_with_the_line_that_would_allow_it() {
    let Some(asking) = Asking::new() else { return };
    let config = r#"{"requests": [{"url": "http://localhost:PORT/", "method": "POST"}]}"#;
    let attempt = asking.run(config, &[], &[LOCAL], &[]);
    let (reason, allow) = &attempt.told.denials[0];
    let near = "is for GET,HEAD, not POST";
    assert!(reason.contains("grants no `http` of `POST http://localhost:") && reason.contains(near), "{reason}");
    assert_eq!(allow.as_deref(), Some(asking.with_port("--allow 'http=POST http://localhost:PORT'").as_str()));
}

#[test]
fn what_could_be_read_in_two_ways_is_not_sent() {
    let Some(asking) = Asking::new() else { return };
    for url in [
        "http://localhost:PORT@evil.example/",
        "http://user@localhost:PORT/",
        "http://localhost.:PORT/",
        "http://2130706433:PORT/",
        "http://localhost:PORT\\\\@evil.example/",
        "ftp://localhost:PORT/",
        // Other spellings of 127.0.0.1, and addresses of one interface.
        "http://127.1:PORT/",
        "http://0177.0.0.1:PORT/",
        "http://127.0.0.01:PORT/",
        "http://0x7f.0.0.1:PORT/",
        "http://0x7f000001:PORT/",
        "http://127.0.0.1.:PORT/",
        "http://[::1%25lo]:PORT/",
        "http://[::1%lo]:PORT/",
        "http://[127.0.0.1]:PORT/",
        // Names and ports that one reader ends where another goes on.
        "http://localhost%00.evil.example:PORT/",
        "http://local%68ost:PORT/",
        "http://loc\u{430}lhost:PORT/",
        "http://localhost\u{3002}:PORT/",
        "http://localhost:PORT:1/",
        "http://localhost:99999/",
        "http://localhost:+PORT/",
        "http://localhost:\u{661}/",
        "http://*.b.example:PORT/",
        "http://:PORT/",
        "http://localhost\\t:PORT/",
        "http://localhost:PORT/a b",
        "http://localhost:PORT/a\\r\\nevil: b",
        "http://localhost:PORT/\\u0000",
        "http:localhost:PORT/",
        "//localhost:PORT/",
        "localhost:PORT",
    ] {
        asking.check(&format!(r#"{{"url": "{url}"}}"#), &[], &[LOCAL, "http=http://127.0.0.1:PORT"], "Invalid");
    }
    for header in
        [r#"["a", "b\r\nevil: c"]"#, r#"["a\r\nb", "c"]"#, r#"["transfer-encoding", "chunked"]"#, r#"["host", "evil"]"#]
    {
        asking.check(
            &format!(r#"{{"url": "http://localhost:PORT/", "headers": [{header}]}}"#),
            &[],
            &[LOCAL],
            "Invalid",
        );
    }
    assert!(asking.server.seen().is_empty());
}

#[test]
fn nothing_is_followed_and_where_it_leads_is_asked_anew() {
    let Some(asking) = Asking::new() else { return };
    let told = |path: &str| {
        let config = format!(r#"{{"follow": true, "requests": [{{"url": "http://localhost:PORT/{path}"}}]}}"#);
        asking.run(&config, &[("evil.example", &["1.1.1.1"])], &[LOCAL], &[]).told.log
    };
    let here = asking.with_port("302|http://localhost:PORT/other| then 200||hello");
    assert_eq!(told("elsewhere"), [here]);
    assert_eq!(told("away"), ["302|http://evil.example/| then Denied"]);
    assert_eq!(asking.server.seen().len(), 3);
}

#[test]
fn a_name_that_leads_inside_needs_a_word_of_its_own() {
    let Some(asking) = Asking::new() else { return };
    let (request, grant) = (r#"{"url": "http://a.example:PORT/"}"#, "http=http://a.example:PORT");
    let private = "http=http://a.example:PORT private";
    for inside in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1", "0.0.0.0"] {
        asking.check(request, &[("a.example", &[inside])], &[grant], "Denied");
    }
    // One such address among public ones is enough.
    asking.check(request, &[("a.example", &["1.1.1.1", "127.0.0.1"])], &[grant], "Denied");
    asking.check(request, &[("a.example", &["127.0.0.1"])], &[private], "200||hello");
    let wildcard = r#"{"url": "http://x.b.example:PORT/"}"#;
    asking.check(wildcard, &[("x.b.example", &["127.0.0.1"])], &["http=http://*.b.example:PORT private"], "200||hello");
    asking.check(request, &[], &[private], "Unavailable");
}

#[test]
fn a_name_is_looked_up_once_for_a_request_and_decided_about_each_time() {
    let Some(asking) = Asking::new() else { return };
    // The second answer leads inside: had it been asked for after the decision, the first request would end there.
    let names: &[(&str, &[&str])] = &[("a.example", &["127.0.0.1"]), ("a.example", &["10.255.255.1"])];
    let config = r#"{"times": 1, "requests": [{"url": "http://a.example:PORT/"}]}"#;
    let attempt = asking.run(config, names, &["http=http://a.example:PORT private"], &[]);
    assert_eq!(attempt.told.log, ["200||hello"]);
    let names: &[(&str, &[&str])] = &[("a.example", &["192.168.0.1"]), ("a.example", &["1.1.1.1"])];
    let attempt = asking.run(config, names, &["http=http://a.example:PORT"], &[]);
    assert_eq!(attempt.told.log, ["Denied"]);
}

#[test]
fn a_server_that_does_not_keep_to_the_rules_is_an_error_for_the_guest() {
    let Some(asking) = Asking::new() else { return };
    for path in ["cut", "long", "many", "nonsense"] {
        asking.check(&format!(r#"{{"url": "http://localhost:PORT/{path}"}}"#), &[], &[LOCAL], "Unavailable");
    }
    let config = r#"{"most": 50, "requests": [{"url": "http://localhost:PORT/hundred"}]}"#;
    assert_eq!(asking.run(config, &[], &[LOCAL], &[]).told.log, ["TooLong"]);
}

#[test]
fn a_body_is_sent_whole() {
    let Some(asking) = Asking::new() else { return };
    let request = r#"{"url": "http://localhost:PORT/", "method": "PUT", "body": 100000}"#;
    asking.check(request, &[], &["http=PUT http://localhost:PORT"], "200||hello");
    let seen = asking.server.seen();
    assert!(seen[0].starts_with("PUT / HTTP/1.1\r\n") && seen[0].ends_with(&"x".repeat(100_000)));
}

#[test]
fn a_server_that_is_silent_holds_a_guest_no_longer_than_its_wall() {
    let Some(asking) = Asking::new() else { return };
    for (number, path) in ["silent", "mute"].into_iter().enumerate() {
        let config = format!(r#"{{"requests": [{{"url": "http://localhost:PORT/{path}"}}]}}"#);
        let attempt = asking.run(&config, &[], &[LOCAL], &[(LimitKind::Wall, 300)]);
        assert_eq!(attempt.limit().0, LimitKind::Wall);
        // With the guest, its connection goes.
        asking.server.wait_for_closed(number + 1);
    }
}

#[test]
fn a_secret_is_filled_in_on_the_way_and_taken_out_of_the_answer() {
    let Some(asking) = Asking::new() else { return };
    for path in ["echo", "drip"] {
        let attempt = asking.run_with_token(&SIGNED.replace("PATH", path));
        let sent = asking.server.seen().pop().unwrap();
        assert!(sent.contains(&format!("\r\nauthorization: Bearer {TOKEN}\r\n")), "{sent}");
        assert!(sent.contains("\r\naccept-encoding: identity\r\n"), "{sent}");
        let location = if path == "echo" { "Bearer {{secret:token}}" } else { "" };
        let expected = format!("200|{location}|{}", sent.replace(TOKEN, "{{secret:token}}"));
        assert_eq!(attempt.told.log, [expected], "{:?}", attempt.result);
    }
}

#[test]
fn a_secret_that_goes_anywhere_else_goes_nowhere() {
    let Some(asking) = Asking::new() else { return };
    let check = |request: &str, reason: &str| {
        let attempt = asking.run_with_token(request);
        assert_eq!(attempt.told.log, ["Denied"], "{request}");
        let told = format!("{:?} {:?}", attempt.told.denials, attempt.told.skips);
        assert!(told.contains(&asking.with_port(reason)), "{request}: {told}");
    };
    let with =
        |url: &str, header: &str, value: &str| format!(r#"{{"url": "{url}", "headers": [["{header}", "{value}"]]}}"#);
    let (here, token) = ("http://localhost:PORT/echo", "{{secret:token}}");
    let near = "it is not `token authorization http://localhost:PORT` (palisade.toml:1)";
    check(&with("http://127.0.0.1:PORT/echo", "authorization", token), near);
    check(&with(here, "x-key", token), near);
    check(
        &with(here, "authorization", "{{secret:other}}"),
        "no `secret` of `other authorization http://localhost:PORT`",
    );
    check(&with(here, "authorization", "{{secret:}}"), "`` is not the name of a secret");
    check(&with(here, "authorization", "{{secret:Token}}"), "`Token` is not the name of a secret");
    check(&with(here, "authorization", "{{secret:token"), "has no end");
    check(&with(here, "authorization", "{{secret:token}}{{secret:token}}"), "twice");
    check(&with("http://localhost:PORT/x?{{secret:token}}", "a", "b"), "in its path");
    assert!(asking.server.seen().is_empty(), "nothing of what is denied leaves");
    // Whoever may send none is refused the same.
    asking.check(&SIGNED.replace("PATH", "echo"), &[], &[LOCAL], "Denied");
}

#[test]
fn in_a_body_a_placeholder_is_text() {
    let Some(asking) = Asking::new() else { return };
    let request =
        SIGNED.replace("PATH", "").replace("\"headers\"", r#""method": "POST", "text": "{{secret:token}}", "headers""#);
    let attempt = asking.run_with_token(&request);
    assert_eq!(attempt.told.log, ["200||hello"]);
    assert!(asking.server.seen()[0].ends_with("\r\n\r\n{{secret:token}}"));
}

#[test]
fn an_answer_that_can_not_be_looked_through_is_none() {
    let Some(asking) = Asking::new() else { return };
    let attempt = asking.run_with_token(&SIGNED.replace("PATH", "packed"));
    assert_eq!(attempt.told.log, ["Unavailable"], "{:?}", attempt.told);
    // Where there is nothing to look for, it is the guest's to read.
    asking.check(r#"{"url": "http://localhost:PORT/packed"}"#, &[], &[LOCAL], "200||zzzz");
}
