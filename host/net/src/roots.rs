//! Whom TLS believes: the authorities that the web trusts, as Mozilla has them, and those that the operator adds.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use std::sync::Arc;

/// Authorities that may say who a server is. Clones share them.
#[derive(Debug, Clone)]
pub struct Roots(pub(crate) Arc<RootCertStore>);

/// Why a file adds none.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// It is damaged.
    #[error("it is no PEM: {0}")]
    Pem(String),
    /// There is none in it.
    #[error("there is no certificate in it; one begins with `-----BEGIN CERTIFICATE-----`")]
    Empty,
    /// It holds something else too, a private key perhaps, which belongs elsewhere.
    #[error("its part {part} is no certificate")]
    Other {
        /// Which part, from 1.
        part: usize,
    },
    /// A certificate can't be read.
    #[error("the certificate in its part {part} can't be read: {why}")]
    Certificate {
        /// Which part, from 1.
        part: usize,
        /// Why.
        why: String,
    },
}

/// Those that the web trusts.
impl Default for Roots {
    fn default() -> Self {
        Self(Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
    }
}

impl Roots {
    /// The certificates of a file in PEM, and no others.
    ///
    /// # Errors
    /// As [`Roots::add_pem`].
    pub fn of_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let mut roots = Self(Arc::new(RootCertStore::empty()));
        roots.add_pem(pem)?;
        Ok(roots)
    }

    /// Adds the certificates of a file in PEM, and says how many there are.
    ///
    /// # Errors
    /// When there is none, or anything that is none. Then nothing is added.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<usize, RootsError> {
        let mut more = (*self.0).clone();
        let mut count = 0;
        for (item, part) in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).zip(1..) {
            let (kind, der) = item.map_err(|error| RootsError::Pem(error.to_string()))?;
            if kind != SectionKind::Certificate {
                return Err(RootsError::Other { part });
            }
            let unread = |error: rustls::Error| RootsError::Certificate { part, why: error.to_string() };
            more.add(CertificateDer::from(der)).map_err(unread)?;
            count = part;
        }
        if count == 0 {
            return Err(RootsError::Empty);
        }
        self.0 = Arc::new(more);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_all_certificates_adds_none() {
        let check = |pem: &str, expected: &str| {
            let mut roots = Roots::default();
            let before = roots.0.len();
            let told = roots.add_pem(pem.as_bytes()).unwrap_err().to_string();
            assert!(told.contains(expected), "{told}");
            assert_eq!(roots.0.len(), before);
        };
        check("", "there is no certificate in it");
        check("words", "there is no certificate in it");
        check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "in its part 1 can't be read");
        check("-----BEGIN CERTIFICATE-----\nAAAA\n", "it is no PEM");
        check("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "its part 1 is no certificate");
    }
}
