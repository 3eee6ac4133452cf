//! Where the company's own applications hand in mail, and a local mail server hands over what arrived.
//!
//! Promises   250 only after the commit; 451 or 452 when it cannot be; a bound on connections, memory and time.
//! Never      waits longer for a peer than the config says, whatever it sends.

pub mod auth;
pub mod data;
pub mod fuzz;
pub mod maildrop;
pub mod session;
pub mod socket;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use data_encoding::HEXLOWER;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::clock;
use crate::config::Config;
use crate::config::file::Tls;
use crate::config::listen::{Door, Known, exposed, login_key};
use crate::failpoint;
use crate::flow::Flow;
use crate::flow::submitted::{HandedIn, Taken};
use crate::tls;

use auth::Logins;
use session::{Answer, Handed, Session, Step, Terms};
use socket::{Connection, Inherited, Socket};

/// Octets that are read at once.
const READ_BYTES: usize = 16 * 1024;
/// Octets of mails that all connections of a listener hold together.
const HELD_BYTES_MAX: usize = 48 * 1024 * 1024;
/// Waiting for room among them, and for the commit.
const ROOM: Duration = Duration::from_secs(30);
const COMMIT: Duration = Duration::from_secs(120);
/// For TLS handshakes and for writing an answer.
const SHORT: Duration = Duration::from_secs(30);
/// After a failed login.
const SLOW: Duration = Duration::from_secs(1);

/// A listener that is open.
pub struct Listener {
    door: Door,
    socket: Socket,
    acceptor: Option<TlsAcceptor>,
    logins: Logins,
    known: Vec<Known>,
    flow: Arc<Flow>,
    size_bytes_max: usize,
    seats: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({})", self.door.name)
    }
}

impl Listener {
    /// Opens all listeners of a config.
    ///
    /// # Errors
    /// Which cannot be opened, and why.
    pub async fn open(config: &Config, flow: &Arc<Flow>, inherited: &mut Inherited) -> anyhow::Result<Vec<Self>> {
        let users = config.known.iter().filter_map(|k| k.login.as_ref().map(|(user, pass)| (k, user, pass)));
        let users = users.map(|(known, user, pass)| (user.as_str(), exposed(pass), known.application.as_str()));
        let logins = Logins::new(login_key(&config.policy.keys), users);
        let mut all = Vec::new();
        for door in &config.doors {
            let key = format!("listener.{}", door.name);
            let acceptor = match &door.identity {
                Some((certificate, private)) if door.tls != Tls::None => {
                    Some(tls::acceptor(certificate, private).with_context(|| key.clone())?)
                }
                _ => None,
            };
            // any user of this machine may hand in, and the kernel says who it is; who delivers is believed
            let mode = if door.lmtp { 0o660 } else { 0o666 };
            all.push(Listener {
                socket: Socket::open(&door.place, mode, inherited).await.with_context(|| key.clone())?,
                acceptor,
                logins: logins.clone(),
                known: config.known.clone(),
                flow: flow.clone(),
                size_bytes_max: usize::try_from(config.policy.limits.message_bytes_max).unwrap_or(usize::MAX),
                seats: Arc::new(Semaphore::new(door.connections)),
                room: Arc::new(Semaphore::new(HELD_BYTES_MAX)),
                door: door.clone(),
            });
            tracing::info!(listener.name = door.name, place = ?door.place, lmtp = door.lmtp, "a listener is open");
        }
        Ok(all)
    }

