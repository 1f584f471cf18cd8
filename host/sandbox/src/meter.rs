//! What one attempt has used, shared by all instances that work for it, and the limits it may not pass.
//!
//! Memory, tables and handles belong to one instance and are in `limiter.rs`; of those only the peak is kept here.

use palisade_model::{Failure, LimitKind, Limits, Usage};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What one attempt has used, over all its instances, against the limits in force.
///
/// Made when the attempt starts; `run` of each part and `finish` get the same one. Counters only grow, so that a limit
/// that was reached stays reached.
#[derive(Debug)]
pub struct AttemptMeter {
    limits: Limits,
    started: Instant,
    /// The attempt that called this one as a tool, and spends what it spends.
    caller: Option<Arc<Self>>,
    /// A limit of the caller that was reached.
    of_caller: Mutex<Option<Failure>>,
    fuel: AtomicU64,
    input_bytes: AtomicU64,
    output_bytes: AtomicU64,
    log_bytes: AtomicU64,
    log_bytes_dropped: AtomicU64,
    files_read: AtomicU64,
    file_bytes_read: AtomicU64,
    rows: AtomicU64,
    tool_calls: AtomicU64,
    llm_calls: AtomicU64,
    llm_tokens: AtomicU64,
    llm_cost: AtomicU64,
    denials: AtomicU64,
    http_requests: AtomicU64,
    http_bytes: AtomicU64,
    files_written: AtomicU64,
    bytes_written: AtomicU64,
    instances: AtomicU64,
    memory_peak_bytes: AtomicU64,
    cpu_us: AtomicU64,
    counted: Mutex<Counted>,
    /// What of it is told elsewhere.
    told: Mutex<Usage>,
}

/// What has been counted of things that can be handed out more than once. Without it an allowance would grow with the
/// number of instances, or with how often a guest reads the same file.
#[derive(Debug, Default)]
struct Counted {
    /// Of inputs that every instance gets whole, by their number: bytes up to which somebody has read.
    to_all: BTreeMap<usize, u64>,
    /// Of files, by device and inode: bytes, no more than the file has.
    files: HashMap<(u64, u64), u64>,
}

