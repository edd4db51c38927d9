//! Statements whose text depends on what is asked. The builder of sqlx writes `?` where it does not know the database
//! yet, which PostgreSQL does not understand.

use std::fmt::Write as _;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, Arguments as _, AssertSqlSafe};

/// A statement being put together: text, with `$1`, `$2` … for its values.
pub(super) struct Statement {
    text: String,
    values: AnyArguments,
}

impl Statement {
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            values: AnyArguments::default(),
        }
    }

    /// Adds text; never any that came from outside.
    pub(super) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value.
    pub(super) fn bind<'v, T>(&mut self, value: T) -> &mut Self
    where
        T: sqlx::Encode<'v, Any> + sqlx::Type<Any>,
    {
        self.values
            .add(value)
            .expect("every type that we store has a form in both databases");
        write!(self.text, "${}", self.values.len()).expect("memory takes any text");
        self
    }

    /// Adds `(…), (…)`, a row for each of `rows`.
    pub(super) fn rows<T>(&mut self, rows: &[T], bind: impl Fn(&mut List<'_>, &T)) -> &mut Self {
        self.push("VALUES ");
        for (idx, row) in rows.iter().enumerate() {
            self.push(if idx == 0 { "(" } else { ", (" });
            bind(
                &mut List {
                    statement: self,
                    is_first: true,
                },
                row,
            );
            self.push(")");
        }
        self
    }

    /// Adds `(…)` with a value for each.
    pub(super) fn list(&mut self, values: impl Iterator<Item = String>) -> &mut Self {
        self.push("(");
        let mut list = List {
            statement: self,
            is_first: true,
        };
        for value in values {
            list.bind(value);
        }
        self.push(")")
    }

    /// To be run once: a text with its own number of values is not worth keeping prepared.
    pub(super) fn query(self) -> Query<'static, Any, AnyArguments> {
        // All of the text is from this program, as `push` takes no other.
        sqlx::query_with(AssertSqlSafe(self.text), self.values).persistent(false)
    }
}

/// Values with commas between them.
pub(super) struct List<'s> {
    statement: &'s mut Statement,
    is_first: bool,
}

impl List<'_> {
    pub(super) fn bind<'v, T>(&mut self, value: T) -> &mut Self
    where
        T: sqlx::Encode<'v, Any> + sqlx::Type<Any>,
    {
        if !std::mem::take(&mut self.is_first) {
            self.statement.push(", ");
        }
        self.statement.bind(value);
        self
    }
}

/// Text as both databases take it: PostgreSQL refuses the character NUL, and a commit that is refused for what
/// somebody sent would be tried for ever.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_in_the_order_they_come() {
        let mut statement = Statement::new("INSERT INTO a ");
        statement.rows(&[1_i64, 2], |list, &value| {
            list.bind(value).bind("x");
        });
        statement
            .push(" WHERE b IN ")
            .list(["y".to_owned(), "z".to_owned()].into_iter());
        assert_eq!(
            statement.text,
            "INSERT INTO a VALUES ($1, $2), ($3, $4) WHERE b IN ($5, $6)"
        );
        assert_eq!(statement.values.len(), 6);
    }
}
