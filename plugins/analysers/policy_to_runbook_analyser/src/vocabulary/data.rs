//! Words for categories of personal data.

mod contact;
mod digital;
mod money;
mod papers;
mod person;
mod special;
mod work;

use super::Words;

/// Categories of personal data. Those under [`SPECIAL`] are of Article 9(1) or 10 of the GDPR.
pub(crate) const DATA: &[Words] =
    &[contact::WORDS, person::WORDS, papers::WORDS, money::WORDS, work::WORDS, digital::WORDS];

/// Categories of personal data that only special grounds allow to process.
pub(crate) const SPECIAL: &[Words] = &[special::WORDS];
