//! The first-party components, compiled into one crate, so that tests can run them natively one after the other as a
//! runbook would. As packages of their own they are for the sandbox alone.

#[path = "../../analysers/crypto_quality/src/lib.rs"]
pub mod crypto_quality;
#[path = "../../analysers/data_collection/src/lib.rs"]
pub mod data_collection;
#[path = "../../analysers/data_subject/src/lib.rs"]
pub mod data_subject;
#[path = "../../analysers/filesystem/src/lib.rs"]
pub mod filesystem;
#[path = "../../analysers/gdpr_data_collection_classifier/src/lib.rs"]
pub mod gdpr_data_collection_classifier;
#[path = "../../analysers/gdpr_data_subject_classifier/src/lib.rs"]
pub mod gdpr_data_subject_classifier;
#[path = "../../analysers/gdpr_personal_data_classifier/src/lib.rs"]
pub mod gdpr_personal_data_classifier;
#[path = "../../analysers/gdpr_processing_purpose_classifier/src/lib.rs"]
pub mod gdpr_processing_purpose_classifier;
#[path = "../../analysers/gdpr_service_integration_classifier/src/lib.rs"]
pub mod gdpr_service_integration_classifier;
#[path = "../../analysers/personal_data/src/lib.rs"]
pub mod personal_data;
#[path = "../../analysers/processing_purpose/src/lib.rs"]
pub mod processing_purpose;
#[path = "../../analysers/security_control_analyser/src/lib.rs"]
pub mod security_control_analyser;
#[path = "../../analysers/service_integration/src/lib.rs"]
pub mod service_integration;
#[path = "../../analysers/source_code_analyser/src/lib.rs"]
pub mod source_code_analyser;
#[path = "../../analysers/sqlite/src/lib.rs"]
pub mod sqlite;
