//! `{{ name.path[0] }}`: a reference to an artifact or input, or to a value inside its document. It is replaced as a
//! value, never as text.

use palisade_model::ArtifactName;
use palisade_schema::escape;
use std::fmt;

/// Most bytes between the braces.
const MAX_BYTES: usize = 1_024;

/// A reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The artifact or input.
    pub artifact: String,
    /// Where in its document; empty = the whole.
    pub path: Vec<Segment>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// The property of that name.
    Key(String),
    /// The element of that number, from 0.
    Index(usize),
}

/// Why a text between double braces is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing stands between the braces.
    #[error("nothing stands between the braces")]
    Empty,
    /// It is too long.
    #[error("a reference has at most {MAX_BYTES} bytes")]
    TooLong,
    /// The first part can't be the name of an artifact.
    #[error("`{name}` can't be the name of an artifact: {reason}")]
    Name {
        /// What stands there.
        name: String,
        /// Why not.
        reason: palisade_model::id::IdError,
    },
    /// What stands behind the name is no path.
    #[error("`{rest}` is no path; a path is `.property` or `[0]`, again and again")]
    Path {
        /// What could not be read.
        rest: String,
    },
}

/// What a text value is, as far as references go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Braces {
    /// There are none.
    None,
    /// The whole text is a reference, or was meant to be one.
    Whole(Result<Reference, ReferenceError>),
    /// They stand within other text, where they mean nothing.
    Within,
    /// They are opened at the start and never closed.
    Open,
}

impl Reference {
    /// Looks for a reference in a text value.
    pub(crate) fn find(text: &str) -> Braces {
        let trimmed = text.trim();
        let inner = trimmed.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        match inner.filter(|inner| !inner.contains("{{") && !inner.contains("}}")) {
            Some(inner) => Braces::Whole(Self::parse(inner)),
            None if text.contains("{{") && text.contains("}}") => Braces::Within,
            None if trimmed.starts_with("{{") => Braces::Open,
            None => Braces::None,
        }
    }

    /// Reads what stands between the braces.
    pub(crate) fn parse(text: &str) -> Result<Self, ReferenceError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(ReferenceError::TooLong);
        }
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (name, mut rest) = text.split_at(end);
        name.parse::<ArtifactName>().map_err(|reason| ReferenceError::Name { name: name.to_owned(), reason })?;
        let mut path = Vec::new();
        while !rest.is_empty() {
            let (segment, behind) =
                segment(rest).ok_or_else(|| ReferenceError::Path { rest: rest.chars().take(40).collect() })?;
            path.push(segment);
            rest = behind;
        }
        Ok(Self { artifact: name.to_owned(), path })
    }

    /// The path as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> String {
        self.path
            .iter()
            .map(|segment| match segment {
                Segment::Key(key) => format!("/{}", escape(key)),
                Segment::Index(index) => format!("/{index}"),
            })
            .collect()
    }
}

/// The first segment of a path, and what stands behind it.
fn segment(text: &str) -> Option<(Segment, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        return (!key.is_empty()).then(|| (Segment::Key(key.to_owned()), behind));
    }
    let (index, behind) = text.strip_prefix('[')?.split_once(']')?;
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    let index = index.parse().ok().filter(|_| digits)?;
    Some((Segment::Index(index), behind))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.artifact)?;
        self.path.iter().try_for_each(|segment| write!(f, "{segment}"))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, ".{key}"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = match Reference::find(text) {
            Braces::None => "none".to_owned(),
            Braces::Within => "within".to_owned(),
            Braces::Open => "open".to_owned(),
            Braces::Whole(Ok(reference)) => format!("{reference} {}", reference.pointer()),
            Braces::Whole(Err(error)) => format!("error: {error}"),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_reference_is_the_whole_text() {
        check("{{ generated_runbook }}", "generated_runbook ");
        check("{{a.summary.total[0].x-y}}", "a.summary.total[0].x-y /summary/total/0/x-y");
        check(" {{ größe[12] }} ", "größe[12] /12");
        check("plain", "none");
        check("{ one }", "none");
        check("see {{ a }} there", "within");
        check("{{ a }} and {{ b }}", "within");
        check("{{ unclosed", "open");
        check("a {{ b", "none");
    }

    #[test]
    fn what_is_no_reference_says_why() {
        check("{{ }}", "error: nothing stands between the braces");
        check("{{ a b }}", "error: `a b` can't be the name of an artifact: ` ` is not allowed in this name");
        check("{{ a. }}", "error: `.` is no path; a path is `.property` or `[0]`, again and again");
        check("{{ a[-1] }}", "error: `[-1]` is no path; a path is `.property` or `[0]`, again and again");
        check("{{ a.b + 1 }}", "error: ` + 1` is no path; a path is `.property` or `[0]`, again and again");
        check("{{ run }}", "error: `run` can't be the name of an artifact: `run` is reserved");
        check(&format!("{{{{ {} }}}}", "a".repeat(1_025)), "error: a reference has at most 1024 bytes");
    }
}
