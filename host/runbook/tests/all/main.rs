//! The crate from outside: documented examples, WCF's own files, plans.
#![expect(clippy::disallowed_methods, reason = "tests read their cases and bound their time")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[cfg(test)]
mod converted;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod documented;
#[cfg(test)]
mod estimated;
#[cfg(test)]
mod guide;
#[cfg(test)]
mod planned;
#[cfg(test)]
mod published;
#[cfg(test)]
mod rendered;
mod reviewed;
#[cfg(test)]
mod robust;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod support;
#[cfg(test)]
mod wcf;
