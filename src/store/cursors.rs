//! How far intake has read, what it could not read, what is to be done on the server, and how accounts fare.

use sqlx::AnyConnection;

use super::Store;
use super::insert::{Insert, Value};
use super::rows;
use super::types::{AccountState, After, Cursor, Errand, Gap, GapState};

const ERRANDS: Insert =
    Insert { into: "errands (mailbox, folder, uidvalidity, uid, action)", row: "($1, $2, $3, $4, $5)", tail: "" };

/// The word of [`After::Remove`].
const REMOVE: &str = "remove";

fn unsigned(value: i64) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

/// Moves the cursor, in the transaction of what the mails caused.
///
/// # Errors
/// The database's.
pub async fn set_cursor(connection: &mut AnyConnection, cursor: &Cursor) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO cursors (mailbox, folder, uidvalidity, generation, uid_last, uid_old, taken_from, fresh_from,
                              started_at, read_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (mailbox, folder) DO UPDATE SET uidvalidity = $3, generation = $4, uid_last = $5, uid_old = $6,
            taken_from = $7, fresh_from = $8, read_at = $10",
    )
    .bind(cursor.mailbox.clone())
    .bind(cursor.folder.clone())
    .bind(i64::from(cursor.uidvalidity))
    .bind(i64::from(cursor.generation))
    .bind(i64::from(cursor.uid_last))
    .bind(i64::from(cursor.uid_old))
    .bind(cursor.taken_from_ms)
    .bind(cursor.fresh_from_ms)
    .bind(cursor.started_ms)
    .bind(cursor.read_ms)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Moves the cursor on from where it stood: if it stands elsewhere, an earlier batch was not committed, or somebody else
/// reads this folder.
///
/// # Errors
/// The database's; [`sqlx::Error::WorkerCrashed`] if it stands elsewhere, and then nothing of the batch may stay.
pub async fn move_cursor(connection: &mut AnyConnection, cursor: &Cursor, uid_before: u32) -> sqlx::Result<()> {
    let moved = sqlx::query(
        "UPDATE cursors SET uid_last = $1, read_at = $2
         WHERE mailbox = $3 AND folder = $4 AND uidvalidity = $5 AND generation = $6 AND uid_last = $7",
    )
    .bind(i64::from(cursor.uid_last))
    .bind(cursor.read_ms)
    .bind(cursor.mailbox.clone())
    .bind(cursor.folder.clone())
    .bind(i64::from(cursor.uidvalidity))
    .bind(i64::from(cursor.generation))
    .bind(i64::from(uid_before))
    .execute(&mut *connection)
    .await?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::WorkerCrashed) }
}

/// Writes or updates a gap.
///
/// # Errors
/// The database's.
pub async fn set_gap(connection: &mut AnyConnection, cursor: &Cursor, gap: &Gap) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO gaps (mailbox, folder, uidvalidity, uid, state, reason, attempts) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (mailbox, folder, uidvalidity, uid) DO UPDATE SET state = $5, reason = $6, attempts = $7",
    )
    .bind(cursor.mailbox.clone())
    .bind(cursor.folder.clone())
    .bind(i64::from(cursor.uidvalidity))
    .bind(i64::from(gap.uid))
    .bind(match gap.state {
        GapState::Pending => "pending",
        GapState::Gone => "gone",
        GapState::Failed => "failed",
    })
    .bind(gap.reason.clone())
    .bind(i64::from(gap.attempts))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// The UID was read after all.
///
/// # Errors
/// The database's.
pub async fn close_gap(connection: &mut AnyConnection, cursor: &Cursor, uid: u32) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM gaps WHERE mailbox = $1 AND folder = $2 AND uidvalidity = $3 AND uid = $4")
        .bind(cursor.mailbox.clone())
        .bind(cursor.folder.clone())
        .bind(i64::from(cursor.uidvalidity))
        .bind(i64::from(uid))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Something is to be done on the server with each of these.
///
/// # Errors
/// The database's.
pub async fn add_errands(
    connection: &mut AnyConnection,
    cursor: &Cursor,
    uids: &[u32],
    after: &After,
) -> sqlx::Result<()> {
    let action = match after {
        After::Keep => return Ok(()),
        After::Keyword => "keyword".to_owned(),
        After::Seen => "seen".to_owned(),
        After::Move(folder) => format!("move:{folder}"),
        After::Remove => REMOVE.to_owned(),
    };
    let row = |uid: &u32| {
        vec![
            Value::Text(cursor.mailbox.clone()),
            Value::Text(cursor.folder.clone()),
            Value::Number(i64::from(cursor.uidvalidity)),
            Value::Number(i64::from(*uid)),
            Value::Text(action.clone()),
        ]
    };
    ERRANDS.rows(connection, uids.iter().map(row).collect()).await
}

/// The mail of this event is to be deleted on the server, where it came from there.
///
/// # Errors
/// The database's.
pub async fn remove(connection: &mut AnyConnection, event_id: &str) -> sqlx::Result<()> {
    let place = event_id.strip_prefix("imap/").and_then(|rest| {
        let (mailbox, rest) = rest.split_once('/')?;
        let (rest, uid) = rest.rsplit_once('/')?;
        let (folder, epoch) = rest.rsplit_once('/')?;
        let uidvalidity = epoch.split('.').next()?;
        Some(vec![
            Value::Text(mailbox.to_owned()),
            Value::Text(folder.to_owned()),
            Value::Number(uidvalidity.parse().ok()?),
            Value::Number(uid.parse().ok()?),
            Value::Text(REMOVE.to_owned()),
        ])
    });
    match place {
        Some(row) => ERRANDS.rows(connection, vec![row]).await,
        None => Ok(()),
    }
}

