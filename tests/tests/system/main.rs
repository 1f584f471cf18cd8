//! Palisade as its users have it: the binary is run, or the sandbox is given guests.
//!
//! One program for all, as each would have the whole host linked into it again: `cargo test --release --test system agents::`
//! runs the tests of one file.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod agents;
mod ahead;
mod allowance;
mod approvals;
mod arrows;
mod asking;
mod at_hand;
mod audit;
mod bound;
mod cases;
mod children;
mod compensate;
mod connectors;
mod databases;
mod debug;
mod disk;
mod edited;
mod effects;
mod filesystem;
mod first_party_agents;
mod foreign;
mod fork;
mod generated;
mod grants;
mod hostile;
mod http;
mod injected_results;
mod injections;
mod kept;
mod kept_agents;
mod lineage;
mod llm_validation;
mod maps;
mod memo;
mod models;
mod plugin;
mod policy;
mod power;
mod progress;
mod registry;
mod replay;
mod resume;
mod reuse;
mod runs;
mod schemas;
mod secrets;
mod shared;
mod sql;
mod steps;
mod submitting;
mod teams;
mod tls;
mod wcf;
mod web;
mod witness;
mod writing;
