//! The crate from outside: documented examples, WCF's own files, plans.

mod documented;
mod planned;
mod support;
mod wcf;
