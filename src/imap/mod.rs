//! Intake: one loop for each mailbox, from its IMAP folder through the one door.
//!
//! Promises   a mail is on the server until it is committed; the other mailboxes go on whatever happens to this one.
//! Never      uses `\Seen` or dates as its work list: people read the mailbox beside us, and outages last.

mod beside;
pub mod connect;
pub mod cursor;
mod errands;
mod fetch;
pub mod folders;
mod special;
pub mod watch;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_imap::imap_proto::{AttributeValue, Response};

use crate::clock;
use crate::config::values::Start;
use crate::config::{Account, Config};
use crate::flow::Flow;
use crate::flow::lane::Lane;
use crate::health::Beat;
use crate::store::types::{After, Cursor, IntakeBatch};

use connect::Refusal;
use cursor::Opening;
use fetch::{Pass, Suspect};
use wire::{COMMAND_TIMEOUT, Selected, Wire, WireError, Woken};

/// IDLE is renewed at least this often: NAT and half-dead connections.
const IDLE_CEILING: Duration = Duration::from_secs(300);
/// The longest single step: a list of a whole mailbox, the largest mail at the slowest rate, a locked database.
const STEP: Duration = Duration::from_secs(900);
/// First wait after a lost connection.
const BACKOFF_FIRST_MS: u64 = 1_000;
/// First wait after a refused password: servers lock accounts.
const BACKOFF_LOGIN_MS: u64 = 60_000;
/// How often a pass that found nothing is recorded.
const READ_RECORD_MS: i64 = 60_000;

/// What intake needs of the config.
#[derive(Debug, Clone)]
pub struct Settings {
    /// R91.
    pub start: Start,
    /// After the commit.
    pub after: After,
    /// Between looks, beside IDLE.
    pub poll: Duration,
    /// Longest wait between attempts to connect.
    pub retry_max: Duration,
    /// Of larger mails only the header is fetched.
    pub message_bytes_max: u64,
}

impl Settings {
    /// From the config.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let intake = &config.file.intake;
        Settings {
            start: intake.start,
            after: intake.after.0.clone(),
            poll: intake.poll.0.max(Duration::from_secs(1)),
            retry_max: intake.retry_max.0,
            message_bytes_max: config.policy.limits.message_bytes_max,
        }
    }
}

/// The loop of one mailbox.
#[derive(Debug)]
pub struct Intake {
    account: Account,
    settings: Settings,
    flow: Arc<Flow>,
    beat: Beat,
    suspect: Suspect,
    beside: beside::Beside,
    /// What was last recorded of this account: the same is not logged twice.
    state: Option<String>,
    attempts: u32,
    /// The summary of old mail (R91) was looked after.
    old_told: bool,
}

impl Intake {
    /// A loop that has not begun.
    #[must_use]
    pub fn new(account: Account, settings: Settings, flow: Arc<Flow>, beat: Beat) -> Self {
        Intake {
            account,
            settings,
            flow,
            beat,
            suspect: Suspect::default(),
            beside: beside::Beside::default(),
            state: None,
            attempts: 0,
            old_told: false,
        }
    }

    /// Reads for ever. May be dropped at any point: nothing lives in memory only.
    pub async fn run(mut self) {
        loop {
            self.beat.within(STEP);
            let wait = match self.connected().await {
                Ok(()) => continue,
                Err(refusal) => self.failed(&refusal).await,
            };
            self.beat.within(wait.saturating_add(STEP));
            tokio::time::sleep(wait).await;
        }
    }

    async fn failed(&mut self, refusal: &Refusal) -> Duration {
        let words = refusal.to_string();
        let wait = backoff(refusal, &mut self.attempts, self.settings.retry_max);
        if self.state.as_deref() != Some(&words) {
            tracing::warn!(
                mailbox.name = self.account.mailbox,
                reason = words,
                "intake is interrupted and tried again"
            );
            self.flow.account_state(&self.account.mailbox, "imap", "failing", &words).await;
            self.state = Some(words);
        }
        wait
    }

    async fn works(&mut self) {
        self.attempts = 0;
        if self.state.as_deref() != Some("") {
            tracing::info!(
                mailbox.name = self.account.mailbox,
                host = self.account.imap.host,
                folder = self.account.folder,
                "intake is connected"
            );
            self.flow.account_state(&self.account.mailbox, "imap", "ok", "").await;
            self.state = Some(String::new());
        }
    }

    async fn connected(&mut self) -> Result<(), Refusal> {
        let mut wire = connect::connect(&self.account).await?;
        let special = special::folders(&mut wire, &self.account).await.map_err(anyhow::Error::from)?;
        let (junk, sent) = (special.junk.as_deref(), special.sent.as_deref());
        if let Some(folder) = sent {
            self.mark_sent(&mut wire, folder).await?;
        }
        let mut sent_first = false;
        loop {
            let opened = tokio::time::Instant::now();
            if let Some(folder) = junk {
                self.look_into_junk(&mut wire, folder).await?;
            }
            if let Some(folder) = sent.filter(|_| sent_first) {
                self.look_into_sent(&mut wire, folder).await?;
            }
            let read_only = self.settings.after == After::Keep;
            let selected =
                wire.select(&folder_name(&self.account.folder), read_only).await.map_err(anyhow::Error::from)?;
            let start = self.settings.start;
            let (mut cursor, uid_next) = self.open(&mut wire, &self.account.folder, selected, start).await?;
            loop {
                self.pass(&mut wire, &mut cursor, uid_next).await?;
                self.works().await;
                self.beat.within(self.settings.poll.saturating_add(STEP));
                sent_first = self.sent_has_news(&mut wire, sent).await.map_err(anyhow::Error::from)?;
                if sent_first {
                    break;
                }
                let news = self.wait(&mut wire).await.map_err(anyhow::Error::from)?;
                self.beat.within(STEP);
                if !news || opened.elapsed() >= self.settings.poll {
                    break;
                }
                sent_first = self.sent_has_news(&mut wire, sent).await.map_err(anyhow::Error::from)?;
                if sent_first {
                    break;
                }
            }
        }
    }

