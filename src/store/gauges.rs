//! How things stand, in numbers: what a monitoring system asks for every few seconds.
//!
//! Never     reads what grows for ever: closed cases, sent mail and past events are counted elsewhere.

use sqlx::AssertSqlSafe;

use super::{Store, rows};

/// A number and its labels: words of ours and short names of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// Labels.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: i64,
}

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Cases that are not closed.
    pub cases: Vec<Number>,
    /// Cases with an alarm.
    pub alarmed: Vec<Number>,
    /// Mails that have not left.
    pub outbox: Vec<Number>,
    /// Age of the oldest of them, seconds.
    pub outbox_age_s: Vec<Number>,
    /// Mails in quarantine.
    pub quarantine: Vec<Number>,
    /// Mails that could not be fetched.
    pub gaps: Vec<Number>,
    /// When folders were read, seconds since 1970.
    pub read_at_s: Vec<Number>,
    /// Accounts: 1 works, 0 does not.
    pub accounts: Vec<Number>,
    /// When mailboxes were last probed, whichever way that ended, seconds since 1970 (R95).
    pub probed_at_s: Vec<Number>,
    /// How long the last probe took that came full circle, milliseconds.
    pub probe_ms: Vec<Number>,
    /// The breaker of acknowledgements: 1 open.
    pub breaker: Vec<Number>,
    /// What applications have not taken.
    pub calls: Vec<Number>,
    /// Suppressed addresses.
    pub suppressed: Vec<Number>,
}

impl Store {
    /// How things stand now.
    ///
    /// # Errors
    /// The database's.
    pub async fn gauges(&self, mailboxes: &[&str], now_ms: i64) -> sqlx::Result<Gauges> {
        let by_mailbox = ["mailbox", "status"];
        let cases = "SELECT mailbox, status, count(*) AS n FROM cases
            WHERE status <> 'closed' GROUP BY mailbox, status";
        let gaps = "SELECT mailbox, state, count(*) AS n FROM gaps GROUP BY mailbox, state";
        let read = "SELECT mailbox, folder, read_at / 1000 AS n FROM cursors";
        let accounts =
            "SELECT mailbox, side, CAST(CASE WHEN state = 'ok' THEN 1 ELSE 0 END AS BIGINT) AS n FROM accounts";
        let probed = "SELECT mailbox, max(ended_at) / 1000 AS n FROM probes
            WHERE opened_at IS NOT NULL OR step <> '' GROUP BY mailbox";
        let took = "SELECT mailbox, opened_at - begun_at AS n FROM probes WHERE opened_at IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM probes AS later WHERE later.mailbox = probes.mailbox AND later.begun_at > probes.begun_at
            AND later.opened_at IS NOT NULL)";
        let calls = "SELECT application, count(*) AS n FROM calls WHERE state = 'queued' GROUP BY application";
        let (outbox, outbox_age_s) = self.waiting(mailboxes, now_ms).await?;
        let one = |value| vec![Number { labels: Vec::new(), value }];
        Ok(Gauges {
            cases: self.numbers(cases, &by_mailbox).await?,
            alarmed: one(self.alarms().await?),
            outbox,
            outbox_age_s,
            quarantine: self.numbers("SELECT count(*) AS n FROM quarantine", &[]).await?,
            gaps: self.numbers(gaps, &["mailbox", "state"]).await?,
            read_at_s: self.numbers(read, &["mailbox", "folder"]).await?,
            accounts: self.numbers(accounts, &["mailbox", "side"]).await?,
            probed_at_s: self.numbers(probed, &["mailbox"]).await?,
            probe_ms: self.numbers(took, &["mailbox"]).await?,
            breaker: one(i64::from(self.breaker_is_open().await?)),
            calls: self.numbers(calls, &["application"]).await?,
            suppressed: self.numbers("SELECT count(*) AS n FROM suppressions", &[]).await?,
        })
    }

    /// Mails that have not left, and the age of the oldest, by mailbox and state: each a range of the outbox's index.
    async fn waiting(&self, mailboxes: &[&str], now_ms: i64) -> sqlx::Result<(Vec<Number>, Vec<Number>)> {
        let (mut counts, mut ages_s) = (Vec::new(), Vec::new());
        for mailbox in mailboxes {
            let found = sqlx::query(
                "SELECT state, count(*) AS n, min(created_at) AS first FROM outbox
                 WHERE mailbox = $1 AND state IN ('held', 'queued', 'sending', 'uncertain') GROUP BY state",
            )
            .bind((*mailbox).to_owned())
            .fetch_all(self.reader())
            .await?;
            for row in &found {
                let labels = vec![("mailbox", (*mailbox).to_owned()), ("state", rows::text(row, "state")?)];
                let age_s = now_ms.saturating_sub(rows::number(row, "first")?).max(0) / 1_000;
                counts.push(Number { labels: labels.clone(), value: rows::number(row, "n")? });
                ages_s.push(Number { labels, value: age_s });
            }
        }
        Ok((counts, ages_s))
    }

    /// A statement's rows: these columns are labels, `n` is the number.
    async fn numbers(&self, sql: &'static str, labels: &[&'static str]) -> sqlx::Result<Vec<Number>> {
        let number = |row| {
            let labels = labels.iter().map(|&label| Ok((label, rows::text(row, label)?)));
            Ok(Number { labels: labels.collect::<sqlx::Result<_>>()?, value: rows::number(row, "n")? })
        };
        sqlx::query(AssertSqlSafe(sql)).fetch_all(self.reader()).await?.iter().map(number).collect()
    }
}
