//! One pass over a folder: list what is new, fetch it in batches, hand each batch over with the cursor.
//!
//! Promises   the cursor moves only over UIDs that arrived or have a gap row, and only after the tagged OK.
//! Never      holds more than a few small batches in memory, or one mail if that is larger, or a list of more than some
//!            ten thousand mails, whatever the size of the folder.

use std::collections::BTreeMap;
use std::time::Duration;

use async_imap::imap_proto::{AttributeValue, SectionPath};
use async_imap::imap_proto::{MessageSection, Response};

use super::Settings;
use super::cursor::{Listed, Take, batches, internal_date_ms, take, uid_set};
use super::wire::{Wire, WireError};
use crate::failpoint;
use crate::flow::Flow;
use crate::flow::lane::Lane;
use crate::health::Beat;
use crate::store::types::{Content, Cursor, FetchedMail, Gap, GapState, IntakeBatch};

/// For the list of what is new, which may be a whole mailbox.
const LIST_TIMEOUT: Duration = Duration::from_secs(600);
/// A server slower than this gets no further with a mail.
const BYTES_PER_S_MIN: u64 = 50_000;
/// A mail that comes shorter than announced is asked for this often.
const SHORT_TRIES: u32 = 3;
/// A gap is tried in this many passes.
const GAP_ATTEMPTS_MAX: u32 = 5;
/// UIDs that are listed at once, at first.
const WINDOW_UIDS: u32 = 10_000;
/// Where fewer mails than this are found in a window, the next one is twice as wide.
const WINDOW_MAILS_MIN: usize = 2_500;
/// After so many lost connections at the same mail, mails are fetched one by one.
const LOST_MAX: u32 = 2;

/// Connections that were lost at the same mail: it may be the cause.
#[derive(Debug, Clone, Copy, Default)]
pub struct Suspect {
    uid: u32,
    lost: u32,
}

impl Suspect {
    fn lost_at(&mut self, uid: u32) {
        let lost = if self.uid == uid { self.lost.saturating_add(1) } else { 1 };
        *self = Suspect { uid, lost };
    }
}

/// What came for one UID.
enum Body {
    Bytes(Vec<u8>),
    /// `BODY[] NIL`: expunged by another client, and answered OK all the same.
    Nil,
}

/// A pass over a selected folder.
pub struct Pass<'a> {
    /// The connection.
    pub wire: &'a mut Wire,
    /// The door.
    pub flow: &'a Flow,
    /// The way of this folder's batches through it.
    pub lane: Lane,
    /// Settings.
    pub settings: &'a Settings,
    /// Heard of after each batch.
    pub beat: &'a Beat,
    /// Memory across connections.
    pub suspect: &'a mut Suspect,
    /// Where we stand; moves with each batch that is on its way.
    pub cursor: &'a mut Cursor,
    /// UIDNEXT when the folder was selected: mail from there on came later.
    pub uid_next: u32,
    /// The folder is the one for spam (R34).
    pub junk: bool,
    /// The folder holds what people sent from the mailbox (R49).
    pub sent: bool,
}

