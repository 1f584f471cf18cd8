//! A first look at a statement, before a server sees it. What really keeps it from writing is the transaction, which is
//! read-only, and a user who may do no more than read.

use crate::error::QueryError;
use palisade_model::sql::ServerKind;

/// Words with which a statement begins that reads.
const READING: [&str; 4] = ["select", "with", "values", "table"];

/// What MySQL reads and writes files of the server by, from within a statement that selects.
const FILES: [&str; 3] = ["dumpfile", "load_file", "outfile"];

/// Lets a statement through that begins as reading ones do.
///
/// # Errors
/// [`QueryError::NotAllowed`] for any other.
pub(crate) fn check(kind: ServerKind, statement: &str) -> Result<(), QueryError> {
    // MySQL runs what stands in such a comment.
    let hides = || ["/*!", "/*M!"].iter().any(|hidden| statement.contains(hidden));
    if kind == ServerKind::MySql && (hides() || words(statement).any(|word| FILES.contains(&word.as_str()))) {
        return Err(QueryError::NotAllowed);
    }
    let first = first_word(kind, statement).to_ascii_lowercase();
    if READING.contains(&first.as_str()) { Ok(()) } else { Err(QueryError::NotAllowed) }
}

/// All words, in lower case, wherever they stand: also where they are the names of something.
fn words(statement: &str) -> impl Iterator<Item = String> {
    let words = statement.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase)
}

fn first_word(kind: ServerKind, statement: &str) -> &str {
    let mut rest = statement;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '(');
        let comment = if rest.starts_with("--") || (kind == ServerKind::MySql && rest.starts_with('#')) {
            rest.find('\n').map(|end| end + 1)
        } else if rest.starts_with("/*") {
            // PostgreSQL nests these: then what is found is no word, and nothing is let through.
            rest.find("*/").map(|end| end + 2)
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            return rest.get(..end).unwrap_or_default();
        };
        match comment.and_then(|end| rest.get(end..)) {
            Some(behind) => rest = behind,
            None => return "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_all(kind: ServerKind, statements: &[&str], expected: Result<(), QueryError>) {
        for statement in statements {
            assert_eq!(check(kind, statement), expected, "{statement}");
        }
    }

    #[test]
    fn only_what_begins_as_reading_does_is_let_through() {
        for kind in ServerKind::ALL {
            let reads = [
                "SELECT 1",
                "select*from t",
                "\n ( (SELECT 1))",
                "WITH x AS (SELECT 1) SELECT * FROM x",
                "VALUES (1)",
                "TABLE t",
                "-- why\n/* and */ SELECT 1",
            ];
            check_all(kind, &reads, Ok(()));
            let writes = [
                "INSERT INTO t VALUES (1)",
                "UPDATE t SET a = 1",
                "COPY t TO PROGRAM 'x'",
                "SET a = 1",
                "DO $$ $$",
                "CALL x()",
                "EXPLAIN ANALYZE DELETE FROM t",
                "LOCK TABLE t",
                "selects 1",
                "/* SELECT */ DELETE FROM t",
                "/* SELECT",
                "-- SELECT",
                "; SELECT 1",
                "",
                "(",
            ];
            check_all(kind, &writes, Err(QueryError::NotAllowed));
        }
        check_all(ServerKind::MySql, &["# why\nSELECT 1"], Ok(()));
        let hidden = [
            "SELECT 1 /*! FOR UPDATE */",
            "/*M!100000 DELETE FROM t */",
            "SELECT 1 INTO OUTFILE 'x'",
            "SELECT 1 INTO/**/DumpFile 'x'",
            "SELECT `LOAD_FILE` ('/etc/passwd')",
        ];
        check_all(ServerKind::MySql, &hidden, Err(QueryError::NotAllowed));
        check_all(ServerKind::Postgres, &["# why\nSELECT 1"], Err(QueryError::NotAllowed));
        check_all(ServerKind::MySql, &["SELECT load_files FROM outfiles"], Ok(()));
    }
}
