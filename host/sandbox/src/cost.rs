//! What host calls cost in fuel, so that a guest can't make the host work for free.
//!
//! Imports add to a [`Cost`]; the call hook in `fuel.rs` is the one place that takes it from the guest's fuel.

/// Kinds of work that the host does for a guest.
///
/// The amounts are fuel of about the time that the work takes: a guest runs through 10 million fuel in 0.5 to 0.8 ms,
/// so a microsecond is about 15,000 and a nanosecond about 15 (docs/design/002-limits.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A call that only looks something up: crossing twice takes about 100 ns.
    Small,
    /// A line for people: it is neutralised, kept and shown.
    Log,
    /// Handing out a batch: read from a file and copied once.
    Batch,
    /// Taking items: parsed, validated, hashed and written; 4 ns per byte.
    Emit,
    /// Opening a file or a folder: several system calls.
    Open,
    /// One system call on a path or an open file.
    Stat,
    /// Handing out the contents of a file: one system call and a copy.
    ReadFile,
    /// Taking bytes for a file: a few system calls and a copy.
    WriteFile,
    /// Preparing and starting a statement.
    Query,
    /// A call of HTTP that builds a request or looks into an answer, headers copied.
    Fields,
    /// Sending a request: a name looked up, a connection, most of it for TLS.
    Request,
    /// Taking bytes for a body or a line.
    Write,
    /// Handing out rows: stepped, written as JSON and copied; 1.5 ns per byte.
    Rows,
    /// Telling of tools: their schemas are copied.
    Tools,
    /// Starting a tool, checking what it is given, and writing down what comes of it: a commit. What the tool itself uses
    /// is counted apart.
    CallTool,
    /// Planning a runbook, and writing down what comes of it: a commit. What it does when it runs is counted apart.
    SubmitRunbook,
    /// Checking and writing down what a model is asked and what it answers: a commit. What the model costs is counted apart.
    AskModel,
}

impl Work {
    /// Base for each call, and amount for each byte.
    const fn price(self) -> (u64, u64) {
        match self {
            Self::Small => (1_500, 0),
            Self::Log => (15_000, 15),
            Self::Batch => (30_000, 2),
            Self::Emit => (30_000, 60),
            Self::Open => (300_000, 0),
            Self::Stat => (30_000, 0),
            Self::ReadFile | Self::WriteFile => (30_000, 4),
            Self::Query => (1_500_000, 15),
            Self::Fields => (15_000, 0),
            Self::Request => (15_000_000, 0),
            Self::Write => (1_500, 4),
            Self::Rows => (30_000, 24),
            Self::Tools => (30_000, 2),
            Self::CallTool | Self::AskModel => (1_500_000, 60),
            Self::SubmitRunbook => (150_000_000, 1_500),
        }
    }
}

/// Fuel that host calls cost and that was not taken yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost(u64);

impl Cost {
    /// Adds one call that moves `bytes`.
    pub(crate) fn add(&mut self, work: Work, bytes: usize) {
        let (base, per_byte) = work.price();
        self.0 = self.0.saturating_add(base).saturating_add(per_byte.saturating_mul(bytes as u64));
    }

    /// All that was added since the last time.
    pub(crate) fn take(&mut self) -> u64 {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_its_base_and_its_bytes_once() {
        let mut cost = Cost::default();
        cost.add(Work::Emit, 10);
        cost.add(Work::Small, 1_000);
        assert_eq!(cost.take(), 30_000 + 600 + 1_500);
        assert_eq!(cost.take(), 0);
        cost.add(Work::Emit, usize::MAX);
        cost.add(Work::Emit, usize::MAX);
        assert_eq!(cost.take(), u64::MAX, "no overflow");
    }
}
