//! Data directories of earlier builds in which agents worked: each of `tests/kept/agents/*.tar.gz` has one run of an agent that
//! called a tool and submitted a runbook, which a person approved and which asked a model; then one in which a map had a child
//! run for each item. This build tells of them and replays them, without a model. An archive that is there is never
//! written again; before the form of an event changes, one of the build before is added:
//!
//! ```text
//! PALISADE_KEEP_AGENTS=0.1.0-tables7 cargo test --release --test system kept_agents::
//! ```

use super::kept::{STATE, archives, json_of, over, runs, tar};
use palisade_tests::told::{fits, holds, write_texts};
use palisade_tests::{Dir, ModelServer, palisade, root};
use serde_json::{Value, json};
use std::path::Path;

const AGENTS: &str = "agents";

/// The agent may submit runbooks that ask the model.
fn settings(url: &str) -> String {
    format!(
        "[generated]\ncomponents = [\"test:asker\"]\n\n[llm]\ndefault = \"big\"\n\n\
         [[model]]\nalias = \"big\"\nprovider = \"openai-compatible\"\nmodel = \"scripted\"\nbase_url = \"{url}\"\nlocal = true\n\n\
         [[grant]]\ncomponent = \"test:asker\"\nallow = [\"llm=big\"]\n\n\
         [[grant]]\ncomponent = \"test:delegate\"\nallow = [\"call=test:stepper\", \"call=test:asker\"]\n"
    )
}

fn asks(id: &str, question: &str) -> Value {
    json!({"id": id, "analyser": "test:asker", "input": "texts", "output": id, "config": {"questions": [question]}})
}

fn asking(name: &str, id: &str, question: &str) -> Value {
    json!({
        "name": name, "inputs": {"texts": {"input_schema": "standard_input"}}, "capabilities": ["llm=big"], "execution": [asks(id, question)],
    })
}

fn make(name: &str) {
    let archive = archives().join(AGENTS).join(format!("{name}.tar.gz"));
    assert!(!archive.exists(), "{} is there", archive.display());
    let server = ModelServer::saying("so it is");
    let dir = Dir::new();
    dir.write("palisade.toml", settings(&server.url()));
    let call = |args: &[&str]| palisade(dir.path(), args);
    for guest in ["asker", "delegate", "stepper"] {
        let file = root().join(format!("target/{guest}/{guest}.wasm"));
        let digest = palisade_model::Digest::of(&std::fs::read(&file).unwrap()).to_string();
        let _ = call(&["component", "add", file.to_str().unwrap()]).exits(0);
        let _ = call(&["grants", "accept", &format!("test:{guest}"), "--digest", &digest]).exits(0);
    }
    write_texts(&dir, "texts.json", &["a", "bb", "ccc"]);
    let call_of_tool = json!({
        "tool": "test:stepper", "port": "texts", "give": "input", "config": {"append": "1"},
    });
    let agent = json!({
        "name": "Agent", "inputs": {"texts": {"input_schema": "standard_input"}}, "execution": [{
            "id": "agent", "type": "agent", "agent": "test:delegate", "goal": "Look at all of it", "input": "texts",
            "output": "seen", "tools": ["test:stepper"], "runbooks": {"components": ["test:asker"], "most": 2},
            "config": {"calls": [call_of_tool], "runbooks": [asking("Submitted", "asked", "and why?")], "gives": "texts", "strict": true},
        }],
    });
    dir.write("agent.yaml", agent.to_string());
    dir.write("leaf.yaml", asking("Leaf", "said", "what is it?").to_string());
    let each = json!({
        "name": "Each", "inputs": {"texts": {"input_schema": "standard_input"}}, "execution": [{
            "id": "each", "type": "map", "file": "leaf.yaml", "max_items": 9, "inputs": {"texts": "texts"}, "outputs": {"said": "found"},
        }],
    });
    dir.write("each.yaml", each.to_string());
    let _ = call(&["run", "-q", "agent.yaml", "--input", "texts=texts.json"]).exits(5);
    let _ = call(&["approve", "-q", "last", "--reason", "as agreed"]).exits(0);
    let _ = call(&["run", "-q", "each.yaml", "--input", "texts=texts.json"]).exits(0);
    std::fs::create_dir_all(archives().join(AGENTS)).unwrap();
    std::fs::rename(dir.join(".palisade"), dir.join(STATE)).unwrap();
    // What names functions in messages of traps is large, and may be missing.
    std::fs::remove_dir_all(dir.join(STATE).join("symbols")).unwrap();
    tar(&["-czf"], &dir, &archive);
}