    /// Where to go on in a folder that was just selected, and its UIDNEXT; a new position is committed before any mail
    /// is read.
    async fn open(
        &self,
        wire: &mut Wire,
        folder: &str,
        selected: Selected,
        start: Start,
    ) -> anyhow::Result<(Cursor, u32)> {
        let mailbox = &self.account.mailbox;
        let known = self.flow.cursor(mailbox, folder).await?;
        let uid_next = match selected.uid_next {
            Some(next) => next,
            None => highest_uid(wire).await?.saturating_add(1),
        };
        let (cursor, opening) = cursor::open(known, (mailbox, folder), selected, uid_next, start, clock::now_ms());
        match opening {
            Opening::Known => return Ok((cursor, uid_next)),
            Opening::First => {
                tracing::info!(mailbox.name = mailbox, folder, "this folder is read for the first time");
            }
            Opening::Reset => tracing::warn!(
                mailbox.name = mailbox,
                folder,
                uidvalidity = cursor.uidvalidity,
                "the server numbers this folder anew: its mail is matched with what is known, and only what is new is taken"
            ),
        }
        self.commit(&cursor, None).await?;
        Ok((cursor, uid_next))
    }

    /// Commits a position without any mail; `moved_from` is the stored one, `None` begins a new epoch.
    async fn commit(&self, cursor: &Cursor, moved_from: Option<u32>) -> anyhow::Result<()> {
        let (cursor, after) = (cursor.clone(), self.settings.after.clone());
        let (mails, gaps, gaps_closed) = (Vec::new(), Vec::new(), Vec::new());
        self.flow
            .intake(IntakeBatch { cursor, moved_from, mails, gaps, gaps_closed, after, junk: false, sent: false })
            .await
    }

    async fn pass(&mut self, wire: &mut Wire, cursor: &mut Cursor, uid_next: u32) -> anyhow::Result<()> {
        let begun_ms = clock::now_ms();
        let before = cursor.uid_last;
        let (flow, settings, beat) = (&self.flow, &self.settings, &self.beat);
        let lane = Lane::new(self.flow.clone());
        let suspect = &mut self.suspect;
        Pass { wire, flow, lane, settings, beat, suspect, cursor, uid_next, junk: false, sent: false }.run().await?;
        // once more at each start: a crash may have come between the last of the old mail and its summary
        if !self.old_told || (before <= cursor.uid_old && cursor.uid_last > before) {
            self.flow.old_mail_taken(cursor).await?;
            self.old_told = true;
        }
        if begun_ms.saturating_sub(cursor.read_ms) >= READ_RECORD_MS {
            cursor.read_ms = begun_ms;
            self.commit(cursor, Some(cursor.uid_last)).await?;
        }
        errands::run(wire, &self.flow, cursor, self.settings.after == After::Keep).await
    }

    /// Waits for news. `true`: there are some in the selected folder; `false`: look at everything again.
    async fn wait(&self, wire: &mut Wire) -> Result<bool, WireError> {
        if wire.has_news() {
            return Ok(true);
        }
        if wire.offers().has("IDLE") {
            match wire.idle(self.settings.poll.min(IDLE_CEILING)).await? {
                Woken::News => return Ok(true),
                Woken::Silence => return Ok(false),
                Woken::Refused => {}
            }
        }
        tokio::time::sleep(self.settings.poll).await;
        Ok(false)
    }
}

/// Connects, logs in and opens the folder, for `check --online`.
///
/// # Errors
/// What failed.
pub async fn probe(account: &Account) -> anyhow::Result<()> {
    let mut wire = connect::connect(account).await?;
    wire.select(&folder_name(&account.folder), true).await?;
    wire.logout().await;
    Ok(())
}

/// A folder's name on the wire: modified UTF-7 (RFC 3501 section 5.1.3).
fn folder_name(folder: &str) -> String {
    utf7_imap::encode_utf7_imap(folder.to_owned())
}

/// For servers that give no UIDNEXT.
async fn highest_uid(wire: &mut Wire) -> Result<u32, WireError> {
    let mut highest = 0;
    wire.command("UID FETCH * (UID)", COMMAND_TIMEOUT, |response| {
        if let Response::Fetch(_, attributes) = response {
            for attribute in attributes {
                if let AttributeValue::Uid(uid) = attribute {
                    highest = highest.max(*uid);
                }
            }
        }
    })
    .await
    .or_else(|error| match error {
        // an empty folder has no message "*"
        WireError::Refused { .. } => Ok(()),
        lost @ WireError::Lost { .. } => Err(lost),
    })?;
    Ok(highest)
}

/// The wait before the next attempt to connect, which counts: doubling up to `longest`, with jitter.
fn backoff(refusal: &Refusal, attempts: &mut u32, longest: Duration) -> Duration {
    let first = match refusal {
        Refusal::Login { .. } => BACKOFF_LOGIN_MS,
        Refusal::Other(_) => BACKOFF_FIRST_MS,
    };
    let most = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).max(1);
    let wait = first.saturating_mul(1u64.checked_shl(*attempts).unwrap_or(u64::MAX)).min(most);
    *attempts = attempts.saturating_add(1).min(32);
    Duration::from_millis((wait / 2).saturating_add(clock::jitter(wait / 2)))
}
