//! Mail that could not be handled, whole and visible.

use sqlx::AnyConnection;

use super::Store;
use super::rows;

/// A quarantined mail.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// Row id.
    pub id: i64,
    /// Its event, under which it is replayed.
    pub event_id: String,
    /// Mailbox short name.
    pub mailbox: String,
    /// When, milliseconds.
    pub at_ms: i64,
    /// Why, in words.
    pub reason: String,
    /// Octets.
    pub size_bytes: i64,
    /// Older than the first start.
    pub old: bool,
}

/// Puts a mail aside.
///
/// # Errors
/// The database's.
pub async fn put(connection: &mut AnyConnection, row: &Quarantined, raw: &[u8]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO quarantine (event_id, mailbox, at, reason, size, old, raw) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (event_id) DO UPDATE SET reason = $4",
    )
    .bind(row.event_id.clone())
    .bind(row.mailbox.clone())
    .bind(row.at_ms)
    .bind(row.reason.clone())
    .bind(row.size_bytes)
    .bind(i64::from(row.old))
    .bind(raw.to_vec())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Takes a mail out, with the event that put it there, so that it can be handled anew.
///
/// # Errors
/// The database's.
pub async fn take(connection: &mut AnyConnection, id: i64) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM events WHERE outcome = 'quarantined' AND id IN (SELECT event_id FROM quarantine WHERE id = $1)",
    )
    .bind(id)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM quarantine WHERE id = $1").bind(id).execute(&mut *connection).await?;
    Ok(())
}

impl Store {
    /// All that is there, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn quarantined(&self) -> sqlx::Result<Vec<Quarantined>> {
        sqlx::query("SELECT id, event_id, mailbox, at, reason, size, old FROM quarantine ORDER BY id")
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                Ok(Quarantined {
                    id: rows::number(row, "id")?,
                    event_id: rows::text(row, "event_id")?,
                    mailbox: rows::text(row, "mailbox")?,
                    at_ms: rows::number(row, "at")?,
                    reason: rows::text(row, "reason")?,
                    size_bytes: rows::number(row, "size")?,
                    old: rows::number(row, "old")? != 0,
                })
            })
            .collect()
    }

    /// The bytes of one.
    ///
    /// # Errors
    /// The database's.
    pub async fn quarantined_raw(&self, id: i64) -> sqlx::Result<Option<Vec<u8>>> {
        let row =
            sqlx::query("SELECT raw FROM quarantine WHERE id = $1").bind(id).fetch_optional(self.reader()).await?;
        row.map(|row| rows::bytes(&row, "raw")).transpose()
    }

    /// Drops one for good; its event stays, so that it is not fetched again. `false` if there is none.
    ///
    /// # Errors
    /// The database's.
    pub async fn quarantine_drop(&self, id: i64) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        let dropped = "UPDATE events SET outcome = 'dropped', kind = 'dropped'
                       WHERE id = (SELECT event_id FROM quarantine WHERE id = $1)";
        sqlx::query(dropped).bind(id).execute(&mut *transaction).await?;
        let done = sqlx::query("DELETE FROM quarantine WHERE id = $1").bind(id).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}
