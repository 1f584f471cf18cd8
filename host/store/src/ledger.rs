//! What calls of models cost: reserved at every level before a call starts, in one transaction or not at all, and settled
//! once. A call whose process died is settled at all that it had reserved, since nobody knows what it cost.
//!
//! Nothing here knows prices, or decides what a call may cost: bounds come with the call.

mod books;
mod owner;

pub use books::{Balance, Books, CallRow, Outcome};

use crate::fault::Fault;
use crate::store::Store;
use owner::Owner;
use palisade_model::RunId;
use palisade_model::llm::{Bound, BudgetLevel};
use palisade_model::unit::{Count, MicroUsd};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

/// The right to reserve, of one process. As long as it lives, what it reserved is taken for a call that goes on.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    owner: Owner,
}

/// All calls that are counted together at one level, and what bounds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The level.
    pub level: BudgetLevel,
    /// Which one of that level: a user, a day, a run, a step of a run; empty for the organisation.
    pub scope: String,
    /// The most that all of them may spend.
    pub bound: Bound,
}

/// A call that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// The run that makes it.
    pub run: RunId,
    /// The step of that run.
    pub step: String,
    /// The component that asks.
    pub component: String,
    /// The alias of the model.
    pub model: String,
    /// Who started the run.
    pub user: String,
    /// The day in UTC, `YYYY-MM-DD`.
    pub day: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// To which accounts it counts; each level and scope once.
    pub accounts: Vec<Account>,
    /// The most that it can cost, in millionths of a US dollar.
    pub cost: u64,
    /// The most tokens that it can take.
    pub tokens: u64,
}

/// What was reserved for one call, and is to be settled. Dropped instead, it stays reserved until this process ends, and is
/// then settled in full.
#[derive(Debug)]
#[must_use = "what is not settled costs all that was reserved"]
pub struct Reservation {
    id: i64,
    cost: u64,
    tokens: u64,
}

/// What a call cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    /// Millionths of a US dollar.
    pub cost: u64,
    /// Tokens, read and written.
    pub tokens: u64,
}

/// What came of settling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// What is counted.
    pub used: Used,
    /// It is more than was reserved: calls of the same accounts are refused from now on.
    pub overspent: bool,
}

/// What a bound measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Millionths of a US dollar.
    Cost,
    /// Tokens.
    Tokens,
    /// Calls.
    Calls,
}

/// Why nothing was reserved.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// It does not fit in what is left at a level.
    #[error(
        "the budget of the {level} has too little left: of {}, {} are spent and {} are reserved by calls that go on, and this one could take {}",
        measure.of(*bound), measure.of(*spent), measure.of(*open), measure.of(*wanted)
    )]
    Budget {
        /// The level.
        level: BudgetLevel,
        /// Which one of that level.
        scope: String,
        /// What is bounded.
        measure: Measure,
        /// The bound.
        bound: u64,
        /// What is settled.
        spent: u64,
        /// What other calls have reserved.
        open: u64,
        /// What this one wants.
        wanted: u64,
    },
    /// A call was billed with more than it had reserved; until a person accepts that, the level is closed.
    #[error(
        "the budget of the {level} is closed: `{model}` was billed with {} and {} more than was reserved",
        Measure::Cost.of(*cost), Measure::Tokens.of(*tokens)
    )]
    Overspent {
        /// The level.
        level: BudgetLevel,
        /// The alias of the model whose provider did so last.
        model: String,
        /// By how many millionths of a US dollar in all.
        cost: u64,
        /// By how many tokens in all.
        tokens: u64,
    },
    /// The database failed; then it may be reserved all the same, which no call uses.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Measure {
    /// So much of it, as people read it.
    #[must_use]
    pub fn of(self, amount: u64) -> String {
        match self {
            Self::Cost => MicroUsd(amount).to_string(),
            Self::Tokens => Count(amount).of("token"),
            Self::Calls => Count(amount).of("call"),
        }
    }
}

impl Reservation {
    /// All that was reserved.
    #[must_use]
    pub fn whole(&self) -> Used {
        Used { cost: self.cost, tokens: self.tokens }
    }
}

