//! What documents of classified data subjects say in sum.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What a part of the findings came to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SubjectTotals {
    findings: u64,
    high_risk: u64,
    requires_review: u64,
    categories: BTreeSet<String>,
}

#[derive(Serialize)]
struct Summary {
    total_findings: u64,
    categories_identified: BTreeSet<String>,
    high_risk_count: u64,
    requires_review_count: u64,
}

impl SubjectTotals {
    /// Counts a finding: its category, whether anything modifies its risk, whether a person has to look at it.
    pub fn add(&mut self, category: &str, is_modified: bool, requires_review: bool) {
        self.findings += 1;
        self.high_risk += u64::from(is_modified);
        self.requires_review += u64::from(requires_review);
        if !self.categories.contains(category) {
            self.categories.insert(category.to_owned());
        }
    }

    /// The summary of the document that all parts make together.
    pub fn summary(parts: impl IntoIterator<Item = Self>) -> impl Serialize {
        let mut summary = Summary {
            total_findings: 0,
            categories_identified: BTreeSet::new(),
            high_risk_count: 0,
            requires_review_count: 0,
        };
        for mut part in parts {
            summary.total_findings += part.findings;
            summary.high_risk_count += part.high_risk;
            summary.requires_review_count += part.requires_review;
            summary.categories_identified.append(&mut part.categories);
        }
        summary
    }
}
