//! A plain `wasm32-wasip2` component, without the SDK: it asks the standard library for all that a program has, and
//! logs `what: answer` for each. In the sandbox all of that is an empty world.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "where that goes is one of the questions")]

use bindings::exports::palisade::plugin::{manifest, step};
use bindings::palisade::plugin::log;
use std::hash::BuildHasher as _;
use std::io::Read as _;
use std::time::{Duration, Instant, SystemTime};

mod bindings {
    #![expect(unsafe_code, reason = "generated code")]

    wit_bindgen::generate!({ path: "../../../wit", world: "analyser", generate_all });
    export!(Foreign);

    use super::Foreign;
}

struct Foreign;

impl manifest::Guest for Foreign {
    fn describe() -> manifest::Description {
        manifest::Description {
            id: "foreign:wasip2".to_owned(),
            version: "1.0.0".to_owned(),
            title: "Asks for what a program has".to_owned(),
            description: String::new(),
            kind: "analyser".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            config_schema: r#"{"type": "object"}"#.to_owned(),
            schemas: Vec::new(),
            requests: Vec::new(),
            limits: Vec::new(),
            attributes: Vec::new(),
        }
    }
}

impl step::Guest for Foreign {
    fn run(_: Vec<step::Input>, _: String) -> Result<Vec<u8>, step::Failure> {
        tell("arguments", std::env::args().count());
        tell("environment", std::env::vars().count());
        for folder in ["/", ".", "data"] {
            tell(&format!("list {folder}"), std::fs::read_dir(folder).map(Iterator::count).ok());
        }
        tell("read data/file", std::fs::read_to_string("data/file").ok());
        tell("write data/new", std::fs::write("data/new", "x").is_ok());
        tell("remove data/file", std::fs::remove_file("data/file").is_ok());
        tell("rename data/file", std::fs::rename("data/file", "data/other").is_ok());
        tell("create data/folder", std::fs::create_dir("data/folder").is_ok());
        let modified = std::fs::metadata("data/file").and_then(|file| file.modified());
        // C libraries differ in what they make of no answer: an error, or the first second of all.
        tell("modified data/file", modified.is_ok_and(|time| time > SystemTime::UNIX_EPOCH));
        let mut input = String::new();
        tell("input", std::io::stdin().read_to_string(&mut input).ok());
        println!("to stdout");
        eprintln!("to stderr");
        tell("day", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(|now| now.as_secs()).ok());
        let before = Instant::now();
        std::thread::sleep(Duration::from_secs(3_600));
        tell("slept", before.elapsed().as_secs());
        tell("random", std::hash::RandomState::new().hash_one(0));
        Ok(Vec::new())
    }

    fn finish(_: Vec<Vec<u8>>, _: String) -> Result<Vec<step::OutputMetadata>, step::Failure> {
        Ok(Vec::new())
    }
}

fn tell(what: &str, answer: impl std::fmt::Debug) {
    log::write(log::Level::Info, &format!("{what}: {answer:?}"));
}
