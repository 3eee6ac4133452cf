//! `case search`: cases in which all of some words occur, in one mail or over several.
//!
//! Follows    FTS5 on SQLite, `tsvector` on PostgreSQL; words are cut here, so that both find the same.

use sqlx::{AnyConnection, AssertSqlSafe};

use crate::desk::case::Entry;
use crate::desk::token::CaseKey;

use super::Store;
use super::cases::{LISTED, Listed, NO_PROBE, listed};

/// Characters of an entry that are found; PostgreSQL's limit for one row of words is 1 MiB.
const SEARCHED_CHARS_MAX: usize = 100_000;
/// Words of one search.
const WORDS_MAX: usize = 20;

/// What is found of an entry: its subject, its author and its new words.
pub(super) fn words(entry: &Entry) -> String {
    let Entry { subject, author, author_name, text, .. } = entry;
    let fields = [subject, author_name, author, text];
    cut(fields.iter().flat_map(|field| field.chars().chain([' '])).take(SEARCHED_CHARS_MAX))
}

/// Letters and digits, all else is space: the two databases cut addresses and hyphens differently.
fn cut(characters: impl Iterator<Item = char>) -> String {
    characters.map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect()
}

/// The words of a case that is forgotten (R34).
pub(super) async fn forget(connection: &mut AnyConnection, case: CaseKey) -> sqlx::Result<()> {
    let column = if connection.backend_name() == "SQLite" { "rowid" } else { "entry_id" };
    let sql = format!("DELETE FROM entry_words WHERE {column} IN (SELECT id FROM entries WHERE case_key = $1)");
    sqlx::query(AssertSqlSafe(sql)).bind(case.to_i64()).execute(&mut *connection).await?;
    Ok(())
}

impl Store {
    /// Cases in whose mails all these words occur, newest first. Nothing is found for no words.
    ///
    /// # Errors
    /// The database's.
    pub async fn search(&self, words: &str, limit: i64) -> sqlx::Result<Vec<Listed>> {
        let words = cut(words.chars());
        let words: Vec<&str> = words.split_whitespace().take(WORDS_MAX).collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let (found, query): (&str, fn(&str) -> String) = if self.is_sqlite() {
            ("entries.id IN (SELECT rowid FROM entry_words WHERE words MATCH $N)", |word| format!("\"{word}\""))
        } else {
            (
                "entries.id IN (SELECT entry_id FROM entry_words WHERE words @@ plainto_tsquery('simple', $N))",
                str::to_owned,
            )
        };
        let conditions: Vec<String> = (0..words.len())
            .map(|n| {
                let found = found.replace("$N", &format!("${}", n.saturating_add(2)));
                format!("EXISTS (SELECT 1 FROM entries WHERE entries.case_key = cases.case_key AND {found})")
            })
            .collect();
        let sql = format!(
            "{LISTED} WHERE {NO_PROBE} AND {} ORDER BY cases.reference DESC LIMIT $1",
            conditions.join(" AND ")
        );
        let all = words.iter().fold(sqlx::query(AssertSqlSafe(sql)).bind(limit), |all, word| all.bind(query(word)));
        all.fetch_all(self.reader()).await?.iter().map(listed).collect()
    }
}