impl AttemptMeter {
    /// Starts the clock of an attempt that has used nothing.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Self::called_by(None, limits)
    }

    /// Starts the clock of a tool that the attempt of `caller` calls: what it spends of fuel, output and log text is spent by
    /// the caller, too, and its time is over when the caller's is.
    #[must_use]
    pub fn of_tool(caller: &Arc<Self>, limits: Limits) -> Arc<Self> {
        Self::called_by(Some(Arc::clone(caller)), limits)
    }

    fn called_by(caller: Option<Arc<Self>>, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            started: Instant::now(),
            caller,
            of_caller: Mutex::default(),
            fuel: AtomicU64::new(0),
            input_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            log_bytes_dropped: AtomicU64::new(0),
            files_read: AtomicU64::new(0),
            file_bytes_read: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            tool_calls: AtomicU64::new(0),
            llm_calls: AtomicU64::new(0),
            llm_tokens: AtomicU64::new(0),
            llm_cost: AtomicU64::new(0),
            denials: AtomicU64::new(0),
            http_requests: AtomicU64::new(0),
            http_bytes: AtomicU64::new(0),
            files_written: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            instances: AtomicU64::new(0),
            memory_peak_bytes: AtomicU64::new(0),
            cpu_us: AtomicU64::new(0),
            counted: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// When the wall time of the attempt is over.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        // A day is the default ceiling of `wall`; what no clock can hold is as good as a year.
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
        let wall = Duration::from_millis(self.limits.value(LimitKind::Wall)).min(YEAR);
        let own = self.started + wall;
        self.caller.as_ref().map_or(own, |caller| own.min(caller.deadline()))
    }

    /// The limit of the attempt that called this one as a tool, if that is what was reached.
    #[must_use]
    pub fn limit_of_caller(&self) -> Option<Failure> {
        self.of_caller.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Usage {
            fuel: self.fuel.load(Relaxed),
            memory_peak_bytes: self.memory_peak_bytes.load(Relaxed),
            wall_ms: millis(self.started.elapsed()),
            cpu_ms: millis(self.cpu()),
            instances: self.instances.load(Relaxed),
            input_bytes: self.input_bytes.load(Relaxed),
            output_bytes: self.output_bytes.load(Relaxed),
            log_bytes: self.log_bytes.load(Relaxed),
            log_bytes_dropped: self.log_bytes_dropped.load(Relaxed),
            files_read: self.files_read.load(Relaxed),
            file_bytes_read: self.file_bytes_read.load(Relaxed),
            rows: self.rows.load(Relaxed),
            tool_calls: self.tool_calls.load(Relaxed),
            llm_calls: self.llm_calls.load(Relaxed),
            // The calls tell it.
            llm_recorded: 0,
            llm_tokens: self.llm_tokens.load(Relaxed),
            llm_cost_micro_usd: self.llm_cost.load(Relaxed),
            denials: self.denials.load(Relaxed),
            http_requests: self.http_requests.load(Relaxed),
            http_bytes: self.http_bytes.load(Relaxed),
            files_written: self.files_written.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
        }
    }

    /// What was used so far beside what calls tell that are written down: theirs is told once, however many attempts are given
    /// their answers.
    #[must_use]
    pub fn own(&self) -> Usage {
        let mut own = self.usage();
        own.take_away(&self.told.lock().unwrap_or_else(PoisonError::into_inner));
        own
    }

    /// Notes that what was spent here by something called is written down with the call.
    pub fn told_by_call(&self, spent: &Usage) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).join(spent);
    }

    /// Time on a processor so far, exactly: where many short attempts are added up, milliseconds would come to nothing.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        Duration::from_micros(self.cpu_us.load(Relaxed))
    }

    /// The failure of an attempt whose wall time is over. For the engine, which gives up on a guest whose host call
    /// does not return.
    #[must_use]
    pub fn wall_reached(&self) -> Failure {
        self.reached(LimitKind::Wall, None)
    }

    /// The failure of whoever wants more of a kind that models spend than is left to this attempt, or to one that called it.
    #[must_use]
    pub fn wants_too_much(&self, kind: LimitKind, wanted: u64) -> Failure {
        let of_models = [Total::LlmCalls, Total::LlmTokens, Total::LlmCost];
        let total = of_models.into_iter().find(|total| self.counter(*total).1 == kind);
        let refused = total.and_then(|total| self.spend(total, wanted).err());
        refused.unwrap_or_else(|| self.reached(kind, Some(wanted)))
    }

    /// The failure that says that `kind` was reached.
    pub(crate) fn reached(&self, kind: LimitKind, wanted: Option<u64>) -> Failure {
        let in_force = self.limits.get(kind);
        let mut failure = Failure::limit(kind, in_force, wanted);
        let grown = self.allowed(kind).saturating_sub(in_force.value);
        if grown > 0 {
            let input = self.input_bytes.load(Relaxed);
            failure.message = format!(
                "{}; with the input so far ({}) it had grown to {}",
                failure.message,
                LimitKind::FileBytesRead.show(input),
                kind.show(in_force.value.saturating_add(grown))
            );
        }
        failure
    }

    /// Notes that the host handed out `bytes` of input that it hands out once: items. Fuel and output grow with
    /// them.
    pub(crate) fn handed_out(&self, bytes: u64) {
        self.input_bytes.fetch_add(bytes, Relaxed);
    }

    /// Notes that an instance has read an input that all instances get up to byte `upto`; counts what none had read.
    pub(crate) fn handed_out_to_all(&self, input: usize, upto: u64) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = counted.to_all.entry(input).or_default();
        self.handed_out(upto.saturating_sub(*before));
        *before = upto.max(*before);
    }

    /// Notes that `bytes` of a file were handed out that has `size` bytes; counts each of its bytes once at most. Of a
    /// database, `size` is what all of its rows may come to.
    pub(crate) fn handed_out_of_file(&self, identity: (u64, u64), size: u64, bytes: u64) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = counted.files.entry(identity).or_default();
        let now = before.saturating_add(bytes).min(size.max(*before));
        self.handed_out(now - *before);
        *before = now;
    }

    /// Takes fuel: at least `least`, at most `wanted`.
    pub(crate) fn take_fuel(&self, least: u64, wanted: u64) -> Result<u64, Failure> {
        let own = self.take_own_fuel(least, wanted)?;
        let Some(caller) = &self.caller else { return Ok(own) };
        let taken = caller.take_fuel(least, own).map_err(|failure| self.caller_is_out(failure));
        self.return_own_fuel(own - taken.as_ref().map_or(0, |taken| *taken));
        taken
    }

    fn take_own_fuel(&self, least: u64, wanted: u64) -> Result<u64, Failure> {
        let allowed = self.allowed(LimitKind::Fuel);
        let mut taken = 0;
        self.fuel
            .fetch_update(Relaxed, Relaxed, |used| {
                taken = wanted.min(allowed.saturating_sub(used));
                (taken >= least).then(|| used.saturating_add(taken))
            })
            .map(|_| taken)
            .map_err(|used| self.reached(LimitKind::Fuel, Some(used.saturating_add(least))))
    }

    /// Gives back fuel that was taken and not used.
    pub(crate) fn return_fuel(&self, fuel: u64) {
        self.return_own_fuel(fuel);
        if let Some(caller) = &self.caller {
            caller.return_fuel(fuel);
        }
    }

    fn return_own_fuel(&self, fuel: u64) {
        let _ = self.fuel.fetch_update(Relaxed, Relaxed, |used| Some(used.saturating_sub(fuel)));
    }

    /// Spends what was spent by something called whose call is not made again, since its answer is known.
    ///
    /// # Errors
    /// When the attempt does not have so much left.
    pub fn spent_before(&self, tool: &Usage) -> Result<(), Failure> {
        self.take_fuel(tool.fuel, tool.fuel)?;
        let spent = [
            (Total::OutputBytes, tool.output_bytes),
            (Total::LogBytes, tool.log_bytes),
            // Of an agent of the team.
            (Total::ToolCalls, tool.tool_calls),
            (Total::LlmCalls, tool.llm_calls),
            (Total::LlmTokens, tool.llm_tokens),
            (Total::LlmCost, tool.llm_cost_micro_usd),
            (Total::Denials, tool.denials),
        ];
        spent.into_iter().try_for_each(|(total, amount)| self.spend(total, amount))
    }

    /// Counts `more` of a total of the attempt.
    ///
    /// # Errors
    /// When the limit would be passed; nothing is counted then.
    pub(crate) fn spend(&self, total: Total, more: u64) -> Result<(), Failure> {
        let (counter, kind) = self.counter(total);
        let allowed = self.allowed(kind);
        counter
            .fetch_update(Relaxed, Relaxed, |used| used.checked_add(more).filter(|&used| used <= allowed))
            .map_err(|used| self.reached(kind, Some(used.saturating_add(more))))?;
        match &self.caller {
            Some(caller) => caller.spend(total, more).map_err(|failure| self.caller_is_out(failure)),
            None => Ok(()),
        }
    }

    fn caller_is_out(&self, failure: Failure) -> Failure {
        self.of_caller.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| failure.clone());
        failure
    }

    /// How much of a total is left.
    pub(crate) fn left(&self, total: Total) -> u64 {
        let (counter, kind) = self.counter(total);
        let own = self.allowed(kind).saturating_sub(counter.load(Relaxed));
        self.caller.as_ref().map_or(own, |caller| own.min(caller.left(total)))
    }

    /// Notes text that was dropped since `log-bytes` is used up.
    pub(crate) fn log_dropped(&self, bytes: u64) {
        self.log_bytes_dropped.fetch_add(bytes, Relaxed);
    }

    /// Notes that an instance was started.
    pub(crate) fn instance_started(&self) {
        self.instances.fetch_add(1, Relaxed);
        if let Some(caller) = &self.caller {
            caller.instance_started();
        }
    }

    /// Notes the peak of an instance's memory, and CPU time that it took beside what was noted before.
    pub(crate) fn used(&self, memory_peak_bytes: u64, cpu: Duration) {
        self.memory_peak_bytes.fetch_max(memory_peak_bytes, Relaxed);
        self.cpu_us.fetch_add(u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX), Relaxed);
        if let Some(caller) = &self.caller {
            caller.used(memory_peak_bytes, cpu);
        }
    }

    fn counter(&self, total: Total) -> (&AtomicU64, LimitKind) {
        match total {
            Total::OutputBytes => (&self.output_bytes, LimitKind::OutputBytes),
            Total::LogBytes => (&self.log_bytes, LimitKind::LogBytes),
            Total::FilesRead => (&self.files_read, LimitKind::FilesRead),
            Total::FileBytesRead => (&self.file_bytes_read, LimitKind::FileBytesRead),
            Total::Rows => (&self.rows, LimitKind::Rows),
            Total::ToolCalls => (&self.tool_calls, LimitKind::ToolCalls),
            Total::LlmCalls => (&self.llm_calls, LimitKind::LlmCalls),
            Total::LlmTokens => (&self.llm_tokens, LimitKind::LlmTokens),
            Total::LlmCost => (&self.llm_cost, LimitKind::LlmCost),
            Total::Denials => (&self.denials, LimitKind::Denials),
            Total::HttpRequests => (&self.http_requests, LimitKind::HttpRequests),
            Total::HttpBytes => (&self.http_bytes, LimitKind::HttpBytes),
            Total::FilesWritten => (&self.files_written, LimitKind::FilesWritten),
            Total::BytesWritten => (&self.bytes_written, LimitKind::BytesWritten),
        }
    }

    /// The limit as it stands: fuel and output grow with the input that was handed out. Output grows to its ceiling and no
    /// further: what one step makes is the input of the next, and without an end to it no chain of steps had a bound.
    fn allowed(&self, kind: LimitKind) -> u64 {
        let (per_byte, most) = match kind {
            LimitKind::Fuel => (self.limits.value(LimitKind::FuelPerInputByte), u64::MAX),
            LimitKind::OutputBytes => {
                (self.limits.value(LimitKind::OutputBytesPerInputByte), self.limits.get(kind).ceiling)
            }
            _ => (0, u64::MAX),
        };
        let grown = per_byte.saturating_mul(self.input_bytes.load(Relaxed));
        self.limits.value(kind).saturating_add(grown).min(most)
    }
}

