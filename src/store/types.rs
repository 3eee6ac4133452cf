//! Rows that the edges see.

/// How far intake has read a folder: every UID up to `uid_last` is stored, or has a gap row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Mailbox short name.
    pub mailbox: String,
    /// IMAP folder.
    pub folder: String,
    /// UIDVALIDITY under which the UIDs hold (RFC 3501 section 2.3.1.1).
    pub uidvalidity: u32,
    /// Counts servers' mistakes: UIDs that were handed out again under the same UIDVALIDITY.
    pub generation: u32,
    /// Highest UID accounted for.
    pub uid_last: u32,
    /// UIDs up to this one were there when this epoch began; 0: none.
    pub uid_old: u32,
    /// Of those, mail with an older INTERNALDATE is passed over, milliseconds.
    pub taken_from_ms: i64,
    /// Of those, mail with this INTERNALDATE or a later one counts as new, milliseconds.
    pub fresh_from_ms: i64,
    /// When this folder was first opened, milliseconds.
    pub started_ms: i64,
    /// The last pass that reached the end of the folder, milliseconds.
    pub read_ms: i64,
}

impl Cursor {
    /// The event id of a mail: what makes it arrive once.
    #[must_use]
    pub fn event_id(&self, uid: u32) -> String {
        let Cursor { mailbox, folder, uidvalidity, generation, .. } = self;
        match generation {
            0 => format!("imap/{mailbox}/{folder}/{uidvalidity}/{uid}"),
            n => format!("imap/{mailbox}/{folder}/{uidvalidity}.{n}/{uid}"),
        }
    }
}

/// A UID that could not be read yet, or never can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The UID.
    pub uid: u32,
    /// `pending` (tried again), `gone` (expunged by another client), `failed` (given up).
    pub state: GapState,
    /// In words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// State of a [`Gap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapState {
    /// Tried again at the next pass.
    Pending,
    /// Expunged by another client before we read it.
    Gone,
    /// Given up after several attempts; an operator sees it.
    Failed,
}

/// What is to be done to a message on the server after the commit (`intake.after`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// The UID.
    pub uid: u32,
    /// The action.
    pub action: After,
}

/// `intake.after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// Leave it alone.
    Keep,
    /// Set the keyword `$yesreply`.
    Keyword,
    /// Set `\Seen`.
    Seen,
    /// Move to this folder.
    Move(String),
    /// Delete it: a probe of ours, or its answer (R95).
    Remove,
}

/// An outbox row in the hands of a sender.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Row id.
    pub id: i64,
    /// Number of this attempt; fences a lost lease.
    pub attempt: i64,
    /// How often it was tried, this time included.
    pub attempts: i64,
    /// Reverse-path; `None` is `<>`.
    pub reverse_path: Option<String>,
    /// The one recipient.
    pub recipient: String,
    /// Message-ID with brackets.
    pub message_id: String,
    /// It may be large: only one such mail is in memory at a time.
    pub heavy: bool,
    /// When the row was queued, milliseconds.
    pub queued_ms: i64,
    /// How often it was sent without an answer.
    pub uncertain_count: i64,
}

/// An attempt that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Row id.
    pub id: i64,
    /// Number of the attempt.
    pub attempt: i64,
    /// How.
    pub settlement: Settlement,
}

/// Which rows of the outbox are claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever is due.
    Any,
    /// Agents' answers alone (R60).
    Answers,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The relay said 2xx to the final dot.
    Sent {
        /// Its reply.
        reply: String,
    },
    /// Try again at this time.
    Retry {
        /// Milliseconds since 1970.
        at_ms: i64,
        /// What was said, or what failed.
        reply: String,
    },
    /// Refused for good, or given up.
    Failed {
        /// Enhanced status (RFC 3463), `5.0.0` if none was given.
        status: String,
        /// What was said.
        reply: String,
    },
    /// Cut after the dot: nobody knows. Sent again at `at_ms`, or held if `None` (`on_uncertain = "hold"`).
    Uncertain {
        /// When to send again, milliseconds; `None` holds the row.
        at_ms: Option<i64>,
        /// What failed.
        reply: String,
    },
    /// The account is at fault, not the mail: back into the queue, this attempt does not count.
    Returned {
        /// Milliseconds since 1970.
        at_ms: i64,
        /// What was said.
        reply: String,
    },
}

