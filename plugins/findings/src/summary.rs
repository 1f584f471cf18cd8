//! What the documents of findings say in sum, by what is counted in them.

use serde::Serialize;

use crate::tally::{Breakdown, Tally};

/// Of personal data, by category.
pub fn personal_data(findings: &Tally) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct Summary {
        total_findings: u64,
    }
    Summary { total_findings: findings.total() }
}

/// Of data subjects, by category.
pub fn data_subjects(findings: &Tally) -> impl Serialize {
    #[derive(Serialize)]
    struct Summary<'a> {
        total_indicators: u64,
        categories_identified: Vec<&'a str>,
    }
    let categories_identified = findings.by_name().into_iter().map(|(category, _)| category).collect();
    Summary { total_indicators: findings.total(), categories_identified }
}

/// Of purposes.
pub fn purposes(findings: &Tally) -> impl Serialize {
    Breakdown::new("purposes", "purpose", findings.by_name())
}
