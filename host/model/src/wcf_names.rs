//! The names that WCF gives its components: runbooks use them, so nobody else may.

/// Every component name of WCF, whether this build has it or not, in order.
pub const WCF_NAMES: [&str; 21] = [
    "crypto_quality",
    "data_collection",
    "data_subject",
    "filesystem",
    "gdpr_data_collection_classifier",
    "gdpr_data_subject_classifier",
    "gdpr_personal_data_classifier",
    "gdpr_processing_purpose_classifier",
    "gdpr_service_integration_classifier",
    "github",
    "iso27001_assessor",
    "mongodb",
    "mysql",
    "personal_data",
    "processing_purpose",
    "security_control_analyser",
    "security_document_evidence_extractor",
    "security_evidence_normaliser",
    "service_integration",
    "source_code_analyser",
    "sqlite",
];

/// Says whether WCF has a component of that name.
#[must_use]
pub fn is_wcf_name(name: &str) -> bool {
    WCF_NAMES.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_in_order_so_that_each_is_found() {
        assert!(WCF_NAMES.is_sorted());
        assert!(WCF_NAMES.iter().all(|name| is_wcf_name(name)));
        assert!(!is_wcf_name("hello"));
    }
}