impl Store {
    /// Takes the right to reserve.
    ///
    /// # Errors
    /// When the file can't be made by whose lock others see that this process lives.
    pub fn ledger(&self) -> Result<Ledger, Fault> {
        Ok(Ledger { store: self.clone(), owner: Owner::new(self.locks())? })
    }
}

impl Ledger {
    /// Reserves the most that a call can cost, at all its accounts or at none; durable when this returns.
    ///
    /// # Errors
    /// When it does not fit, an account is closed, or the database fails.
    pub fn reserve(&self, call: &NewCall) -> Result<Reservation, ReserveError> {
        let store = &self.store;
        let fault = |error| store.fault(error);
        let mut connection = store.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        settle_the_dead(store, &transaction)?;
        let tenant = store.tenant().key();
        let (cost, tokens) = (capped(call.cost), capped(call.tokens));
        for account in &call.accounts {
            check(store, &transaction, &tenant, account, call)?;
        }
        let write = || -> rusqlite::Result<i64> {
            let sql = "INSERT INTO llm_call (tenant, run, step, component, model, user, day, at_ms, owner, reserved_cost, \
                       reserved_tokens, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'open')";
            transaction.prepare_cached(sql)?.execute(params![
                tenant,
                call.run.as_bytes(),
                call.step,
                call.component,
                call.model,
                call.user,
                call.day,
                call.at_ms.cast_signed(),
                self.owner.name(),
                cost,
                tokens
            ])?;
            let id = transaction.last_insert_rowid();
            for account in &call.accounts {
                let key =
                    params![key_tenant(&tenant, account.level), account.level.word(), account.scope, cost, tokens];
                let sql = "INSERT INTO llm_account VALUES (?1, ?2, ?3, 0, 0, 1, ?4, ?5, 0, 0) ON CONFLICT DO UPDATE SET \
                           calls = calls + 1, open_cost = open_cost + ?4, open_tokens = open_tokens + ?5";
                transaction.prepare_cached(sql)?.execute(key)?;
                let sql = "INSERT INTO llm_charge (call, tenant, level, scope) VALUES (?1, ?2, ?3, ?4)";
                let charge = params![id, key_tenant(&tenant, account.level), account.level.word(), account.scope];
                transaction.prepare_cached(sql)?.execute(charge)?;
            }
            Ok(id)
        };
        let id = write().map_err(fault)?;
        store.commit(transaction, Vec::new())?;
        Ok(Reservation { id, cost: cost.cast_unsigned(), tokens: tokens.cast_unsigned() })
    }

    /// Settles a call, once: what it did not use is free again at all its accounts. Durable when this returns.
    ///
    /// # Errors
    /// When the database fails; then it stays reserved, or is settled all the same.
    pub fn settle(&self, reservation: Reservation, used: Used) -> Result<Settled, Fault> {
        let store = &self.store;
        let fault = |error| store.fault(error);
        let mut connection = store.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        let used = Used { cost: capped(used.cost).cast_unsigned(), tokens: capped(used.tokens).cast_unsigned() };
        let overspent = used.cost > reservation.cost || used.tokens > reservation.tokens;
        let outcome = if overspent { Outcome::Overspent } else { Outcome::Settled };
        let closed = close(&transaction, reservation.id, outcome, used).map_err(fault)?;
        if !closed {
            return Err(Fault::damaged(store.database(), format!("call {} of a model is not open", reservation.id)));
        }
        store.commit(transaction, Vec::new())?;
        Ok(Settled { used, overspent })
    }
}

/// Amounts are SQLite's integers, which end at 2^63 - 1. What is more is more than anyone has.
fn capped(amount: u64) -> i64 {
    // Some room is left, so that sums of a few such amounts still fit; the check on each bound comes before the sum.
    i64::try_from(amount).unwrap_or(i64::MAX).min(i64::MAX >> 16)
}

/// The organisation is all tenants.
fn key_tenant(tenant: &str, level: BudgetLevel) -> &str {
    if level == BudgetLevel::Organisation { "" } else { tenant }
}

