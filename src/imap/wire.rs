//! The checked layer over async-imap, which reports a FETCH that ends in NO, BAD, BYE or end of file as a success,
//! has no timeouts, and waits for ever where IDLE is refused.
//!
//! Promises   a command succeeds only with its own tagged OK, within its deadline; everything else is an error that
//!            says whether the connection can still be used.

use std::time::Duration;

use async_imap::Session;
use async_imap::imap_proto::{Capability, MailboxDatum, Outcome, RequestId, Response, ResponseCode, Status};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use super::connect::{Allowance, Stream};

/// For commands that carry no mail.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// For the tagged answer after DONE.
const DONE_TIMEOUT: Duration = Duration::from_secs(15);
/// Untagged responses to one command; a server that sends more is ill.
const RESPONSES_MAX: usize = 2_000_000;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// NO or BAD: the connection is still in step.
    #[error("{host} refused {verb}: {words}")]
    Refused {
        /// Server.
        host: String,
        /// The command's first words, without arguments that could be secret.
        verb: String,
        /// The server's words.
        words: String,
        /// `[TRYCREATE]`: the folder is not there (RFC 3501 section 7.1).
        try_create: bool,
    },
    /// The connection is of no use any more.
    #[error("{verb} at {host}: {reason}")]
    Lost {
        /// Server.
        host: String,
        /// The command.
        verb: String,
        /// In words.
        reason: String,
    },
}

/// What the server says it can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    names: Vec<String>,
}

impl Offers {
    /// Is it in the list?
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n.eq_ignore_ascii_case(name))
    }

    /// From a CAPABILITY response.
    #[must_use]
    pub fn of(capabilities: &[Capability<'_>]) -> Self {
        let name = |capability: &Capability<'_>| match capability {
            Capability::Imap4rev1 => "IMAP4rev1".to_owned(),
            Capability::Auth(mechanism) => format!("AUTH={mechanism}"),
            Capability::Atom(atom) => atom.to_string(),
        };
        Offers { names: capabilities.iter().map(name).collect() }
    }
}

/// What SELECT told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// UIDVALIDITY.
    pub uidvalidity: u32,
    /// UIDNEXT; some servers give none.
    pub uid_next: Option<u32>,
}

/// Why an IDLE ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Something happened in the folder.
    News,
    /// The time was up.
    Silence,
    /// The server does not want to.
    Refused,
}

/// How a command ended.
enum End {
    Ok,
    Refused { words: String, try_create: bool },
    Bye(String),
}

impl End {
    /// The end of the command with this tag, or of the connection.
    fn in_response(response: &Response<'_>, tag: &RequestId) -> Option<Self> {
        match response {
            Response::Done { tag: answered, status, outcome } if answered == tag => Some(End::of(status, outcome)),
            Response::Data { status: Status::Bye, outcome } => Some(End::Bye(plain(outcome.information.as_deref()))),
            _ => None,
        }
    }

    fn of(status: &Status, outcome: &Outcome<'_>) -> Self {
        let words = plain(outcome.information.as_deref());
        match status {
            Status::Ok => End::Ok,
            Status::No | Status::Bad => {
                End::Refused { words, try_create: matches!(outcome.code, Some(ResponseCode::TryCreate)) }
            }
            Status::PreAuth | Status::Bye => End::Bye(words),
        }
    }
}

/// A logged-in connection.
#[derive(Debug)]
pub struct Wire {
    session: Session<Stream>,
    host: String,
    offers: Offers,
    news: bool,
    allowance: Allowance,
}

impl Wire {
    /// Over a fresh session.
    #[must_use]
    pub fn new(session: Session<Stream>, host: &str, allowance: Allowance) -> Self {
        Wire { session, host: host.to_owned(), offers: Offers::default(), news: false, allowance }
    }

    /// What the server can do.
    #[must_use]
    pub fn offers(&self) -> &Offers {
        &self.offers
    }

