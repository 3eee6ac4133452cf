//! The copies of entries in the mailbox's own folders (R94): which should be there, and where they are believed to lie.
//!
//! Promises   where a copy goes is written before the step that takes it there, and settled after: whatever a crash leaves
//!            on the server, it is known whose doing it is.

use std::collections::BTreeMap;

use sqlx::AnyConnection;

use crate::desk::case::{Direction, Entry, Status};
use crate::desk::token::CaseKey;

use super::types::Filed;
use super::{Store, outbox, rows};

/// Cases that the folders of one mailbox show: those where something happened last.
const CASES_MAX: i64 = 5_000;
/// Copies in the folders of one mailbox.
const COPIES_MAX: i64 = 50_000;

/// How a case stands, as far as it says where its copies lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its key.
    pub case: i64,
    /// Its status.
    pub status: Status,
    /// Short name of its owner.
    pub owner: Option<String>,
}

/// A copy on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Going {
    /// The entry.
    pub entry: i64,
    /// What stands in its header.
    pub marker: String,
    /// The folder where it was seen last; empty: nowhere.
    pub place: String,
    /// The folder where it goes.
    pub going: String,
}

/// Of what a copy is made.
#[derive(Debug, Clone)]
pub struct Source {
    /// The entry.
    pub entry: Entry,
    /// Its case.
    pub case: CaseKey,
    /// The mail as it came, or as it left; `None` where none was kept.
    pub raw: Option<Vec<u8>>,
    /// Message-ID of the entry before it.
    pub before: Option<String>,
}

impl Store {
    /// All copies of a mailbox that should be somewhere, or may still be, and where `wanted` says that they should.
    /// Closed cases are shown until `closed_after_ms`.
    ///
    /// # Errors
    /// The database's.
    pub async fn filed(
        &self,
        mailbox: &str,
        closed_after_ms: i64,
        wanted: impl Fn(&Standing) -> Option<String>,
    ) -> sqlx::Result<Vec<Filed>> {
        let mut filed = self.shown(mailbox, closed_after_ms, wanted).await?;
        let known = sqlx::query("SELECT entry_id, marker, place, going FROM copies WHERE mailbox = $1")
            .bind(mailbox.to_owned())
            .fetch_all(self.reader())
            .await?;
        for row in &known {
            let entry = rows::number(row, "entry_id")?;
            let nothing = Filed { wanted: None, case: None, ..unfiled(entry) };
            let copy = filed.entry(entry).or_insert(nothing);
            copy.marker = rows::text(row, "marker")?;
            copy.place = rows::text(row, "place")?;
            copy.going = rows::text(row, "going")?;
        }
        Ok(filed.into_values().collect())
    }

    async fn shown(
        &self,
        mailbox: &str,
        closed_after_ms: i64,
        wanted: impl Fn(&Standing) -> Option<String>,
    ) -> sqlx::Result<BTreeMap<i64, Filed>> {
        let found = sqlx::query(
            "SELECT entries.id AS entry, shown.case_key, shown.status, shown.owner
             FROM (SELECT case_key, status, owner, updated_at FROM cases
                   WHERE mailbox = $1 AND merged_into IS NULL
                     AND NOT EXISTS (SELECT 1 FROM probes WHERE probes.case_key = cases.case_key)
                     AND (status IN ('new', 'open', 'waiting') OR (status = 'closed' AND closed_at > $2))
                   ORDER BY updated_at DESC LIMIT $3) AS shown
             JOIN entries ON entries.case_key = shown.case_key
             ORDER BY shown.updated_at DESC, entries.id LIMIT $4",
        )
        .bind(mailbox.to_owned())
        .bind(closed_after_ms)
        .bind(CASES_MAX)
        .bind(COPIES_MAX)
        .fetch_all(self.reader())
        .await?;
        let mut shown = BTreeMap::new();
        for row in &found {
            let (entry, status) = (rows::number(row, "entry")?, rows::text(row, "status")?);
            let standing = Standing {
                case: rows::number(row, "case_key")?,
                status: Status::from_word(&status).ok_or_else(|| rows::bad("status", status))?,
                owner: rows::maybe_text(row, "owner")?,
            };
            let wanted = wanted(&standing);
            shown.insert(entry, Filed { case: Some(standing.case), wanted, ..unfiled(entry) });
        }
        Ok(shown)
    }

