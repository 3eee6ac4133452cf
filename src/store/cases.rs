//! Cases as `case list` and `case show` show them, and the sums of `audit`.

use sqlx::AnyConnection;

use crate::desk::case::{Case, Entry};
use crate::desk::token::CaseKey;

use super::Store;
use super::rows;

/// Which cases to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Status word.
    pub status: Option<String>,
    /// Owner's short name.
    pub owner: Option<String>,
    /// Mailbox short name.
    pub mailbox: Option<String>,
    /// At most so many.
    pub limit: i64,
    /// Those of probes too (R95).
    pub probes: bool,
}

/// A case with what only lists show.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The case.
    pub case: Case,
    /// When something last happened, milliseconds.
    pub updated_ms: i64,
    /// When an answer is due, milliseconds.
    pub due_ms: Option<i64>,
    /// Number of the case it was merged into.
    pub merged_into: Option<i64>,
    /// Entries.
    pub messages: i64,
}

/// A line of the log of a case.
#[derive(Debug, Clone)]
pub struct Logged {
    /// When, milliseconds.
    pub at_ms: i64,
    /// What, one word.
    pub kind: String,
    /// Who.
    pub by: String,
    /// The rule.
    pub rule: String,
    /// In words.
    pub detail: String,
}

/// How a mail of a case fared.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The entry it carried.
    pub entry: i64,
    /// Recipient.
    pub recipient: String,
    /// State of its outbox row.
    pub state: String,
    /// Enhanced status.
    pub status: String,
    /// What the relay, or a report, said.
    pub diagnostic: String,
}

/// All of a case.
#[derive(Debug, Clone)]
pub struct Whole {
    /// The case.
    pub listed: Listed,
    /// Its entries with their ids, oldest first.
    pub entries: Vec<(i64, Entry)>,
    /// Its log, oldest first.
    pub log: Vec<Logged>,
    /// Its deliveries.
    pub deliveries: Vec<Delivered>,
}

/// How many stored messages ended so, by this rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The one visible state.
    pub outcome: String,
    /// The rule that decided.
    pub rule: String,
    /// How many.
    pub count: i64,
}

/// No case of a probe (R95).
pub(super) const NO_PROBE: &str = "NOT EXISTS (SELECT 1 FROM probes WHERE probes.case_key = cases.case_key)";

pub(super) const LISTED: &str = "SELECT cases.*, target.reference AS target FROM cases
    LEFT JOIN cases AS target ON target.case_key = cases.merged_into";

pub(super) fn listed(row: &sqlx::any::AnyRow) -> sqlx::Result<Listed> {
    Ok(Listed {
        case: rows::case(row)?,
        updated_ms: rows::number(row, "updated_at")?,
        due_ms: rows::maybe_number(row, "due_at")?,
        merged_into: rows::maybe_number(row, "target")?,
        messages: rows::number(row, "messages")?,
    })
}

/// Cases that nobody was told of and nobody answered, for a mailbox that has agents now (R90).
///
/// # Errors
/// The database's.
pub async fn untold(connection: &mut AnyConnection, mailbox: &str, since_ms: i64) -> sqlx::Result<Vec<CaseKey>> {
    sqlx::query(
        "SELECT case_key FROM cases WHERE mailbox = $1 AND status = 'new' AND old = 0 AND opened_at > $2
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.case_key = cases.case_key AND outbox.agent IS NOT NULL)
         AND NOT EXISTS (SELECT 1 FROM digest WHERE digest.case_key = cases.case_key AND digest.agent IS NOT NULL
                         AND (digest.named_at IS NOT NULL OR EXISTS (
                             SELECT 1 FROM agenda WHERE agenda.kind = 'overload' AND agenda.agent = digest.agent
                             AND agenda.mailbox = digest.mailbox)))
         ORDER BY reference",
    )
    .bind(mailbox.to_owned())
    .bind(since_ms)
    .fetch_all(&mut *connection)
    .await?
    .iter()
    .map(|row| rows::case_key(row, "case_key"))
    .collect()
}

/// Cases that nobody was told of, answered or named in a digest, opened within this time: the first of them, oldest
/// first, and how many there are (R90).
///
/// # Errors
/// The database's.
pub async fn untold_between(
    connection: &mut AnyConnection,
    mailbox: &str,
    (after_ms, until_ms): (i64, i64),
    limit: i64,
) -> sqlx::Result<(Vec<Case>, i64)> {
    let which = "FROM cases WHERE mailbox = $1 AND status = 'new' AND old = 0 AND opened_at > $2 AND opened_at <= $3
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.case_key = cases.case_key AND outbox.agent IS NOT NULL)
         AND NOT EXISTS (SELECT 1 FROM digest WHERE digest.case_key = cases.case_key)";
    let bound =
        |sql: String| sqlx::query(sqlx::AssertSqlSafe(sql)).bind(mailbox.to_owned()).bind(after_ms).bind(until_ms);
    let count = bound(format!("SELECT count(*) AS n {which}")).fetch_one(&mut *connection).await?;
    let first = bound(format!("SELECT cases.* {which} ORDER BY reference LIMIT $4")).bind(limit);
    let first = first.fetch_all(&mut *connection).await?.iter().map(rows::case).collect::<sqlx::Result<_>>()?;
    Ok((first, rows::number(&count, "n")?))
}

