//! Notices that providers write on top of mail, as hashes: which are known from authors of many organisations (R44).
//!
//! Promises   a bounded table; a notice that nobody has any more is forgotten.
//! Never      holds a word of a mail, or an author.

use sqlx::AnyConnection;

use super::rows;

/// Organisations whose authors have the same notice on top of their mail: nobody but a provider writes it then.
const ORGANISATIONS: i64 = 5;
/// A notice that was not seen for so long counts no more.
const REMEMBERED_MS: i64 = 90 * 24 * 3_600_000;
/// Rows in all: who sends notices of their own making fills no disk.
const ROWS_MAX: i64 = 20_000;

/// What looks like a notice on top of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The mailbox's short name.
    pub mailbox: String,
    /// Hash of its words.
    pub words: Vec<u8>,
    /// Hash of them and of the author's organisation.
    pub domain: Vec<u8>,
}

/// Does it open mails of many authors?
///
/// # Errors
/// The database's.
pub async fn is_a_providers(connection: &mut AnyConnection, seen: &Sighting, at_ms: i64) -> sqlx::Result<bool> {
    let row = sqlx::query("SELECT count(*) AS n FROM notices WHERE mailbox = $1 AND words = $2 AND at > $3")
        .bind(seen.mailbox.clone())
        .bind(seen.words.clone())
        .bind(at_ms.saturating_sub(REMEMBERED_MS))
        .fetch_one(&mut *connection)
        .await?;
    Ok(rows::number(&row, "n")? >= ORGANISATIONS)
}

/// It was seen.
///
/// # Errors
/// The database's.
pub async fn seen(connection: &mut AnyConnection, seen: &Sighting, at_ms: i64) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM notices WHERE at <= $1")
        .bind(at_ms.saturating_sub(REMEMBERED_MS))
        .execute(&mut *connection)
        .await?;
    let again = sqlx::query("UPDATE notices SET at = $1 WHERE mailbox = $2 AND words = $3 AND domain = $4")
        .bind(at_ms)
        .bind(seen.mailbox.clone())
        .bind(seen.words.clone())
        .bind(seen.domain.clone())
        .execute(&mut *connection)
        .await?;
    if again.rows_affected() > 0 {
        return Ok(());
    }
    let row = sqlx::query("SELECT count(*) AS n FROM notices").fetch_one(&mut *connection).await?;
    if rows::number(&row, "n")? < ROWS_MAX {
        sqlx::query("INSERT INTO notices (mailbox, words, domain, at) VALUES ($1, $2, $3, $4)")
            .bind(seen.mailbox.clone())
            .bind(seen.words.clone())
            .bind(seen.domain.clone())
            .bind(at_ms)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
