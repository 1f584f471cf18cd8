//! What an attempt, a step or a run used.

use crate::unit::{Count, MicroUsd};
use serde::{Deserialize, Serialize};

/// Amounts used by one attempt, all its instances together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wasm instructions and host work.
    pub fuel: u64,
    /// The most memory one instance had, what the host held for it included.
    pub memory_peak_bytes: u64,
    /// From the start of the attempt to its end.
    pub wall_ms: u64,
    /// Time on a processor, of all instances together.
    pub cpu_ms: u64,
    /// Instances started.
    pub instances: u64,
    /// Bytes that the host handed out: items, file contents, rows.
    pub input_bytes: u64,
    /// Bytes emitted.
    pub output_bytes: u64,
    /// Bytes of log text kept.
    pub log_bytes: u64,
    /// Bytes of log text dropped over the limit.
    pub log_bytes_dropped: u64,
    /// Files opened.
    pub files_read: u64,
    /// Bytes read from files.
    pub file_bytes_read: u64,
    /// Rows read from databases.
    pub rows: u64,
    /// Calls of tools.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tool_calls: u64,
    /// Calls of models, recorded answers included.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub llm_calls: u64,
    /// How many of those were answered from the record, and paid before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub llm_recorded: u64,
    /// Tokens that models read and wrote.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub llm_tokens: u64,
    /// What calls of models cost, in millionths of a US dollar.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub llm_cost_micro_usd: u64,
    /// Refusals for want of authority.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub denials: u64,
    /// Requests sent to web servers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub http_requests: u64,
    /// Bytes sent to web servers and received from them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub http_bytes: u64,
    /// Files and folders made where files are written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files_written: u64,
    /// Bytes written to files.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_written: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Usage {
    /// What models were asked, as people read it; none where none was.
    #[must_use]
    pub fn of_models(&self) -> Option<String> {
        let Self { llm_calls: calls, llm_recorded: recorded, .. } = *self;
        let (tokens, cost) = (Count(self.llm_tokens).of("token"), MicroUsd(self.llm_cost_micro_usd));
        let recorded =
            if recorded == 0 { String::new() } else { format!(" ({} answered from the record)", Count(recorded)) };
        (calls > 0).then(|| format!("{} of models{recorded}, {tokens}, {cost}", Count(calls).of("call")))
    }

    /// Adds what another instance of the same attempt, or another attempt, used. Peaks and wall time take the larger.
    pub fn join(&mut self, other: &Self) {
        self.memory_peak_bytes = self.memory_peak_bytes.max(other.memory_peak_bytes);
        self.wall_ms = self.wall_ms.max(other.wall_ms);
        self.sums(other).into_iter().for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }

    /// Takes away what was a part of it. Peaks and wall time stay.
    pub fn take_away(&mut self, part: &Self) {
        self.sums(part).into_iter().for_each(|(sum, less)| *sum = sum.saturating_sub(less));
    }

    /// What adds up, each beside that of another.
    const fn sums<'u>(&'u mut self, other: &Self) -> [(&'u mut u64, u64); 20] {
        [
            (&mut self.fuel, other.fuel),
            (&mut self.cpu_ms, other.cpu_ms),
            (&mut self.instances, other.instances),
            (&mut self.input_bytes, other.input_bytes),
            (&mut self.output_bytes, other.output_bytes),
            (&mut self.log_bytes, other.log_bytes),
            (&mut self.log_bytes_dropped, other.log_bytes_dropped),
            (&mut self.files_read, other.files_read),
            (&mut self.file_bytes_read, other.file_bytes_read),
            (&mut self.rows, other.rows),
            (&mut self.tool_calls, other.tool_calls),
            (&mut self.llm_calls, other.llm_calls),
            (&mut self.llm_recorded, other.llm_recorded),
            (&mut self.llm_tokens, other.llm_tokens),
            (&mut self.llm_cost_micro_usd, other.llm_cost_micro_usd),
            (&mut self.denials, other.denials),
            (&mut self.http_requests, other.http_requests),
            (&mut self.http_bytes, other.http_bytes),
            (&mut self.files_written, other.files_written),
            (&mut self.bytes_written, other.bytes_written),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_a_part_is_taken_away_but_for_peaks_and_time() {
        let part = Usage { fuel: 3, llm_calls: 2, wall_ms: 5, memory_peak_bytes: 7, ..Usage::default() };
        let mut whole = Usage { fuel: 10, llm_calls: 1, wall_ms: 5, memory_peak_bytes: 7, ..Usage::default() };
        whole.take_away(&part);
        assert_eq!(whole, Usage { fuel: 7, wall_ms: 5, memory_peak_bytes: 7, ..Usage::default() });
    }

    #[test]
    fn what_models_were_asked_is_told_where_any_was() {
        let one = Usage { llm_calls: 1, llm_tokens: 15, llm_cost_micro_usd: 20, ..Usage::default() };
        assert_eq!(one.of_models().as_deref(), Some("1 call of models, 15 tokens, 0.00002 USD"));
        let known = Usage { llm_calls: 3, llm_recorded: 2, ..one };
        let told = "3 calls of models (2 answered from the record), 15 tokens, 0.00002 USD";
        assert_eq!(known.of_models().as_deref(), Some(told));
        assert_eq!(Usage { fuel: 1, ..Usage::default() }.of_models(), None);
    }
}