fn check(
    store: &Store,
    connection: &Connection,
    tenant: &str,
    account: &Account,
    call: &NewCall,
) -> Result<(), ReserveError> {
    let Account { level, scope, bound } = account;
    if bound.is_none() {
        return Ok(());
    }
    let of = key_tenant(tenant, *level);
    let spent = books::spent(connection, of, *level, scope).map_err(|error| store.fault(error))?;
    if (spent.over.cost, spent.over.tokens) != (0, 0) {
        let model = last_overspent(connection, of, *level, scope).map_err(|error| store.fault(error))?;
        let Used { cost, tokens } = spent.over;
        return Err(ReserveError::Overspent { level: *level, model, cost, tokens });
    }
    let rows = [
        (Measure::Cost, bound.cost, spent.used.cost, spent.open.cost, call.cost),
        (Measure::Tokens, bound.tokens, spent.used.tokens, spent.open.tokens, call.tokens),
        (Measure::Calls, bound.calls, spent.calls, 0, 1),
    ];
    for (measure, bound, spent, open, wanted) in rows {
        let Some(bound) = bound else { continue };
        let fits = spent.checked_add(open).and_then(|taken| taken.checked_add(wanted)).is_some_and(|all| all <= bound);
        if !fits {
            let (level, scope) = (*level, scope.clone());
            return Err(ReserveError::Budget { level, scope, measure, bound, spent, open, wanted });
        }
    }
    Ok(())
}

fn last_overspent(connection: &Connection, tenant: &str, level: BudgetLevel, scope: &str) -> rusqlite::Result<String> {
    let sql = "SELECT model FROM llm_call JOIN llm_charge ON call = id WHERE llm_charge.tenant = ?1 AND level = ?2 AND \
               scope = ?3 AND outcome = 'overspent' ORDER BY id DESC LIMIT 1";
    let found = connection.query_row(sql, params![tenant, level.word(), scope], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or_default())
}

/// Settles in full the calls of processes that died. Their files go too.
pub(super) fn settle_the_dead(store: &Store, connection: &Connection) -> Result<(), Fault> {
    let fault = |error| store.fault(error);
    let owners = || -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT DISTINCT owner FROM llm_call WHERE outcome = 'open'";
        connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    for owner in owners().map_err(fault)? {
        let Some(_dead) = owner::dead(store.locks(), &owner)? else { continue };
        let settle = || -> rusqlite::Result<()> {
            let sql = "SELECT id, reserved_cost, reserved_tokens FROM llm_call WHERE owner = ?1 AND outcome = 'open'";
            let mut statement = connection.prepare_cached(sql)?;
            let calls = statement.query_map([&owner], |row| {
                let amount = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
                Ok((row.get(0)?, Used { cost: amount(1)?, tokens: amount(2)? }))
            })?;
            for call in calls.collect::<rusqlite::Result<Vec<_>>>()? {
                close(connection, call.0, Outcome::Unknown, call.1)?;
            }
            Ok(())
        };
        settle().map_err(fault)?;
    }
    Ok(())
}

/// Moves an open call to what was spent, at all its accounts. Says whether it was open.
fn close(connection: &Connection, id: i64, outcome: Outcome, used: Used) -> rusqlite::Result<bool> {
    let (cost, tokens) = (used.cost.cast_signed(), used.tokens.cast_signed());
    let sql = "UPDATE llm_call SET outcome = ?2, cost = ?3, tokens = ?4 WHERE id = ?1 AND outcome = 'open'";
    if connection.prepare_cached(sql)?.execute(params![id, outcome.word(), cost, tokens])? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE llm_account SET cost = llm_account.cost + call.cost, tokens = llm_account.tokens + call.tokens, \
               open_cost = open_cost - call.reserved_cost, open_tokens = open_tokens - call.reserved_tokens, \
               over_cost = over_cost + max(call.cost - call.reserved_cost, 0), \
               over_tokens = over_tokens + max(call.tokens - call.reserved_tokens, 0) \
               FROM llm_call AS call JOIN llm_charge AS charge ON charge.call = call.id WHERE call.id = ?1 AND \
               (llm_account.tenant, llm_account.level, llm_account.scope) = (charge.tenant, charge.level, charge.scope)";
    connection.prepare_cached(sql)?.execute([id])?;
    Ok(true)
}