/// An amount that is limited over the whole attempt and of which each call takes some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Total {
    /// Bytes of emitted items and metadata.
    OutputBytes,
    /// Bytes of log, progress and skip texts.
    LogBytes,
    /// Files opened for reading.
    FilesRead,
    /// Bytes read from files.
    FileBytesRead,
    /// Rows handed out.
    Rows,
    /// Calls of tools.
    ToolCalls,
    /// Calls of models.
    LlmCalls,
    /// Tokens of models.
    LlmTokens,
    /// Millionths of a US dollar.
    LlmCost,
    /// Refusals for want of authority.
    Denials,
    /// Requests sent to web servers.
    HttpRequests,
    /// Bytes sent to web servers and received from them.
    HttpBytes,
    /// Files and folders made.
    FilesWritten,
    /// Bytes written to files.
    BytesWritten,
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::FailureKind;
    use std::collections::BTreeMap;

    fn meter(limits: &[(LimitKind, u64)]) -> Arc<AttemptMeter> {
        let step: BTreeMap<_, _> = limits.iter().copied().collect();
        AttemptMeter::new(Limits::settle(&BTreeMap::new(), &step, &BTreeMap::new()))
    }

    fn limit_of(failure: &Failure) -> LimitKind {
        match failure.kind {
            FailureKind::Limit { limit, .. } => limit,
            ref other => panic!("not a limit: {other:?}"),
        }
    }

    #[test]
    fn totals_go_to_their_limit_and_no_further() {
        for (total, kind) in [
            (Total::LogBytes, LimitKind::LogBytes),
            (Total::FilesRead, LimitKind::FilesRead),
            (Total::FileBytesRead, LimitKind::FileBytesRead),
            (Total::Rows, LimitKind::Rows),
            (Total::ToolCalls, LimitKind::ToolCalls),
            (Total::LlmCalls, LimitKind::LlmCalls),
            (Total::LlmTokens, LimitKind::LlmTokens),
            (Total::LlmCost, LimitKind::LlmCost),
            (Total::Denials, LimitKind::Denials),
            (Total::HttpRequests, LimitKind::HttpRequests),
            (Total::HttpBytes, LimitKind::HttpBytes),
            (Total::FilesWritten, LimitKind::FilesWritten),
            (Total::BytesWritten, LimitKind::BytesWritten),
            (Total::OutputBytes, LimitKind::OutputBytes),
        ] {
            let meter = meter(&[(kind, 10)]);
            meter.spend(total, 9).unwrap();
            assert_eq!(meter.limits().value(kind), 10);
            let refused = meter.spend(total, 2).unwrap_err();
            assert_eq!(limit_of(&refused), kind);
            assert!(!refused.message.contains("grown"), "{}", refused.message);
            meter.spend(total, 1).unwrap();
            assert_eq!(meter.left(total), 0);
            assert!(meter.spend(total, u64::MAX).is_err(), "no overflow");
        }
    }

    #[test]
    fn the_clock_of_an_attempt_ends_at_its_wall_and_with_that_of_its_caller() {
        let within = |meter: &AttemptMeter| meter.deadline() - meter.started;
        let attempt = meter(&[(LimitKind::Wall, 1_500)]);
        assert_eq!(within(&attempt), Duration::from_millis(1_500));
        let limits = |wall| {
            let all = BTreeMap::from([(LimitKind::Wall, wall)]);
            Limits::settle(&BTreeMap::new(), &all, &BTreeMap::from([(LimitKind::Wall, u64::MAX)]))
        };
        assert_eq!(within(&AttemptMeter::new(limits(u64::MAX))), Duration::from_secs(365 * 86_400));
        assert_eq!(AttemptMeter::of_tool(&attempt, limits(1_000_000)).deadline(), attempt.deadline());
        assert_eq!(within(&AttemptMeter::of_tool(&attempt, limits(7))), Duration::from_millis(7));
        assert_eq!(limit_of(&attempt.wall_reached()), LimitKind::Wall);
    }

    #[test]
    fn what_instances_use_is_summed_but_for_the_peak() {
        let caller = meter(&[]);
        let tool = AttemptMeter::of_tool(&caller, caller.limits().clone());
        for (peak, millis) in [(10, 3), (30, 4), (20, 5)] {
            tool.instance_started();
            tool.used(peak, Duration::from_millis(millis));
        }
        for meter in [&tool, &caller] {
            assert_eq!((meter.cpu(), meter.usage().cpu_ms), (Duration::from_millis(12), 12));
            assert_eq!((meter.usage().memory_peak_bytes, meter.usage().instances), (30, 3));
        }
        tool.log_dropped(5);
        tool.log_dropped(6);
        assert_eq!((tool.usage().log_bytes_dropped, caller.usage().log_bytes_dropped), (11, 0));
    }

    #[test]
    fn who_wants_too_much_of_models_is_told_whose_limit_it_is() {
        let wanted = |failure: &Failure| match failure.kind {
            FailureKind::Limit { limit, reached, .. } => (limit, reached),
            ref other => panic!("not a limit: {other:?}"),
        };
        let caller = meter(&[(LimitKind::LlmTokens, 5)]);
        let own = BTreeMap::from([(LimitKind::LlmTokens, 10)]);
        let tool = AttemptMeter::of_tool(&caller, Limits::settle(&BTreeMap::new(), &own, &BTreeMap::new()));
        assert_eq!(wanted(&tool.wants_too_much(LimitKind::LlmTokens, 11)), (LimitKind::LlmTokens, Some(11)));
        assert!(tool.limit_of_caller().is_none(), "its own is too low");
        assert_eq!(wanted(&tool.wants_too_much(LimitKind::LlmTokens, 7)), (LimitKind::LlmTokens, Some(7)));
        assert!(tool.limit_of_caller().is_some());
        assert_eq!((tool.usage().llm_calls, tool.usage().llm_cost_micro_usd), (0, 0));
    }

    #[test]
    fn what_is_known_to_have_been_spent_is_spent_again() {
        let limits = [
            (LimitKind::Fuel, 9),
            (LimitKind::OutputBytes, 9),
            (LimitKind::LogBytes, 9),
            (LimitKind::ToolCalls, 9),
            (LimitKind::LlmCalls, 9),
            (LimitKind::LlmTokens, 9),
            (LimitKind::LlmCost, 9),
            (LimitKind::Denials, 9),
        ];
        let before = Usage {
            fuel: 1,
            output_bytes: 2,
            log_bytes: 3,
            tool_calls: 4,
            llm_calls: 5,
            llm_tokens: 6,
            llm_cost_micro_usd: 7,
            denials: 8,
            ..Usage::default()
        };
        let again = meter(&limits);
        again.spent_before(&before).unwrap();
        assert_eq!(Usage { wall_ms: 0, ..again.usage() }, before);
        again.told_by_call(&Usage { fuel: 1, llm_calls: 4, denials: 9, ..Usage::default() });
        let own = again.own();
        assert_eq!((own.fuel, own.output_bytes, own.llm_calls, own.denials), (0, 2, 1, 0));
        assert_eq!(limit_of(&again.spent_before(&before).unwrap_err()), LimitKind::LlmCalls);
    }

    #[test]
    fn a_tool_spends_what_its_caller_has() {
        let caller = meter(&[(LimitKind::Fuel, 100), (LimitKind::OutputBytes, 10), (LimitKind::Wall, 1_000)]);
        let own: BTreeMap<_, _> = [(LimitKind::Fuel, 80), (LimitKind::OutputBytes, 50)].into();
        let tool = AttemptMeter::of_tool(&caller, Limits::settle(&BTreeMap::new(), &own, &BTreeMap::new()));
        assert!(tool.deadline() <= caller.deadline());
        assert_eq!(tool.take_fuel(1, 1_000), Ok(80));
        // That is its own limit.
        assert!(tool.take_fuel(1, 1).is_err() && tool.limit_of_caller().is_none());
        tool.return_fuel(50);
        assert_eq!((tool.usage().fuel, caller.usage().fuel), (30, 30));
        assert_eq!(caller.take_fuel(1, 60), Ok(60));
        assert_eq!(tool.take_fuel(1, 50), Ok(10));
        assert_eq!((tool.usage().fuel, caller.usage().fuel), (40, 100));
        assert_eq!(limit_of(&tool.take_fuel(1, 1).unwrap_err()), LimitKind::Fuel);
        assert_eq!(tool.usage().fuel, 40, "what the caller did not have is not taken");
        assert_eq!(limit_of(&tool.limit_of_caller().unwrap()), LimitKind::Fuel);
        assert_eq!(tool.left(Total::OutputBytes), 10);
        tool.spend(Total::OutputBytes, 10).unwrap();
        assert!(tool.spend(Total::OutputBytes, 1).is_err() && caller.left(Total::OutputBytes) == 0);
    }

    #[test]
    fn output_grows_to_its_ceiling_and_no_further() {
        let ceilings = BTreeMap::from([(LimitKind::OutputBytes, 25)]);
        let step = BTreeMap::from([(LimitKind::OutputBytes, 10), (LimitKind::OutputBytesPerInputByte, 2)]);
        let meter = AttemptMeter::new(Limits::settle(&BTreeMap::new(), &step, &ceilings));
        meter.handed_out(1_000);
        meter.spend(Total::OutputBytes, 25).unwrap();
        assert_eq!(limit_of(&meter.spend(Total::OutputBytes, 1).unwrap_err()), LimitKind::OutputBytes);
    }

    #[test]
    fn what_all_instances_get_counts_once() {
        let meter = meter(&[]);
        for upto in [100, 40, 100, 250, 250] {
            meter.handed_out_to_all(3, upto);
        }
        assert_eq!(meter.usage().input_bytes, 250);
        meter.handed_out_to_all(4, 50);
        meter.handed_out(1);
        assert_eq!(meter.usage().input_bytes, 301);
    }

    #[test]
    fn a_file_that_is_read_again_and_again_counts_once() {
        let meter = meter(&[(LimitKind::Fuel, 100), (LimitKind::FuelPerInputByte, 5)]);
        for _ in 0..1_000 {
            meter.handed_out_of_file((1, 7), 10, 4);
        }
        meter.handed_out_of_file((1, 8), 10, 4);
        assert_eq!(meter.usage().input_bytes, 14);
        assert_eq!(meter.take_fuel(1, 1_000), Ok(170));
        // It has grown since it was opened first.
        meter.handed_out_of_file((1, 7), 12, 9);
        meter.handed_out_of_file((1, 7), 10, 9);
        assert_eq!(meter.usage().input_bytes, 16);
    }

    #[test]
    fn fuel_and_output_grow_with_the_input() {
        let meter = meter(&[
            (LimitKind::Fuel, 100),
            (LimitKind::FuelPerInputByte, 5),
            (LimitKind::OutputBytes, 10),
            (LimitKind::OutputBytesPerInputByte, 2),
        ]);
        assert_eq!(meter.take_fuel(1, 1_000), Ok(100));
        assert!(meter.take_fuel(1, 1_000).is_err());
        meter.handed_out(4);
        assert_eq!(meter.take_fuel(1, 1_000), Ok(20));
        meter.return_fuel(7);
        assert_eq!(meter.usage().fuel, 113);
        meter.spend(Total::OutputBytes, 18).unwrap();
        let failure = meter.spend(Total::OutputBytes, 1).unwrap_err();
        assert!(failure.message.ends_with("with the input so far (4 B) it had grown to 18 B"), "{}", failure.message);
    }
}