    /// Short name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.door.name
    }

    /// Takes connections until `stop` turns true.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let connection = tokio::select! {
                connection = self.socket.next() => connection,
                _ = stop.changed() => return,
            };
            match connection {
                Ok(connection) => self.clone().seat(connection, stop.clone()),
                Err(error) => {
                    tracing::warn!(listener.name = self.door.name, %error, "a connection could not be taken");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn seat(self: Arc<Self>, connection: Connection, stop: watch::Receiver<bool>) {
        let seat = self.seats.clone().try_acquire_owned();
        tokio::spawn(async move {
            let Ok(_seat) = seat else {
                let busy = b"421 4.3.2 too many connections\r\n";
                let _ = match connection {
                    Connection::Tcp(mut stream, _) => timeout(SHORT, stream.write_all(busy)).await,
                    Connection::Unix(mut stream, _) => timeout(SHORT, stream.write_all(busy)).await,
                };
                return;
            };
            // a peer that breaks off has lost nothing: what had its 250 is committed, the rest it hands in again
            if let Err(error) = self.serve(connection, stop).await {
                tracing::debug!(listener.name = self.door.name, error = format!("{error:#}"), "a connection ended");
            }
        });
    }

    async fn serve(&self, connection: Connection, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        match connection {
            Connection::Unix(stream, uid) => {
                let trusted = self.trusted(|known| known.uids.contains(&uid));
                let talk = Talk {
                    listener: self,
                    session: Session::new(self.terms(trusted, false, true)),
                    held: None,
                    secure: false,
                };
                talk.run(stream, true, stop).await.map(|_| ())
            }
            Connection::Tcp(stream, loopback) => {
                let trusted = self.trusted(|known| known.loopback && loopback);
                let implicit = self.door.tls == Tls::Implicit;
                let starttls = self.door.tls == Tls::Starttls;
                let private = implicit || (loopback && !starttls);
                let session = Session::new(self.terms(trusted, starttls, private));
                let talk = Talk { listener: self, session, held: None, secure: implicit };
                if implicit {
                    let stream = self.handshake(stream).await?;
                    return talk.run(stream, true, stop).await.map(|_| ());
                }
                if let Some((stream, mut talk)) = talk.run(stream, true, stop.clone()).await? {
                    let stream = self.handshake(stream).await?;
                    talk.secure = true;
                    let _ = talk.session.secured();
                    talk.run(stream, false, stop).await?;
                }
                Ok(())
            }
        }
    }

    async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> anyhow::Result<tokio_rustls::server::TlsStream<S>> {
        let acceptor = self.acceptor.as_ref().context("there is no certificate")?;
        timeout(SHORT, acceptor.accept(stream)).await.context("TLS handshake: no answer")?.context("TLS handshake")
    }

    fn trusted(&self, is_it: impl Fn(&Known) -> bool) -> Vec<String> {
        self.known.iter().filter(|k| is_it(k)).map(|k| k.application.clone()).collect()
    }

    fn terms(&self, trusted: Vec<String>, starttls: bool, private: bool) -> Terms {
        Terms {
            lmtp: self.door.lmtp,
            name: self.door.host.clone(),
            starttls,
            private,
            size_bytes_max: self.size_bytes_max,
            recipients_max: self.door.recipients,
            logins: self.logins.clone(),
            trusted,
            nonce: HEXLOWER.encode(&clock::random::<18>()),
        }
    }

    async fn commit(&self, handed: Handed, secure: bool) -> Vec<Answer> {
        let recipients = handed.recipients.len();
        let protocol = match (self.door.lmtp, secure) {
            (true, _) => "LMTP",
            (false, true) => "ESMTPS",
            (false, false) => "ESMTP",
        };
        let handed = HandedIn {
            place: self.door.name.clone(),
            delivers: self.door.lmtp,
            applications: handed.applications,
            reverse_path: handed.reverse_path,
            recipients: handed.recipients,
            protocol: protocol.to_owned(),
            bytes: handed.bytes,
        };
        failpoint::hit("listen.before_commit");
        let taken = match timeout(COMMIT, self.flow.handed_in(handed)).await {
            Ok(Ok(taken)) => taken,
            Ok(Err(error)) => {
                tracing::error!(
                    listener.name = self.door.name,
                    error = format!("{error:#}"),
                    "a mail could not be committed"
                );
                vec![Taken::Refused("4.3.0 it could not be stored; try again".to_owned()); recipients]
            }
            Err(_) => vec![Taken::Refused("4.3.0 it was not stored in time; try again".to_owned()); recipients],
        };
        failpoint::hit("listen.after_commit");
        let answers: Vec<Answer> = taken.iter().map(answer).collect();
        if self.door.lmtp {
            return answers;
        }
        // one answer for all: a refusal, if there is one that another attempt does not change, else what is temporary
        let worst = answers.iter().max_by_key(|a| (a.code >= 500, a.code >= 400)).cloned();
        worst.into_iter().collect()
    }
}

fn answer(taken: &Taken) -> Answer {
    match taken {
        Taken::Stored => Answer::new(250, "2.0.0 it is stored"),
        Taken::Refused(reason) if reason.starts_with('4') => Answer::new(451, reason),
        Taken::Refused(reason) => Answer::new(550, reason),
    }
}

/// One connection.
struct Talk<'a> {
    listener: &'a Listener,
    session: Session,
    /// Room that it holds among all mails in memory.
    held: Option<tokio::sync::OwnedSemaphorePermit>,
    secure: bool,
}