fn check(archive: &Path) {
    let dir = Dir::new();
    std::fs::create_dir(dir.join(STATE)).unwrap();
    tar(&["-xzf"], &dir, archive);
    let _ = over(&dir, &["doctor"]).exits(0);
    let told: Vec<_> = runs(&dir).iter().map(|run| json!([run["name"], run["state"]])).collect();
    assert_eq!(told, [json!(["Each", "succeeded"]), json!(["Agent", "succeeded"])], "{}", archive.display());
    let all = json_of(&dir, &["runs", "list", "--children"])["runs"].as_array().unwrap().clone();
    assert_eq!(all.len(), 6, "{all:#?}");
    for run in &all {
        let id = run["run_id"].as_str().unwrap();
        for form in [&[][..], &["--tree"], &["--events"], &["--why"]] {
            let _ = over(&dir, &[&["runs", "show", id], form].concat()).exits(0);
        }
    }
    // Nothing here says where a model would be.
    let replayed = json_of(&dir, &["replay", "--all"]);
    fits("palisade.replayed", &replayed);
    let results: Vec<_> = replayed["runs"].as_array().unwrap().iter().map(|run| run["result"].clone()).collect();
    assert_eq!(results, vec![json!("same"); 6], "{replayed:#}");
    assert_eq!(json_of(&dir, &["audit", "verify"])["problem_count"], 0);
    lineages(&dir);
}

/// From what was made to everybody who had a part in it.
fn lineages(dir: &Dir) {
    let of_agent = json_of(dir, &["lineage", "seen", "--up"]);
    fits("palisade.lineage", &of_agent);
    let agent = of_agent.pointer("/up/steps/0").unwrap();
    assert_eq!(
        (&agent["component"]["component"], &agent["allowed"][0]["answer"]),
        (&json!("test:delegate"), &json!("approved"))
    );
    assert_eq!((&agent["called"][0]["component"], &agent["called"][0]["calls"]), (&json!("test:stepper"), &json!(1)));
    let submitted = &of_agent["runs"][0];
    assert_eq!(
        (&submitted["run"]["name"], &submitted["run"]["run_id"]),
        (&json!("Submitted"), &agent["children"][0]["run_id"])
    );
    let asked = submitted.pointer("/up/steps/0/called/0").unwrap();
    assert_eq!((&asked["model"], asked["requests"].as_array().map(Vec::len)), (&json!("big"), Some(1)));
    // And from what was submitted to who did, and who said that it may run.
    let run = submitted["run"]["run_id"].as_str().unwrap();
    let told = over(dir, &["lineage", "asked", "--run", run]).exits(0).stdout;
    let (_, above) = told.split_once("Its run was started by").unwrap();
    for part in ["step agent  agent  test:delegate@1.0.0", "approved by ", "test:stepper@1.0.0", "in Agent\n  seen  "] {
        holds(above, part);
    }
    let of_map = json_of(dir, &["lineage", "found", "--up"]);
    fits("palisade.lineage", &of_map);
    assert_eq!((of_map["runs"].as_array().map(Vec::len), &of_map["gaps"]), (Some(3), &Value::Null));
}

#[test]
fn agents_of_earlier_builds_are_told_and_replayed_without_a_model() {
    if let Ok(name) = std::env::var("PALISADE_KEEP_AGENTS") {
        make(&name);
    }
    let archives: Vec<_> =
        std::fs::read_dir(archives().join(AGENTS)).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!archives.is_empty());
    archives.iter().for_each(|archive| check(archive));
}
