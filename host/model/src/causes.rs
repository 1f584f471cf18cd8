//! An error and why it happened, in one line of words.

use std::error::Error;

/// An error with all its causes, outermost first: `what failed: why: why that`. What they say is not neutralised.
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Said(&'static str, Option<Box<Said>>);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Said {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn every_cause_is_told_in_order() {
        let why = Said("the disk said no", None);
        assert_eq!(causes(&why), "the disk said no");
        let what = Said("it can't be written", Some(Box::new(Said("a sync failed", Some(Box::new(why))))));
        assert_eq!(causes(&what), "it can't be written: a sync failed: the disk said no");
    }
}