impl<'a> Talk<'a> {
    /// Until the end, or until TLS is to begin: then the stream comes back.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        mut stream: S,
        greets: bool,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Option<(S, Talk<'a>)>> {
        if greets {
            write(&mut stream, &self.session.greeting()).await?;
        }
        let mut buffer = vec![0u8; READ_BYTES];
        let mut deadline = Instant::now() + self.listener.door.timeout;
        let mut in_data = false;
        loop {
            let read = tokio::select! {
                read = timeout_at(deadline, stream.read(&mut buffer)) => read,
                () = stops(&mut stop) => {
                    write(&mut stream, "421 4.3.2 we are closing; try again\r\n").await?;
                    return Ok(None);
                }
            };
            let Ok(read) = read else {
                write(&mut stream, "421 4.4.2 that took too long\r\n").await?;
                return Ok(None);
            };
            let octets = buffer.get(..read?).filter(|o| !o.is_empty());
            let Some(octets) = octets else {
                return Ok(None);
            };
            let steps = self.session.feed(octets);
            if !self.make_room().await {
                write(&mut stream, "452 4.3.1 there is no room now; try again\r\n").await?;
                return Ok(None);
            }
            let progress = !steps.is_empty();
            match self.act(&mut stream, steps).await? {
                Next::Read => {}
                Next::Handshake => return Ok(Some((stream, self))),
                Next::End => return Ok(None),
            }
            // a trickle of octets moves no deadline: only a step does
            if progress || in_data != self.session.in_data() {
                in_data = self.session.in_data();
                let door = &self.listener.door;
                deadline = Instant::now() + if in_data { door.data_timeout } else { door.timeout };
            }
        }
    }

    async fn act<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        steps: Vec<Step>,
    ) -> anyhow::Result<Next> {
        let mut steps = std::collections::VecDeque::from(steps);
        let mut said = String::new();
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Reply(text) => said.push_str(&text),
                Step::Slow => sleep(SLOW).await,
                Step::Close => {
                    write(stream, &said).await?;
                    let _ = timeout(SHORT, stream.shutdown()).await;
                    return Ok(Next::End);
                }
                Step::Handshake => {
                    write(stream, &said).await?;
                    return Ok(Next::Handshake);
                }
                Step::Commit(handed) => {
                    let answers = self.listener.commit(handed, self.secure).await;
                    self.held = None;
                    steps.extend(self.session.answered(&answers));
                }
            }
        }
        write(stream, &said).await?;
        Ok(Next::Read)
    }

    /// Takes room for what this connection holds. `false` if there is none in time.
    async fn make_room(&mut self) -> bool {
        let has = self.held.as_ref().map_or(0, tokio::sync::OwnedSemaphorePermit::num_permits);
        let needs = self.session.held();
        if needs <= has.saturating_add(2 * READ_BYTES) {
            return true;
        }
        let more = u32::try_from(needs.saturating_sub(has)).unwrap_or(u32::MAX);
        match timeout(ROOM, self.listener.room.clone().acquire_many_owned(more)).await {
            Ok(Ok(permit)) => {
                match &mut self.held {
                    Some(held) => held.merge(permit),
                    None => self.held = Some(permit),
                }
                true
            }
            _ => false,
        }
    }
}

async fn stops(stop: &mut watch::Receiver<bool>) {
    // a daemon that is gone stops too
    let _ = stop.wait_for(|stopped| *stopped).await;
}

enum Next {
    Read,
    Handshake,
    End,
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> anyhow::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let done = timeout(SHORT, async {
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await
    });
    done.await.context("write: the peer does not read")?.context("write")
}
