//! Many rows of one table in few statements: on both databases a statement costs more than a row.
//!
//! Never     decides which rows: [`super::pending`] collects them.

use std::sync::Arc;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe};

/// Rows in one statement, largest first: few different statements, so that all stay prepared. Larger ones gain nothing:
/// SQLite looks each parameter up by a walk over all of the statement's.
const CHUNKS: [usize; 5] = [16, 8, 4, 2, 1];

/// A value of a row.
#[derive(Debug, Clone)]
pub enum Value {
    /// BIGINT.
    Number(i64),
    /// BIGINT or NULL.
    MaybeNumber(Option<i64>),
    /// TEXT.
    Text(String),
    /// TEXT or NULL.
    MaybeText(Option<String>),
    /// BLOB or BYTEA.
    Bytes(Arc<Vec<u8>>),
}

/// A row, in the order of its table's columns.
pub type Row = Vec<Value>;

/// How rows of a table are written.
#[derive(Debug, Clone, Copy)]
pub struct Insert {
    /// `table (columns)`.
    pub into: &'static str,
    /// One row as SQL; `$1` is its first value.
    pub row: &'static str,
    /// What follows the rows.
    pub tail: &'static str,
}

impl Insert {
    fn sql(&self, rows: usize, width: usize) -> String {
        format!("INSERT INTO {} VALUES {}{}", self.into, repeated(self.row, rows, width), self.tail)
    }

    /// Writes all rows.
    ///
    /// # Errors
    /// The database's.
    pub async fn rows(&self, connection: &mut AnyConnection, rows: Vec<Row>) -> sqlx::Result<()> {
        for chunk in chunks(rows) {
            let sql = AssertSqlSafe(self.sql(chunk.len(), chunk.first().map_or(0, Vec::len)));
            bound(sqlx::query(sql), chunk).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Writes all rows and gives back their ids, in their order: both databases number the rows of one statement as
    /// they stand in it. The tail returns `id`.
    ///
    /// # Errors
    /// The database's.
    pub async fn numbered(&self, connection: &mut AnyConnection, rows: Vec<Row>) -> sqlx::Result<Vec<i64>> {
        let mut ids = Vec::with_capacity(rows.len());
        for chunk in chunks(rows) {
            let sql = AssertSqlSafe(self.sql(chunk.len(), chunk.first().map_or(0, Vec::len)));
            let written = bound(sqlx::query(sql), chunk).fetch_all(&mut *connection).await?;
            let mut some = written.iter().map(id).collect::<sqlx::Result<Vec<i64>>>()?;
            // the order of returned rows is not promised, that of the ids is
            some.sort_unstable();
            ids.append(&mut some);
        }
        Ok(ids)
    }
}

fn id(row: &AnyRow) -> sqlx::Result<i64> {
    super::rows::number(row, "id")
}

/// A row as SQL, so many times, each with placeholders of its own.
pub(super) fn repeated(row: &str, times: usize, width: usize) -> String {
    let mut sql = String::new();
    for number in 0..times {
        if number > 0 {
            sql.push_str(", ");
        }
        renumber(row, number.saturating_mul(width), &mut sql);
    }
    sql
}

/// `$1` becomes `$(1 + by)`.
fn renumber(row: &str, by: usize, into: &mut String) {
    let mut rest = row;
    while let Some((before, after)) = rest.split_once('$') {
        into.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = after.split_at_checked(digits).unwrap_or((after, ""));
        let number = number.parse::<usize>().unwrap_or_default();
        into.push('$');
        into.push_str(&number.saturating_add(by).to_string());
        rest = after;
    }
    into.push_str(rest);
}

/// Rows in groups of few different sizes.
pub(super) fn chunks<T>(rows: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut rest = rows.into_iter();
    std::iter::from_fn(move || {
        let left = rest.len();
        let size = CHUNKS.into_iter().find(|size| *size <= left)?;
        Some(rest.by_ref().take(size).collect())
    })
}

fn bound(mut query: Query<'_, Any, AnyArguments>, rows: Vec<Row>) -> Query<'_, Any, AnyArguments> {
    for value in rows.into_iter().flatten() {
        query = match value {
            Value::Number(number) => query.bind(number),
            Value::MaybeNumber(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::MaybeText(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(Arc::unwrap_or_clone(bytes)),
        };
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_holds_many_rows() {
        let insert = Insert { into: "t (a, b)", row: "($1, (SELECT x FROM y WHERE z = $2))", tail: " RETURNING id" };
        assert_eq!(
            insert.sql(2, 2),
            "INSERT INTO t (a, b) VALUES ($1, (SELECT x FROM y WHERE z = $2)), ($3, (SELECT x FROM y WHERE z = $4)) \
             RETURNING id"
        );
        let sizes: Vec<usize> = chunks(vec![vec![Value::Number(1)]; 70]).map(|c| c.len()).collect();
        assert_eq!(sizes, [16, 16, 16, 16, 4, 2]);
    }
}
