//! Where something was found: a file, or a cell of a database whose source names table, column and row.

/// A source without its row, so that the cells of one column stand together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// The source up to the row.
    pub(crate) whole: &'a str,
    /// The row's number, where the source names one.
    pub(crate) row: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// Takes `…_row_(7)` off the end, as the database connectors write it.
    pub(crate) fn of(source: &'a str) -> Self {
        let split = source.strip_suffix(')').and_then(|rest| rest.rsplit_once("_row_("));
        match split {
            Some((whole, row)) if !row.is_empty() && row.bytes().all(|byte| byte.is_ascii_digit()) => {
                Self { whole, row: Some(row) }
            }
            _ => Self { whole: source, row: None },
        }
    }
}

/// How a place is shown: `shop › customers › email` for a column, anything else as it is.
pub(crate) fn title(whole: &str) -> String {
    column(whole).map_or_else(|| whole.to_owned(), |parts| parts.join(" › "))
}

fn column(whole: &str) -> Option<[&str; 3]> {
    let (_, rest) = whole.strip_suffix(')')?.split_once("_database_(")?;
    let (database, rest) = rest.split_once(")_table_(").or_else(|| rest.split_once(")_collection_("))?;
    let (table, column) = rest.split_once(")_column_(").or_else(|| rest.split_once(")_field_("))?;
    Some([database, table, column])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cells_of_a_column_are_one_place() {
        let source = "sqlite_database_(shop)_table_(customers)_column_(email)_row_(13)";
        let place = Place::of(source);
        assert_eq!(place.row, Some("13"));
        assert_eq!(title(place.whole), "shop › customers › email");
        assert_eq!(title("mongodb_database_(d)_collection_(c)_field_(a.b)"), "d › c › a.b");
    }

    #[test]
    fn what_only_looks_like_a_cell_stays_whole() {
        for source in ["notes/a_row_(x)", "a_row_()", "b_row_(1", "_database_(x)", ""] {
            assert_eq!(Place::of(source), Place { whole: source, row: None });
            assert_eq!(title(source), source);
        }
    }
}
