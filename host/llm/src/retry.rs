//! Whether a call that failed is made again, and when. No clock and no chance here: both come from outside.

use crate::provider::ProviderError;
use std::time::Duration;

/// How long is waited before a call is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Before the second attempt; twice as long before each further one.
    pub first: Duration,
    /// The most, also where a provider asks for more: then it is given up.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), most: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// How long to wait after attempt number `attempt`, from 1, failed; none = it is given up. `left` is the time that is left,
    /// `salt` spreads those who failed together.
    pub(crate) fn wait(
        self,
        error: &ProviderError,
        attempt: u64,
        most: u64,
        left: Duration,
        salt: u64,
    ) -> Option<Duration> {
        if attempt >= most || !error.may_pass() {
            return None;
        }
        let wait = match error {
            ProviderError::Status { retry_after: Some(asked), .. } => {
                Some(*asked).filter(|asked| *asked <= self.most)?
            }
            _ => {
                let doubled = self.first.saturating_mul(1 << (attempt - 1).min(16)).min(self.most);
                // Between three quarters and all of it.
                doubled.saturating_sub(doubled / 4 * (salt % 64) as u32 / 64)
            }
        };
        (wait < left).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_within_bounds() {
        let backoff = Backoff { first: Duration::from_millis(400), most: Duration::from_secs(2) };
        let status = |status, seconds: Option<u64>| ProviderError::Status {
            status,
            retry_after: seconds.map(Duration::from_secs),
            message: String::new(),
        };
        let check = |error: ProviderError, attempt, left_ms, expected: Option<u64>| {
            let wait = backoff.wait(&error, attempt, 5, Duration::from_millis(left_ms), 0);
            assert_eq!(wait, expected.map(Duration::from_millis), "{error} {attempt}");
        };
        check(status(500, None), 1, 9_999, Some(400));
        check(status(500, None), 2, 9_999, Some(800));
        check(status(500, None), 4, 9_999, Some(2_000));
        check(status(500, None), 5, 9_999, None);
        check(ProviderError::CutOff(String::new()), 1, 9_999, Some(400));
        // What is asked for is kept to, or it is given up.
        check(status(429, Some(1)), 4, 9_999, Some(1_000));
        check(status(429, Some(2)), 1, 9_999, Some(2_000));
        check(status(429, Some(3)), 1, 9_999, None);
        // Nobody waits for longer than there is time.
        check(status(429, Some(1)), 1, 1_000, None);
        check(status(503, None), 1, 401, Some(400));
        for lasting in [status(400, None), status(401, Some(1)), ProviderError::TimedOut, ProviderError::TooLong] {
            check(lasting, 1, 9_999, None);
        }
        let spread = backoff.wait(&status(500, None), 1, 5, Duration::from_secs(9), 63).unwrap();
        assert!((300..400).contains(&spread.as_millis()));
    }
}