impl Settlement {
    /// The word for monitoring.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Settlement::Sent { .. } => "sent",
            Settlement::Retry { .. } => "later",
            Settlement::Failed { .. } => "failed",
            Settlement::Uncertain { .. } => "uncertain",
            Settlement::Returned { .. } => "returned",
        }
    }
}

/// State of one side of an account, for `mailbox list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// Mailbox short name.
    pub mailbox: String,
    /// `imap`, `smtp` or `probe`.
    pub side: String,
    /// `ok`, `failing`, `paused`, `failed`.
    pub state: String,
    /// In words.
    pub detail: String,
    /// Since when, milliseconds.
    pub since_ms: i64,
}

/// What intake hands over at once: committed together or not at all.
#[derive(Debug, Clone)]
pub struct IntakeBatch {
    /// The position after this batch.
    pub cursor: Cursor,
    /// The `uid_last` before it, which must still be stored; `None` begins a new epoch of the folder.
    pub moved_from: Option<u32>,
    /// The mails.
    pub mails: Vec<FetchedMail>,
    /// New or updated gaps.
    pub gaps: Vec<Gap>,
    /// UIDs that were read after all.
    pub gaps_closed: Vec<u32>,
    /// What is to be done with each mail on the server.
    pub after: After,
    /// The folder is the one for spam (R34).
    pub junk: bool,
    /// The folder holds what people sent from the mailbox (R49).
    pub sent: bool,
}

impl IntakeBatch {
    /// Octets of all its mails.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let size = |mail: &FetchedMail| match &mail.content {
            Content::Whole(bytes) | Content::HeadersOnly { headers: bytes, .. } | Content::Unread { bytes, .. } => {
                bytes.len()
            }
        };
        self.mails.iter().map(size).fold(0, usize::saturating_add)
    }

    /// The same, with one mail in each at most: the position moves from mail to mail.
    #[must_use]
    pub fn singles(mut self) -> Vec<IntakeBatch> {
        let mut mails = std::mem::take(&mut self.mails);
        mails.sort_by_key(|mail| mail.uid);
        let mut singles = Vec::with_capacity(mails.len().max(1));
        let mut mails = mails.into_iter().peekable();
        while let Some(mail) = mails.next() {
            if mails.peek().is_none() {
                self.mails.push(mail);
                break;
            }
            let uid = mail.uid;
            let (gaps, later) = std::mem::take(&mut self.gaps).into_iter().partition(|gap| gap.uid < uid);
            self.gaps = later;
            let cursor = Cursor { uid_last: uid, ..self.cursor.clone() };
            let moved_from = self.moved_from.replace(uid);
            singles.push(IntakeBatch {
                cursor,
                moved_from,
                mails: vec![mail],
                gaps,
                gaps_closed: Vec::new(),
                ..self.clone()
            });
        }
        singles.push(self);
        singles
    }

    /// The mails, to be read, and what is committed beside what they cause.
    #[must_use]
    pub fn split(self) -> (Vec<FetchedMail>, Progress) {
        let IntakeBatch { cursor, moved_from, mails, gaps, gaps_closed, after, junk, sent } = self;
        let taken = mails.iter().map(|mail| mail.uid).collect();
        (mails, Progress { cursor, moved_from, taken, gaps, gaps_closed, after, junk, sent })
    }
}

/// How far intake gets with a batch: committed with what its mails caused.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The position after the batch.
    pub cursor: Cursor,
    /// The `uid_last` before it, which must still be stored; `None` begins a new epoch of the folder.
    pub moved_from: Option<u32>,
    /// The mails.
    pub taken: Vec<u32>,
    /// New or updated gaps.
    pub gaps: Vec<Gap>,
    /// UIDs that were read after all.
    pub gaps_closed: Vec<u32>,
    /// What is to be done with each mail on the server.
    pub after: After,
    /// The folder is the one for spam (R34).
    pub junk: bool,
    /// The folder holds what people sent from the mailbox (R49).
    pub sent: bool,
}