impl Store {
    /// Open cases with an alarm that nobody has answered since.
    ///
    /// # Errors
    /// The database's.
    pub async fn alarms(&self) -> sqlx::Result<i64> {
        let row = sqlx::query(
            "SELECT count(*) AS n FROM cases WHERE status <> 'closed' AND status IN ('new', 'open') AND EXISTS (
                 SELECT 1 FROM case_log WHERE case_log.case_key = cases.case_key AND case_log.kind = 'alarm'
                 AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.case_key = cases.case_key
                                 AND entries.direction = 'outbound' AND entries.at > case_log.at))",
        )
        .fetch_one(self.reader())
        .await?;
        rows::number(&row, "n")
    }

    /// Cases, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn cases(&self, filter: &Filter) -> sqlx::Result<Vec<Listed>> {
        let sql = format!(
            "{LISTED} WHERE ($1 = '' OR cases.status = $1) AND ($2 = '' OR cases.owner = $2)
             AND ($3 = '' OR cases.mailbox = $3) AND ($5 = 1 OR {NO_PROBE}) ORDER BY cases.reference DESC LIMIT $4"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(filter.status.clone().unwrap_or_default())
            .bind(filter.owner.clone().unwrap_or_default())
            .bind(filter.mailbox.clone().unwrap_or_default())
            .bind(filter.limit)
            .bind(i64::from(filter.probes))
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(listed)
            .collect()
    }

    /// All of one case; `None` if there is none of this number.
    ///
    /// # Errors
    /// The database's.
    pub async fn case(&self, reference: i64) -> sqlx::Result<Option<Whole>> {
        let sql = format!("{LISTED} WHERE cases.reference = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(reference).fetch_optional(self.reader()).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let listed = listed(&row)?;
        let key = listed.case.key.to_i64();
        let entries = sqlx::query("SELECT * FROM entries WHERE case_key = $1 ORDER BY id")
            .bind(key)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(rows::entry)
            .collect::<sqlx::Result<_>>()?;
        let log = sqlx::query("SELECT at, kind, by_whom, rule, detail FROM case_log WHERE case_key = $1 ORDER BY id")
            .bind(key)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                Ok(Logged {
                    at_ms: rows::number(row, "at")?,
                    kind: rows::text(row, "kind")?,
                    by: rows::text(row, "by_whom")?,
                    rule: rows::text(row, "rule")?,
                    detail: rows::text(row, "detail")?,
                })
            })
            .collect::<sqlx::Result<_>>()?;
        let deliveries = sqlx::query(
            "SELECT entry_id, recipient, state, status, last_reply FROM outbox
             WHERE case_key = $1 AND entry_id IS NOT NULL AND purpose <> 'notice' ORDER BY id",
        )
        .bind(key)
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(|row| {
            Ok(Delivered {
                entry: rows::number(row, "entry_id")?,
                recipient: rows::text(row, "recipient")?,
                state: rows::text(row, "state")?,
                status: rows::text(row, "status")?,
                diagnostic: rows::text(row, "last_reply")?,
            })
        })
        .collect::<sqlx::Result<_>>()?;
        Ok(Some(Whole { listed, entries, log, deliveries }))
    }

    /// The number of a case.
    ///
    /// # Errors
    /// The database's.
    pub async fn reference(&self, case: CaseKey) -> sqlx::Result<Option<i64>> {
        let row = sqlx::query("SELECT reference FROM cases WHERE case_key = $1")
            .bind(case.to_i64())
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| rows::number(&row, "reference")).transpose()
    }

    /// The mail of an entry, as it came (R92).
    ///
    /// # Errors
    /// The database's.
    pub async fn original(&self, entry: i64) -> sqlx::Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT raw FROM mails WHERE entry_id = $1 ORDER BY id LIMIT 1")
            .bind(entry)
            .fetch_optional(self.reader())
            .await?;
        Ok(row.map(|row| rows::bytes(&row, "raw")).transpose()?.filter(|raw| !raw.is_empty()))
    }

    /// How many cases of a mailbox come from old mail (R91).
    ///
    /// # Errors
    /// The database's.
    pub async fn old_cases(&self, mailbox: &str) -> sqlx::Result<i64> {
        let row = sqlx::query("SELECT count(*) AS n FROM cases WHERE mailbox = $1 AND old = 1")
            .bind(mailbox.to_owned())
            .fetch_one(self.reader())
            .await?;
        rows::number(&row, "n")
    }

    /// Stored messages, and how many ended in each state by which rule, both at one moment.
    ///
    /// # Errors
    /// The database's.
    pub async fn sums(&self) -> sqlx::Result<(i64, Vec<Sum>)> {
        let found = sqlx::query(
            "SELECT '' AS outcome, '' AS rule, (SELECT count(*) FROM mails) + (SELECT count(*) FROM notifications)
                 + (SELECT count(*) FROM quarantine)
                 + (SELECT CAST(sum(value) AS BIGINT) FROM counters
                    WHERE name IN ('notifications_forgotten', 'quarantine_forgotten')) AS n
             UNION ALL
             SELECT 'deleted' AS outcome, 'R80' AS rule, CAST(sum(value) AS BIGINT) AS n FROM counters
             WHERE name IN ('notifications_forgotten', 'quarantine_forgotten') HAVING sum(value) > 0
             UNION ALL
             SELECT outcome, rule, count(*) AS n FROM events WHERE kind IN ('arrived', 'submitted')
             GROUP BY outcome, rule ORDER BY outcome, rule",
        )
        .fetch_all(self.reader())
        .await?;
        let mut stored = 0;
        let mut outcomes = Vec::with_capacity(found.len());
        for row in &found {
            let (outcome, rule, count) =
                (rows::text(row, "outcome")?, rows::text(row, "rule")?, rows::number(row, "n")?);
            if outcome.is_empty() {
                stored = count;
            } else {
                outcomes.push(Sum { outcome, rule, count });
            }
        }
        Ok((stored, outcomes))
    }
}