/// Records how an account fares; `since` moves only when the state changes.
///
/// # Errors
/// The database's.
pub async fn set_account(
    connection: &mut AnyConnection,
    now_ms: i64,
    state: &AccountState,
    paused_until_ms: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO accounts (mailbox, side, state, detail, since, paused_until) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (mailbox, side) DO UPDATE SET
            since = CASE WHEN accounts.state = $3 THEN accounts.since ELSE $5 END,
            state = $3, detail = $4, paused_until = $6",
    )
    .bind(state.mailbox.clone())
    .bind(state.side.clone())
    .bind(state.state.clone())
    .bind(state.detail.clone())
    .bind(now_ms)
    .bind(paused_until_ms)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

impl Store {
    /// Where intake stands in a folder.
    ///
    /// # Errors
    /// The database's.
    pub async fn cursor(&self, mailbox: &str, folder: &str) -> sqlx::Result<Option<Cursor>> {
        let row = sqlx::query("SELECT * FROM cursors WHERE mailbox = $1 AND folder = $2")
            .bind(mailbox.to_owned())
            .bind(folder.to_owned())
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| {
            Ok(Cursor {
                mailbox: mailbox.to_owned(),
                folder: folder.to_owned(),
                uidvalidity: unsigned(rows::number(&row, "uidvalidity")?),
                generation: unsigned(rows::number(&row, "generation")?),
                uid_last: unsigned(rows::number(&row, "uid_last")?),
                uid_old: unsigned(rows::number(&row, "uid_old")?),
                taken_from_ms: rows::number(&row, "taken_from")?,
                fresh_from_ms: rows::number(&row, "fresh_from")?,
                started_ms: rows::number(&row, "started_at")?,
                read_ms: rows::number(&row, "read_at")?,
            })
        })
        .transpose()
    }

    /// Gaps of a folder that are tried again.
    ///
    /// # Errors
    /// The database's.
    pub async fn gaps(&self, mailbox: &str, folder: &str, uidvalidity: u32) -> sqlx::Result<Vec<Gap>> {
        let found = sqlx::query(
            "SELECT uid, state, reason, attempts FROM gaps
             WHERE mailbox = $1 AND folder = $2 AND uidvalidity = $3 ORDER BY uid",
        )
        .bind(mailbox.to_owned())
        .bind(folder.to_owned())
        .bind(i64::from(uidvalidity))
        .fetch_all(self.reader())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(Gap {
                    uid: unsigned(rows::number(row, "uid")?),
                    state: match rows::text(row, "state")?.as_str() {
                        "pending" => GapState::Pending,
                        "gone" => GapState::Gone,
                        _ => GapState::Failed,
                    },
                    reason: rows::text(row, "reason")?,
                    attempts: unsigned(rows::number(row, "attempts")?),
                })
            })
            .collect()
    }

    /// What is to be done on the server, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn errands(
        &self,
        mailbox: &str,
        folder: &str,
        uidvalidity: u32,
        limit: u32,
    ) -> sqlx::Result<Vec<Errand>> {
        let found = sqlx::query(
            "SELECT uid, action FROM errands WHERE mailbox = $1 AND folder = $2 AND uidvalidity = $3 ORDER BY id LIMIT $4",
        )
        .bind(mailbox.to_owned())
        .bind(folder.to_owned())
        .bind(i64::from(uidvalidity))
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await?;
        found
            .iter()
            .map(|row| {
                let action = rows::text(row, "action")?;
                Ok(Errand {
                    uid: unsigned(rows::number(row, "uid")?),
                    action: match (action.as_str(), action.strip_prefix("move:")) {
                        (_, Some(folder)) => After::Move(folder.to_owned()),
                        ("keyword", _) => After::Keyword,
                        ("seen", _) => After::Seen,
                        (REMOVE, _) => After::Remove,
                        _ => After::Keep,
                    },
                })
            })
            .collect()
    }

    /// These are done.
    ///
    /// # Errors
    /// The database's.
    pub async fn errands_done(&self, mailbox: &str, folder: &str, uidvalidity: u32, uids: &[u32]) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        for uid in uids {
            sqlx::query("DELETE FROM errands WHERE mailbox = $1 AND folder = $2 AND uidvalidity = $3 AND uid = $4")
                .bind(mailbox.to_owned())
                .bind(folder.to_owned())
                .bind(i64::from(uidvalidity))
                .bind(i64::from(*uid))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    /// Records how an account fares; `since` moves only when the state changes.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_account_state(&self, now_ms: i64, state: &AccountState, paused_until_ms: i64) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        set_account(&mut transaction, now_ms, state, paused_until_ms).await?;
        transaction.commit().await
    }

    /// Until when an account is paused, milliseconds; 0 if it is not.
    ///
    /// # Errors
    /// The database's.
    pub async fn paused_until(&self, mailbox: &str, side: &str) -> sqlx::Result<i64> {
        let row = sqlx::query("SELECT paused_until FROM accounts WHERE mailbox = $1 AND side = $2")
            .bind(mailbox.to_owned())
            .bind(side.to_owned())
            .fetch_optional(self.reader())
            .await?;
        row.map_or(Ok(0), |row| rows::number(&row, "paused_until"))
    }

    /// All accounts.
    ///
    /// # Errors
    /// The database's.
    pub async fn accounts(&self) -> sqlx::Result<Vec<AccountState>> {
        sqlx::query("SELECT mailbox, side, state, detail, since FROM accounts ORDER BY mailbox, side")
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                Ok(AccountState {
                    mailbox: rows::text(row, "mailbox")?,
                    side: rows::text(row, "side")?,
                    state: rows::text(row, "state")?,
                    detail: rows::text(row, "detail")?,
                    since_ms: rows::number(row, "since")?,
                })
            })
            .collect()
    }
}
