//! Servers that can't show to be who was asked for: nothing is sent to them, and people are told what is wrong.

use palisade_llm::{HttpProvider, Outgoing, Provider as _, ProviderError};
use palisade_model::Digest;
use palisade_net::Roots;
use palisade_tests::tls::{Authority, Shown, TlsServer, VALID};
use palisade_tests::{Dir, Outcome, palisade, root, skipped};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// The example for web servers, over a server with that certificate and with authorities of the operator's.
fn fetching(shown: Shown, roots: &[(&str, &str)]) -> Option<(Dir, TlsServer)> {
    let Ok(bytes) = fs::read(root().join("target/fetcher/fetcher.wasm")) else {
        skipped("the guest fetcher is not in target/fetcher");
        return None;
    };
    let (dir, server) = (Dir::new(), TlsServer::start(shown));
    dir.copy_into(".", &root().join("examples/http"));
    for file in ["runbook.yaml", "palisade.toml"] {
        let text = fs::read_to_string(dir.join(file)).unwrap();
        dir.write(file, text.replace("http://localhost:8000", &format!("https://localhost:{}", server.port())));
    }
    let names: Vec<_> = roots.iter().map(|(name, _)| *name).collect();
    let settings = fs::read_to_string(dir.join("palisade.toml")).unwrap();
    dir.write("palisade.toml", format!("[http]\nroots = {names:?}\n{settings}"));
    for (name, pem) in roots {
        dir.write(name, pem);
    }
    dir.write("fetcher.wasm", &bytes);
    let _ = call(&dir, "component add fetcher.wasm").exits(0);
    let _ = call(&dir, &format!("grants accept example:fetcher --digest sha256:{}", Digest::of(&bytes))).exits(0);
    Some((dir, server))
}

fn call(dir: &Dir, line: &str) -> Outcome {
    palisade(dir.path(), line.split(' '))
}

/// A server whose certificate is refused with these words.
#[track_caller]
fn refused(shown: Shown, roots: &[(&str, &str)], why: &str) {
    let Some((dir, server)) = fetching(shown, roots) else { return };
    let ended = call(&dir, "run -q runbook.yaml").exits(1);
    let expected = format!("the certificate of `localhost` is refused: {why}");
    let told = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&expected), "{}", ended.stderr);
    assert!(server.seen().is_empty(), "nothing was sent");
}

#[test]
fn a_server_that_can_not_show_who_it_is_is_sent_nothing() {
    let (company, other) = (Authority::new("Company"), Authority::new("Company"));
    let roots = [("company.pem", company.pem())];
    let roots = roots.each_ref().map(|(name, pem)| (*name, pem.as_str()));
    refused(company.issue("localhost", (2020, 2021)), &roots, "it has expired");
    refused(company.issue("localhost", (2119, 2120)), &roots, "it is not valid yet");
    refused(company.issue("elsewhere.example", VALID), &roots, "it is for another name");
    // The name of an authority is not what is believed.
    refused(other.issue("localhost", VALID), &roots, "");
    refused(Shown::of_its_own("localhost"), &roots, "nobody who is trusted issued it (`[http] roots` in palisade.toml");
    refused(company.issue("localhost", VALID), &[], "nobody who is trusted issued it");
}

#[test]
fn whom_the_operator_believes_is_believed() {
    let company = Authority::new("Company");
    let Some((dir, server)) = fetching(company.issue("localhost", VALID), &[("company.pem", &company.pem())]) else {
        return;
    };
    let _ = call(&dir, "run -q runbook.yaml").exits(0);
    assert!(server.seen()[0].starts_with("GET /runbook.yaml HTTP/1.1\r\n"), "{:?}", server.seen());
    let doctor = call(&dir, "doctor").stdout;
    assert!(doctor.contains("authorities") && doctor.contains("1 in "), "{doctor}");
}

#[test]
fn a_file_of_authorities_that_is_none_keeps_everything_from_running() {
    let company = Authority::new("Company");
    let Some((dir, server)) = fetching(company.issue("localhost", VALID), &[("company.pem", &company.pem())]) else {
        return;
    };
    let check = |expected: &str| {
        let refused = call(&dir, "run -q runbook.yaml").exits(2);
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
        assert!(call(&dir, "doctor").exits(1).stdout.contains(expected));
    };
    dir.write("company.pem", "no certificate");
    check("company.pem, which [http] `roots` of palisade.toml names: there is no certificate in it");
    dir.write("company.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    check("its part 1 is no certificate");
    dir.write("company.pem", company.pem());
    fs::set_permissions(dir.join("company.pem"), fs::Permissions::from_mode(0o666)).unwrap();
    check("everybody may change it");
    fs::remove_file(dir.join("company.pem")).unwrap();
    check("can't be read");
    assert!(server.seen().is_empty());
}

#[test]
fn models_are_believed_by_the_same_authorities() {
    let company = Authority::new("Company");
    let server = TlsServer::start(company.issue("localhost", VALID));
    let ask = |roots: &Roots| {
        let base_url = &format!("https://localhost:{}", server.port());
        let (until, cancelled) = (Instant::now() + Duration::from_secs(30), &AtomicBool::new(false));
        let (headers, body) = (&[], &b"{}"[..]);
        let outgoing = Outgoing { base_url, path: "/chat", headers, key: None, body, until, cancelled };
        HttpProvider::new(roots).unwrap().exchange(&outgoing)
    };
    let Err(ProviderError::Unreachable(why)) = ask(&Roots::default()) else { panic!("it was believed") };
    assert!(why.starts_with("the certificate of `localhost` is refused: nobody who is trusted issued it"), "{why}");
    assert!(server.seen().is_empty());
    let mut roots = Roots::default();
    assert_eq!(roots.add_pem(company.pem().as_bytes()).unwrap(), 1);
    assert_eq!(ask(&roots).unwrap(), b"hello");
}
