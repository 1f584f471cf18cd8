//! The crate from outside: documented examples, WCF's own files, plans.

#[cfg(test)]
mod documented;
#[cfg(test)]
mod planned;
#[cfg(test)]
mod rendered;
#[cfg(test)]
mod support;
#[cfg(test)]
mod wcf;