/// A mail as it was fetched.
#[derive(Debug, Clone)]
pub struct FetchedMail {
    /// Its UID.
    pub uid: u32,
    /// INTERNALDATE, milliseconds.
    pub internal_date_ms: Option<i64>,
    /// Nothing automatic leaves on its account (R91).
    pub old: bool,
    /// Its bytes.
    pub content: Content,
}

/// How much of a mail was fetched.
#[derive(Debug, Clone)]
pub enum Content {
    /// All of it.
    Whole(Vec<u8>),
    /// It is over `limits.message_bytes_max`.
    HeadersOnly {
        /// Its header.
        headers: Vec<u8>,
        /// RFC822.SIZE.
        size_bytes: u64,
    },
    /// It must not be read and is put aside: the server gives fewer octets than it announces, again and again, or the
    /// process ended at it before.
    Unread {
        /// What came.
        bytes: Vec<u8>,
        /// In words.
        reason: String,
    },
}

impl Content {
    /// The octets that came; none are left.
    #[must_use]
    pub fn take_bytes(&mut self) -> Vec<u8> {
        match self {
            Content::Whole(bytes) | Content::HeadersOnly { headers: bytes, .. } | Content::Unread { bytes, .. } => {
                std::mem::take(bytes)
            }
        }
    }
}

/// What is known of the copy of an entry in the mailbox's own folders (R94).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// The entry.
    pub entry: i64,
    /// The key of its case; `None` if the folders do not show it any more.
    pub case: Option<i64>,
    /// What stands in its header; empty before there is one.
    pub marker: String,
    /// The folder where it is believed to lie; empty: nowhere.
    pub place: String,
    /// Where a step takes it whose end was not seen; empty: none is under way.
    pub going: String,
    /// The folder where it should lie; `None`: in none.
    pub wanted: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singles_move_the_position_from_mail_to_mail() {
        let mail = |uid| FetchedMail {
            uid,
            internal_date_ms: None,
            old: false,
            content: Content::Whole(format!("mail {uid}").into_bytes()),
        };
        let gap = |uid| Gap { uid, state: GapState::Pending, reason: String::new(), attempts: 1 };
        let cursor = Cursor {
            mailbox: "support".to_owned(),
            folder: "INBOX".to_owned(),
            uidvalidity: 1,
            generation: 0,
            uid_last: 20,
            uid_old: 0,
            taken_from_ms: 0,
            fresh_from_ms: 0,
            started_ms: 0,
            read_ms: 0,
        };
        let batch = IntakeBatch {
            cursor,
            moved_from: Some(10),
            mails: vec![mail(12), mail(15), mail(11)],
            gaps: vec![gap(13), gap(17)],
            gaps_closed: vec![3],
            after: After::Keep,
            junk: false,
            sent: true,
        };
        let steps: Vec<_> = batch
            .clone()
            .singles()
            .into_iter()
            .map(|b| {
                let uids = |gaps: &[Gap]| gaps.iter().map(|g| g.uid).collect::<Vec<_>>();
                let mails: Vec<u32> = b.mails.iter().map(|m| m.uid).collect();
                (b.moved_from, b.cursor.uid_last, mails, uids(&b.gaps), b.gaps_closed, b.sent)
            })
            .collect();
        let expected = [
            (Some(10), 11, vec![11], vec![], vec![], true),
            (Some(11), 12, vec![12], vec![], vec![], true),
            (Some(12), 20, vec![15], vec![13, 17], vec![3], true),
        ];
        assert_eq!(steps, expected);
        let without = IntakeBatch { mails: Vec::new(), ..batch };
        assert_eq!(without.singles().len(), 1, "a position alone is committed too");
    }
}
