//! Reading what was spent.

use super::{Used, key_tenant, settle_the_dead};
use crate::fault::Fault;
use crate::store::Store;
use palisade_model::RunId;
use palisade_model::llm::BudgetLevel;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Open,
    /// It is known what it cost.
    Settled,
    /// Its process died: it counts with all that was reserved.
    Unknown,
    /// It was billed with more than was reserved.
    Overspent,
}

/// What an account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// What is settled.
    pub used: Used,
    /// What is reserved and not settled.
    pub open: Used,
    /// What was billed beyond what was reserved, and nobody accepted.
    pub over: Used,
    /// Calls, those that go on among them.
    pub calls: u64,
}

/// A call, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    /// The run that made it.
    pub run: RunId,
    /// The step of that run.
    pub step: String,
    /// The component that asked.
    pub component: String,
    /// The alias of the model.
    pub model: String,
    /// Who started the run.
    pub user: String,
    /// The day in UTC, `YYYY-MM-DD`.
    pub day: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What it is counted with: what was reserved, as long as it goes on.
    pub used: Used,
}

/// The calls of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// The calls, in the order in which they began.
    pub calls: Vec<CallRow>,
    /// An account does not hold the sum of its calls, which nothing but damage explains.
    pub wrong: bool,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Open, Self::Settled, Self::Unknown, Self::Overspent];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Settled => "settled",
            Self::Unknown => "unknown",
            Self::Overspent => "overspent",
        }
    }
}

impl Store {
    /// What an account holds.
    ///
    /// # Errors
    /// When the database fails.
    pub fn spent(&self, level: BudgetLevel, scope: &str) -> Result<Balance, Fault> {
        let tenant = self.tenant().key();
        spent(&self.reader(), key_tenant(&tenant, level), level, scope).map_err(|error| self.fault(error))
    }

    /// All calls of the tenant, or of one of its runs. Those of processes that died are settled first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn books(&self, run: Option<RunId>) -> Result<Books, Fault> {
        let fault = |error| self.fault(error);
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        settle_the_dead(self, &transaction)?;
        let read = || -> rusqlite::Result<Books> {
            let sql = "SELECT run, step, component, model, user, day, outcome, coalesce(cost, reserved_cost), \
                       coalesce(tokens, reserved_tokens) FROM llm_call WHERE tenant = ?1 AND (?2 IS NULL OR run = ?2) \
                       ORDER BY id";
            let mut statement = transaction.prepare_cached(sql)?;
            let rows = statement.query_map(params![self.tenant().key(), run.map(|run| *run.as_bytes())], call)?;
            Ok(Books { calls: rows.collect::<rusqlite::Result<_>>()?, wrong: is_wrong(&transaction)? })
        };
        let books = read().map_err(fault)?;
        self.commit(transaction, Vec::new())?;
        Ok(books)
    }

    /// Opens again what was closed since providers billed more than was reserved. Says how many accounts that were.
    ///
    /// # Errors
    /// When the database fails.
    pub fn accept_overspends(&self) -> Result<usize, Fault> {
        let fault = |error| self.fault(error);
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        let sql = "UPDATE llm_account SET over_cost = 0, over_tokens = 0 WHERE tenant IN ('', ?1) AND \
                   (over_cost > 0 OR over_tokens > 0)";
        let opened = transaction.execute(sql, [self.tenant().key()]).map_err(fault)?;
        self.commit(transaction, Vec::new())?;
        Ok(opened)
    }
}

pub(super) fn spent(
    connection: &Connection,
    tenant: &str,
    level: BudgetLevel,
    scope: &str,
) -> rusqlite::Result<Balance> {
    let sql = "SELECT cost, tokens, open_cost, open_tokens, over_cost, over_tokens, calls FROM llm_account \
               WHERE tenant = ?1 AND level = ?2 AND scope = ?3";
    let read = |row: &rusqlite::Row<'_>| {
        let amount = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let used = |column| Ok::<_, rusqlite::Error>(Used { cost: amount(column)?, tokens: amount(column + 1)? });
        Ok(Balance { used: used(0)?, open: used(2)?, over: used(4)?, calls: amount(6)? })
    };
    let found = connection.prepare_cached(sql)?.query_row(params![tenant, level.word(), scope], read).optional()?;
    const NOTHING: Used = Used { cost: 0, tokens: 0 };
    Ok(found.unwrap_or(Balance { used: NOTHING, open: NOTHING, over: NOTHING, calls: 0 }))
}

fn call(row: &rusqlite::Row<'_>) -> rusqlite::Result<CallRow> {
    let amount = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let word: String = row.get(6)?;
    Ok(CallRow {
        run: RunId::from_bytes(row.get(0)?),
        step: row.get(1)?,
        component: row.get(2)?,
        model: row.get(3)?,
        user: row.get(4)?,
        day: row.get(5)?,
        // The table takes no other word.
        outcome: Outcome::ALL.into_iter().find(|outcome| outcome.word() == word).unwrap_or(Outcome::Unknown),
        used: Used { cost: amount(7)?, tokens: amount(8)? },
    })
}

/// Whether an account does not hold the sum of its calls.
fn is_wrong(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM llm_account AS account LEFT JOIN (SELECT charge.tenant, level, scope, \
               count(*) AS calls, total(cost) AS cost, total(tokens) AS tokens, \
               total(CASE WHEN outcome = 'open' THEN reserved_cost END) AS open_cost, \
               total(CASE WHEN outcome = 'open' THEN reserved_tokens END) AS open_tokens \
               FROM llm_charge AS charge JOIN llm_call ON call = id GROUP BY charge.tenant, level, scope) AS sums \
               USING (tenant, level, scope) WHERE account.calls IS NOT sums.calls OR account.cost <> sums.cost \
               OR account.tokens <> sums.tokens OR account.open_cost <> sums.open_cost \
               OR account.open_tokens <> sums.open_tokens)";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}
