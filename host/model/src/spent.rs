//! What attempts spent of what a run may do in all: denials, and bytes by where they went: their sink.

use crate::manifest::Power;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Amounts that count for a whole run, whichever attempt they are of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Refusals for want of authority.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub denials: u64,
    /// Bytes that were sent, by where they went, as [`sink`] names it; TLS aside.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sent: BTreeMap<String, u64>,
}

/// The name of where bytes go that a power sends: an origin by itself, all else as it is granted, `llm=big`. No origin looks
/// like that.
#[must_use]
pub fn sink(power: Power, place: &str) -> String {
    match power {
        Power::Http => place.to_owned(),
        _ => format!("{}={place}", power.name()),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Spent {
    /// Bytes that were sent to one sink.
    #[must_use]
    pub fn of_bytes(sink: &str, bytes: u64) -> Self {
        Self { sent: BTreeMap::from([(sink.to_owned(), bytes)]), ..Self::default() }
    }

    /// Whether there is nothing of anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes that went to that sink.
    #[must_use]
    pub fn sent_to(&self, sink: &str) -> u64 {
        self.sent.get(sink).copied().unwrap_or(0)
    }

    /// Whether it is at least as much of everything.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        self.denials >= other.denials && other.sent.iter().all(|(sink, bytes)| self.sent_to(sink) >= *bytes)
    }

    /// Adds what was spent elsewhere.
    pub fn add(&mut self, more: &Self) {
        self.denials = self.denials.saturating_add(more.denials);
        for (sink, bytes) in &more.sent {
            let sum = self.sent.entry(sink.clone()).or_default();
            *sum = sum.saturating_add(*bytes);
        }
    }

    /// Takes away what was counted and not spent.
    pub fn take_back(&mut self, less: &Self) {
        self.denials = self.denials.saturating_sub(less.denials);
        for (sink, bytes) in &less.sent {
            if let Some(sum) = self.sent.get_mut(sink) {
                *sum = sum.saturating_sub(*bytes);
            }
        }
        self.sent.retain(|_, bytes| *bytes > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_can_be_taken_back() {
        let mut spent = Spent { denials: 2, ..Spent::of_bytes("https://a.example", 10) };
        let before = spent.clone();
        let more = Spent {
            denials: 1,
            sent: [("https://a.example", 5), ("https://b.example", 7)]
                .map(|(sink, bytes)| (sink.to_owned(), bytes))
                .into(),
        };
        assert!(!spent.holds(&more));
        spent.add(&more);
        assert!(spent.holds(&more) && spent.holds(&before));
        assert_eq!((spent.denials, spent.sent_to("https://a.example"), spent.sent_to("https://b.example")), (3, 15, 7));
        spent.take_back(&more);
        assert_eq!(spent, before);
        spent.take_back(&before);
        assert!(spent.is_empty());
    }

    #[test]
    fn nothing_is_written_of_nothing() {
        assert_eq!(serde_json::to_string(&Spent::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<Spent>("{}").unwrap(), Spent::default());
    }
}