    /// Mail that was announced beside the answer to another command: IDLE will not announce it again.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.news
    }

    /// What is announced from here on is new.
    pub fn forget_news(&mut self) {
        self.news = false;
    }

    fn lost(&self, verb: &str, reason: impl Into<String>) -> WireError {
        WireError::Lost { host: self.host.clone(), verb: verb.to_owned(), reason: reason.into() }
    }

    /// Asks for capabilities, and says who we are where that is wanted (RFC 2971).
    ///
    /// # Errors
    /// [`WireError`].
    pub async fn introduce(&mut self) -> anyhow::Result<()> {
        let mut offers = Offers::default();
        self.command("CAPABILITY", COMMAND_TIMEOUT, |response| {
            if let Response::Capabilities(list) = response {
                offers = Offers::of(list);
            }
        })
        .await?;
        self.offers = offers;
        if self.offers.has("ID") {
            let id = concat!("ID (\"name\" \"yesreply\" \"version\" \"", env!("CARGO_PKG_VERSION"), "\")");
            match self.command(id, COMMAND_TIMEOUT, |_| ()).await {
                Err(error @ WireError::Lost { .. }) => return Err(error.into()),
                Err(WireError::Refused { .. }) | Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Runs a command, hands each untagged response to `each`, and checks the tagged one.
    ///
    /// # Errors
    /// [`WireError`].
    pub async fn command(
        &mut self,
        text: &str,
        deadline: Duration,
        each: impl FnMut(&Response<'_>),
    ) -> Result<(), WireError> {
        let verb = verb(text);
        let until = Instant::now() + deadline;
        let tag = self.say(&verb, text, until).await?;
        self.answers(&verb, until, &tag, each).await
    }

    /// APPEND (RFC 3501 section 6.3.11): a mail, CRLF line ends, into a folder. `options`: flags and INTERNALDATE.
    ///
    /// # Errors
    /// [`WireError`].
    pub async fn append(
        &mut self,
        folder: &str,
        options: &str,
        mail: &[u8],
        deadline: Duration,
    ) -> Result<(), WireError> {
        let verb = "APPEND";
        let until = Instant::now() + deadline;
        let text = format!("APPEND {} {options} {{{}}}", quoted(folder), mail.len());
        let tag = self.say(verb, &text, until).await?;
        let mut goes_on = false;
        while !goes_on {
            let (end, continues) = self
                .next(verb, until, |response| match response {
                    Response::Continue { .. } => (None, true),
                    other => (End::in_response(other, &tag), false),
                })
                .await?;
            match end {
                // without the mail there is nothing that it could have accepted
                Some(End::Ok) => return Err(self.lost(verb, "it ends the command before it has the mail")),
                Some(end) => return self.ended(verb, end),
                None => goes_on = continues,
            }
        }
        let stream = self.session.get_mut();
        let send = async {
            stream.write_all(mail).await?;
            stream.write_all(b"\r\n").await?;
            stream.flush().await
        };
        match timeout_at(until, send).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.lost(verb, error.to_string())),
            Err(_) => return Err(self.lost(verb, "it does not take the mail")),
        }
        self.answers(verb, until, &tag, |_| ()).await
    }

    async fn say(&mut self, verb: &str, text: &str, until: Instant) -> Result<RequestId, WireError> {
        match timeout_at(until, self.session.run_command(text)).await {
            Ok(Ok(tag)) => Ok(tag),
            Ok(Err(error)) => Err(self.lost(verb, error.to_string())),
            Err(_) => Err(self.lost(verb, "it does not take the command")),
        }
    }

    /// Reads up to the tagged answer.
    async fn answers(
        &mut self,
        verb: &str,
        until: Instant,
        tag: &RequestId,
        mut each: impl FnMut(&Response<'_>),
    ) -> Result<(), WireError> {
        for _ in 0..RESPONSES_MAX {
            let (end, news) = self
                .next(verb, until, |response| {
                    let end = End::in_response(response, tag);
                    if end.is_none() {
                        each(response);
                    }
                    (end, matches!(response, Response::MailboxData(MailboxDatum::Exists(_))))
                })
                .await?;
            self.news |= news;
            if let Some(end) = end {
                return self.ended(verb, end);
            }
        }
        Err(self.lost(verb, "the server does not stop answering"))
    }

    fn ended(&self, verb: &str, end: End) -> Result<(), WireError> {
        match end {
            End::Ok => Ok(()),
            End::Bye(words) => Err(self.lost(verb, format!("the server ends the connection: {words}"))),
            End::Refused { words, try_create } => {
                Err(WireError::Refused { host: self.host.clone(), verb: verb.to_owned(), words, try_create })
            }
        }
    }

    async fn next<T>(
        &mut self,
        verb: &str,
        until: Instant,
        read: impl FnOnce(&Response<'_>) -> T,
    ) -> Result<T, WireError> {
        match timeout_at(until, self.session.read_response()).await {
            Ok(Ok(Some(response))) => {
                self.allowance.renew();
                Ok(read(response.parsed()))
            }
            Ok(Ok(None)) => Err(self.lost(verb, "the server closed the connection")),
            Ok(Err(error)) => Err(self.lost(verb, error.to_string())),
            Err(_) => Err(self.lost(verb, "no answer in time")),
        }
    }

    /// SELECT, or EXAMINE where nothing will be changed.
    ///
    /// # Errors
    /// [`WireError`]; a server that gives no UIDVALIDITY cannot be read safely and counts as lost.
    pub async fn select(&mut self, folder: &str, read_only: bool) -> Result<Selected, WireError> {
        let verb = if read_only { "EXAMINE" } else { "SELECT" };
        let (mut uidvalidity, mut uid_next) = (None, None);
        self.command(&format!("{verb} {}", quoted(folder)), COMMAND_TIMEOUT, |response| {
            if let Response::Data { outcome, .. } = response
                && let Some(code) = &outcome.code
            {
                match code {
                    ResponseCode::UidValidity(n) => uidvalidity = Some(*n),
                    ResponseCode::UidNext(n) => uid_next = Some(*n),
                    _ => {}
                }
            }
        })
        .await?;
        match uidvalidity {
            Some(uidvalidity) => Ok(Selected { uidvalidity, uid_next }),
            None => Err(self
                .lost(verb, format!("it gives no UIDVALIDITY for folder {folder}, so its mail cannot be told apart"))),
        }
    }

    /// IDLE (RFC 2177) until something happens or `ceiling` is over.
    ///
    /// # Errors
    /// [`WireError::Lost`]; a refusal is [`Woken::Refused`].
    pub async fn idle(&mut self, ceiling: Duration) -> Result<Woken, WireError> {
        let verb = "IDLE";
        let until = Instant::now() + ceiling;
        let tag = self.say(verb, verb, Instant::now() + COMMAND_TIMEOUT).await?;
        let mut woken = Woken::Silence;
        let mut accepted = false;
        while woken == Woken::Silence {
            let wait = if accepted { until } else { Instant::now() + COMMAND_TIMEOUT };
            let response = match timeout_at(wait, self.session.read_response()).await {
                Err(_) if accepted => break,
                Err(_) => return Err(self.lost(verb, "no answer in time")),
                Ok(Ok(Some(response))) => response,
                Ok(Ok(None)) => return Err(self.lost(verb, "the server closed the connection")),
                Ok(Err(error)) => return Err(self.lost(verb, error.to_string())),
            };
            self.allowance.renew();
            match response.parsed() {
                Response::Continue { .. } => accepted = true,
                Response::Done { tag: answered, .. } if *answered == tag => return Ok(Woken::Refused),
                Response::Data { status: Status::Bye, .. } => {
                    return Err(self.lost(verb, "the server ends the connection"));
                }
                Response::MailboxData(MailboxDatum::Exists(_) | MailboxDatum::Recent(_)) | Response::Expunge(_) => {
                    woken = Woken::News;
                }
                _ => {}
            }
        }
        self.done(&tag).await?;
        Ok(woken)
    }

    async fn done(&mut self, tag: &RequestId) -> Result<(), WireError> {
        let verb = "DONE";
        let until = Instant::now() + DONE_TIMEOUT;
        match timeout_at(until, self.session.run_command_untagged(verb)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.lost(verb, error.to_string())),
            Err(_) => return Err(self.lost(verb, "it does not take the command")),
        }
        loop {
            if self
                .next(
                    verb,
                    until,
                    |response| matches!(response, Response::Done { tag: answered, .. } if answered == tag),
                )
                .await?
            {
                return Ok(());
            }
        }
    }

    /// Says goodbye; what the server makes of it does not matter.
    pub async fn logout(&mut self) {
        let _ = self.command("LOGOUT", Duration::from_secs(2), |_| ()).await;
    }
}

/// The first words of a command, for messages.
fn verb(text: &str) -> String {
    let mut words = text.split(' ');
    match (words.next(), words.next()) {
        (Some("UID"), Some(second)) => format!("UID {second}"),
        (Some(first), _) => first.to_owned(),
        _ => String::new(),
    }
}

fn plain(words: Option<&str>) -> String {
    words.unwrap_or("no reason given").chars().filter(|c| !c.is_control()).take(300).collect()
}

/// A quoted string (RFC 3501 section 4.3); control characters cannot be in one and are left out.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}