impl Pass<'_> {
    /// Reads everything that is new, then what could not be read before.
    ///
    /// # Errors
    /// The connection's, or the store's; what was committed stays.
    pub async fn run(&mut self) -> anyhow::Result<()> {
        let read = self.new_mail().await;
        // also after a failure: who goes on from the stored position must find it at rest
        let stored = self.lane.finish().await;
        read?;
        stored?;
        self.gaps().await
    }

    async fn new_mail(&mut self) -> anyhow::Result<()> {
        self.wire.forget_news();
        let mut width = WINDOW_UIDS;
        while let Some(first) = self.cursor.uid_last.checked_add(1) {
            let last = first.saturating_add(width);
            if last >= self.uid_next {
                return self.window(first, None).await.map(|_| ());
            }
            // a folder may have few mails in many UIDs
            if self.window(first, Some(last)).await? < WINDOW_MAILS_MIN {
                width = width.saturating_mul(2);
            }
        }
        Ok(())
    }

    /// Reads the mails from `first` to `last`, or to the end of the folder. Returns how many are there.
    async fn window(&mut self, first: u32, last: Option<u32>) -> anyhow::Result<usize> {
        let end = last.map_or("*".to_owned(), |last| last.to_string());
        let mut listed = self.list(&format!("{first}:{end}")).await?;
        // n:* always names the last message, whatever its UID (RFC 3501 section 6.4.8)
        listed.retain(|mail| mail.uid >= first && last.is_none_or(|last| mail.uid <= last));
        let found = listed.len();
        let reached = last.or(listed.iter().map(|m| m.uid).max());
        let cursor = self.cursor.clone();
        listed.retain(|mail| take(&cursor, mail.uid, mail.internal_date_ms) != Take::PassOver);
        for batch in batches(listed, self.settings.message_bytes_max) {
            self.batch(&batch).await?;
        }
        if let Some(reached) = reached
            && reached > self.cursor.uid_last
        {
            self.hand_over(reached, Vec::new(), Vec::new()).await?;
        }
        Ok(found)
    }

    async fn list(&mut self, set: &str) -> Result<Vec<Listed>, WireError> {
        let mut listed = Vec::new();
        let unseen_only = failpoint::fault("unseen_work_list");
        let flags = if unseen_only { " FLAGS" } else { "" };
        let command = format!("UID FETCH {set} (UID RFC822.SIZE INTERNALDATE{flags})");
        self.wire
            .command(&command, LIST_TIMEOUT, |response| {
                let Response::Fetch(_, attributes) = response else { return };
                let (mut uid, mut size, mut date) = (None, None, None);
                for attribute in attributes {
                    match attribute {
                        AttributeValue::Uid(n) => uid = Some(*n),
                        AttributeValue::Rfc822Size(n) => size = Some(u64::from(*n)),
                        AttributeValue::InternalDate(text) => date = internal_date_ms(text),
                        AttributeValue::Flags(flags) if unseen_only && flags.iter().any(|f| f == "\\Seen") => return,
                        _ => {}
                    }
                }
                if let (Some(uid), Some(size_bytes)) = (uid, size) {
                    listed.push(Listed { uid, size_bytes, internal_date_ms: date });
                }
            })
            .await?;
        Ok(listed)
    }

    async fn batch(&mut self, batch: &[Listed]) -> anyhow::Result<()> {
        let Some(first) = batch.first() else {
            return Ok(());
        };
        let suspicious = batch.iter().any(|m| m.uid == self.suspect.uid) && self.suspect.lost >= LOST_MAX;
        if !suspicious {
            match self.bodies(batch).await {
                Ok(bodies) => return self.arrived(batch, bodies).await,
                Err(WireError::Refused { words, .. }) => {
                    tracing::warn!(
                        mailbox.name = self.cursor.mailbox,
                        words,
                        "the server refused a batch; its mails are fetched one by one"
                    );
                }
                Err(lost) => {
                    self.suspect.lost_at(first.uid);
                    return Err(lost.into());
                }
            }
        }
        for mail in batch {
            self.single(mail).await?;
        }
        Ok(())
    }

    /// One mail by itself: if it cannot be had, it becomes a gap and the next ones come.
    async fn single(&mut self, mail: &Listed) -> anyhow::Result<()> {
        let one = std::slice::from_ref(mail);
        match self.bodies(one).await {
            Ok(bodies) => self.arrived(one, bodies).await,
            Err(error) => {
                let lost = matches!(error, WireError::Lost { .. });
                if lost {
                    self.suspect.lost_at(mail.uid);
                }
                if !lost || self.suspect.lost > LOST_MAX {
                    let gap = Gap { uid: mail.uid, state: GapState::Pending, reason: error.to_string(), attempts: 1 };
                    self.hand_over(mail.uid, Vec::new(), vec![gap]).await?;
                }
                if lost { Err(error.into()) } else { Ok(()) }
            }
        }
    }

    async fn bodies(&mut self, mails: &[Listed]) -> Result<BTreeMap<u32, Body>, WireError> {
        let large = mails.iter().any(|m| m.size_bytes > self.settings.message_bytes_max);
        let section = if large { "BODY.PEEK[HEADER]" } else { "BODY.PEEK[]" };
        let command = format!("UID FETCH {} (UID {section})", uid_set(mails.iter().map(|m| m.uid)));
        let size: u64 = mails.iter().map(|m| m.size_bytes).fold(0, u64::saturating_add);
        let deadline = Duration::from_secs((size / BYTES_PER_S_MIN).saturating_add(60));
        let mut bodies = BTreeMap::new();
        self.wire
            .command(&command, deadline, |response| {
                let Response::Fetch(_, attributes) = response else { return };
                let (mut uid, mut body) = (None, None);
                for attribute in attributes {
                    match attribute {
                        AttributeValue::Uid(n) => uid = Some(*n),
                        AttributeValue::BodySection { section, data, .. } if is_wanted(section.as_ref(), large) => {
                            body = Some(data.as_ref().map_or(Body::Nil, |d| Body::Bytes(d.to_vec())));
                        }
                        _ => {}
                    }
                }
                if let (Some(uid), Some(body)) = (uid, body) {
                    bodies.insert(uid, body);
                }
            })
            .await?;
        Ok(bodies)
    }

    async fn arrived(&mut self, batch: &[Listed], mut bodies: BTreeMap<u32, Body>) -> anyhow::Result<()> {
        let mut mails = Vec::with_capacity(batch.len());
        let mut gaps = Vec::new();
        for listed in batch {
            match self.content(listed, bodies.remove(&listed.uid)).await? {
                Ok(content) => mails.push(self.fetched(listed, content)),
                Err(gap) => gaps.push(gap),
            }
        }
        let last = batch.last().map_or(self.cursor.uid_last, |m| m.uid);
        self.hand_over(last, mails, gaps).await
    }

    fn fetched(&self, listed: &Listed, content: Content) -> FetchedMail {
        FetchedMail {
            uid: listed.uid,
            internal_date_ms: listed.internal_date_ms,
            old: take(self.cursor, listed.uid, listed.internal_date_ms) == Take::Old,
            content,
        }
    }

    /// A mail's content, or the gap it leaves.
    async fn content(&mut self, listed: &Listed, body: Option<Body>) -> anyhow::Result<Result<Content, Gap>> {
        let gap = |state, reason: &str| Gap { uid: listed.uid, state, reason: reason.to_owned(), attempts: 1 };
        let mut bytes = match body {
            Some(Body::Bytes(bytes)) => bytes,
            Some(Body::Nil) => return Ok(Err(gap(GapState::Gone, "another client removed it while it was fetched"))),
            None => return Ok(Err(gap(GapState::Pending, "the server listed it and did not give it"))),
        };
        if listed.size_bytes > self.settings.message_bytes_max {
            return Ok(Ok(Content::HeadersOnly { headers: bytes, size_bytes: listed.size_bytes }));
        }
        for _ in 1..SHORT_TRIES {
            if is_whole(&bytes, listed) {
                return Ok(Ok(Content::Whole(bytes)));
            }
            let mut again = match self.bodies(std::slice::from_ref(listed)).await {
                Ok(again) => again,
                Err(WireError::Refused { words, .. }) => return Ok(Err(gap(GapState::Pending, &words))),
                Err(lost) => return Err(lost.into()),
            };
            match again.remove(&listed.uid) {
                // the same octets again, to the end of their structure: the size was an estimate (Exchange, 2026)
                Some(Body::Bytes(again)) if again == bytes && is_complete(&again) => {
                    return Ok(Ok(Content::Whole(again)));
                }
                Some(Body::Bytes(again)) => bytes = again,
                Some(Body::Nil) => {
                    return Ok(Err(gap(GapState::Gone, "another client removed it while it was fetched")));
                }
                None => {}
            }
        }
        if is_whole(&bytes, listed) {
            return Ok(Ok(Content::Whole(bytes)));
        }
        let reason = format!(
            "the server announces {} octets and gives {}, {SHORT_TRIES} times: it may be cut short",
            listed.size_bytes,
            bytes.len()
        );
        Ok(Ok(Content::Unread { bytes, reason }))
    }

    async fn hand_over(&mut self, uid_last: u32, mails: Vec<FetchedMail>, gaps: Vec<Gap>) -> anyhow::Result<()> {
        let cursor = Cursor { uid_last, ..self.cursor.clone() };
        failpoint::hit("intake.fetched");
        let (after, gaps_closed) = (self.settings.after.clone(), Vec::new());
        let (junk, sent) = (self.junk, self.sent);
        let moved_from = Some(self.cursor.uid_last);
        self.lane
            .hand_over(IntakeBatch { cursor: cursor.clone(), moved_from, mails, gaps, gaps_closed, after, junk, sent })
            .await?;
        *self.cursor = cursor;
        self.beat.within(super::STEP);
        Ok(())
    }

    /// Mails that could not be had before.
    async fn gaps(&mut self) -> anyhow::Result<()> {
        let gaps = self.flow.gaps(&self.cursor.mailbox, &self.cursor.folder, self.cursor.uidvalidity).await?;
        let pending: Vec<Gap> = gaps.into_iter().filter(|g| g.state == GapState::Pending).collect();
        if pending.is_empty() {
            return Ok(());
        }
        let listed = self.list(&uid_set(pending.iter().map(|g| g.uid))).await?;
        for gap in pending {
            let Some(listed) = listed.iter().find(|m| m.uid == gap.uid) else {
                let gone = Gap { state: GapState::Gone, reason: "it is not on the server any more".to_owned(), ..gap };
                self.settle_gap(Vec::new(), vec![gone], Vec::new()).await?;
                continue;
            };
            self.gap(listed, gap).await?;
        }
        Ok(())
    }

    async fn gap(&mut self, listed: &Listed, gap: Gap) -> anyhow::Result<()> {
        let again = |reason: String| {
            let attempts = gap.attempts.saturating_add(1);
            let state = if attempts >= GAP_ATTEMPTS_MAX { GapState::Failed } else { GapState::Pending };
            Gap { uid: gap.uid, state, reason, attempts }
        };
        let mut bodies = match self.bodies(std::slice::from_ref(listed)).await {
            Ok(bodies) => bodies,
            Err(error) => {
                self.settle_gap(Vec::new(), vec![again(error.to_string())], Vec::new()).await?;
                return if matches!(error, WireError::Lost { .. }) { Err(error.into()) } else { Ok(()) };
            }
        };
        match self.content(listed, bodies.remove(&listed.uid)).await? {
            Ok(content) => {
                let mail = self.fetched(listed, content);
                self.settle_gap(vec![mail], Vec::new(), vec![gap.uid]).await
            }
            Err(found) if found.state == GapState::Gone => self.settle_gap(Vec::new(), vec![found], Vec::new()).await,
            Err(found) => self.settle_gap(Vec::new(), vec![again(found.reason)], Vec::new()).await,
        }
    }

    async fn settle_gap(
        &mut self,
        mails: Vec<FetchedMail>,
        gaps: Vec<Gap>,
        gaps_closed: Vec<u32>,
    ) -> anyhow::Result<()> {
        for gap in gaps.iter().filter(|g| g.state == GapState::Failed) {
            tracing::error!(
                mailbox.name = self.cursor.mailbox,
                uid = gap.uid,
                reason = gap.reason,
                "a mail could not be fetched and is given up; it is still on the server"
            );
        }
        let (cursor, after) = (self.cursor.clone(), self.settings.after.clone());
        let (junk, sent) = (self.junk, self.sent);
        let moved_from = Some(cursor.uid_last);
        self.flow.intake(IntakeBatch { cursor, moved_from, mails, gaps, gaps_closed, after, junk, sent }).await
    }
}

/// Servers that count line ends otherwise announce too little; too much means that something is missing.
fn is_whole(bytes: &[u8], listed: &Listed) -> bool {
    u64::try_from(bytes.len()).is_ok_and(|length| length >= listed.size_bytes)
}

/// Does a multipart mail end with its closing delimiter (RFC 2046 section 5.1.1)? Of a single text nobody can tell.
fn is_complete(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let unfolded = head.replace("\r\n\t", " ").replace("\r\n ", " ");
    let field = unfolded.lines().find(|l| l.to_ascii_lowercase().starts_with("content-type: multipart/"));
    let boundary = field.and_then(|l| l.split_once("boundary=")).map(|(_, rest)| rest.trim());
    let boundary = boundary.map(|rest| match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default(),
        None => rest.split([';', ' ']).next().unwrap_or_default(),
    });
    boundary.is_some_and(|b| !b.is_empty() && text.trim_end().lines().next_back() == Some(&format!("--{b}--")))
}

fn is_wanted(section: Option<&SectionPath>, header: bool) -> bool {
    match section {
        None => !header,
        Some(SectionPath::Full(MessageSection::Header)) => header,
        Some(_) => false,
    }
}