    /// Of what the copy of this entry is made; `None` if the entry is gone.
    ///
    /// # Errors
    /// The database's.
    pub async fn source(&self, entry: i64) -> sqlx::Result<Option<Source>> {
        let mut connection = self.reader().acquire().await?;
        let row =
            sqlx::query("SELECT * FROM entries WHERE id = $1").bind(entry).fetch_optional(&mut *connection).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let case = rows::case_key(&row, "case_key")?;
        let said = rows::entry(&row)?.1;
        let raw = match said.direction {
            Direction::Inbound => arrived(&mut connection, entry).await?,
            Direction::Outbound => left(&mut connection, entry, said.origin.unwrap_or(case)).await?,
            Direction::Note => None,
        };
        let before = sqlx::query(
            "SELECT message_id FROM entries WHERE case_key = $1 AND id < $2 AND message_id IS NOT NULL
             ORDER BY id DESC LIMIT 1",
        )
        .bind(case.to_i64())
        .bind(entry)
        .fetch_optional(&mut *connection)
        .await?;
        let before = before.map(|row| rows::text(&row, "message_id")).transpose()?;
        Ok(Some(Source { entry: said, case, raw, before }))
    }

    /// These are about to go.
    ///
    /// # Errors
    /// The database's.
    pub async fn copies_go(&self, mailbox: &str, copies: &[Going]) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        for Going { entry, marker, place, going } in copies {
            sqlx::query(
                "INSERT INTO copies (mailbox, entry_id, marker, place, going) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (mailbox, entry_id) DO UPDATE SET marker = $3, place = $4, going = $5",
            )
            .bind(mailbox.to_owned())
            .bind(*entry)
            .bind(marker.clone())
            .bind(place.clone())
            .bind(going.clone())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    }

    /// These lie there: entry, folder.
    ///
    /// # Errors
    /// The database's.
    pub async fn copies_lie(&self, mailbox: &str, copies: &[(i64, String)]) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        for (entry, place) in copies {
            sqlx::query("UPDATE copies SET place = $1, going = '' WHERE mailbox = $2 AND entry_id = $3")
                .bind(place.clone())
                .bind(mailbox.to_owned())
                .bind(*entry)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    /// There is no copy of these any more.
    ///
    /// # Errors
    /// The database's.
    pub async fn copies_gone(&self, mailbox: &str, entries: &[i64]) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        for entry in entries {
            sqlx::query("DELETE FROM copies WHERE mailbox = $1 AND entry_id = $2")
                .bind(mailbox.to_owned())
                .bind(*entry)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    /// The folders are not looked at: what is moved meanwhile is no order.
    ///
    /// # Errors
    /// The database's.
    pub async fn copies_unwatched(&self) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        for sql in [
            "UPDATE copies SET place = '', going = '' WHERE place <> '' OR going <> ''",
            "DELETE FROM accounts WHERE side = 'folders'",
        ] {
            sqlx::query(sql).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}

fn unfiled(entry: i64) -> Filed {
    Filed { entry, case: None, marker: String::new(), place: String::new(), going: String::new(), wanted: None }
}

/// A mail as it came; what was found in the folder for sent mail came so too (R49).
async fn arrived(connection: &mut AnyConnection, entry: i64) -> sqlx::Result<Option<Vec<u8>>> {
    let row = sqlx::query("SELECT raw FROM mails WHERE entry_id = $1 ORDER BY id LIMIT 1")
        .bind(entry)
        .fetch_optional(&mut *connection)
        .await?;
    Ok(row.map(|row| rows::bytes(&row, "raw")).transpose()?.filter(|raw| !raw.is_empty()))
}

/// A mail as it left; `case`: the one in which it did.
async fn left(connection: &mut AnyConnection, entry: i64, case: CaseKey) -> sqlx::Result<Option<Vec<u8>>> {
    let row = sqlx::query(
        "SELECT id FROM outbox WHERE case_key = $1 AND entry_id = $2 AND agent IS NULL ORDER BY id LIMIT 1",
    )
    .bind(case.to_i64())
    .bind(entry)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = row {
        return match outbox::content(connection, rows::number(&row, "id")?).await {
            // an attachment is not kept any more
            Err(sqlx::Error::ColumnDecode { .. } | sqlx::Error::RowNotFound) => Ok(None),
            content => content.map(Some),
        };
    }
    let found = sqlx::query("SELECT id FROM mails WHERE entry_id = $1 AND event_id LIKE 'sent/%'")
        .bind(entry)
        .fetch_optional(&mut *connection)
        .await?;
    if found.is_some() { arrived(connection, entry).await } else { Ok(None) }
}
