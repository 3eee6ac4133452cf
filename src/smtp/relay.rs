//! One connection to the relay, verb by verb, a deadline for each. lettre's own `send` and pool are not used: a
//! cancelled send would leave a connection out of step, and the next mail would get the last one's answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;
use std::{fmt, io, net};

use anyhow::{Context, bail};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::retry::{Reply, Verb};
use crate::config::Account;
use crate::config::file::Tls;
use crate::failpoint;
use crate::store::types::Claimed;
use crate::tls;

/// Greeting, EHLO, AUTH.
const HELLO_TIMEOUT: Duration = Duration::from_secs(60);
/// MAIL and RCPT (RFC 5321 section 4.5.3.2).
const VERB_TIMEOUT: Duration = Duration::from_secs(300);
/// DATA (RFC 5321 section 4.5.3.2.4).
const DATA_TIMEOUT: Duration = Duration::from_secs(120);
/// A relay slower than this does not get the mail.
const BYTES_PER_S_MIN: u64 = 50_000;
/// Octets of the plaintext conversation before STARTTLS.
const TALK_BYTES_MAX: u64 = 64 * 1024;

/// Octets of one answer, to any verb: what says more, says it for ever.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What goes wrong between us and a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It said no.
    Refused(Verb, Reply),
    /// The connection is of no use any more, and the mail was certainly not taken.
    Broken(Verb, String),
    /// Cut after the dot: nobody knows.
    Unknown(String),
    /// The row is not ours any more; nothing was sent.
    LeaseLost,
}

/// A connection that is ready for a mail.
pub struct Relay {
    connection: AsyncSmtpConnection,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

impl Relay {
    /// Connects, upgrades, greets and logs in.
    ///
    /// # Errors
    /// [`Fault::Refused`] or [`Fault::Broken`].
    pub async fn connect(account: &Account) -> Result<Self, Fault> {
        let endpoint = &account.smtp;
        let socket = socket(account).await.map_err(|e| Fault::Broken(Verb::Hello, format!("{e:#}")))?;
        let hello = ClientId::default();
        let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(socket), &hello);
        let connection = within(HELLO_TIMEOUT, Verb::Hello, greeted).await?;
        let mut relay = Relay { connection };
        if account.smtp_auth {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if relay.connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
                let text = format!(
                    "5.7.8 {} offers neither AUTH PLAIN nor LOGIN; auth = false if it needs no login",
                    endpoint.host
                );
                return Err(Fault::Refused(Verb::Auth, Reply { code: 535, text }));
            }
            let credentials = Credentials::new(account.user.clone(), account.password.expose_secret().to_owned());
            within(HELLO_TIMEOUT, Verb::Auth, relay.connection.auth(&mechanisms, &credentials)).await?;
        }
        Ok(relay)
    }

    /// Sends a mail of these octets. `started` commits that DATA has begun; only if it says `true` the mail follows.
    ///
    /// # Errors
    /// [`Fault`]; after [`Fault::Refused`] the connection can be used again once it was [`Relay::reset`].
    pub async fn deliver<F>(
        &mut self,
        mail: &Claimed,
        bytes: &[u8],
        answer_timeout: Duration,
        started: F,
    ) -> Result<String, Fault>
    where
        F: Future<Output = bool>,
    {
        if has_bare_line_end(bytes) {
            let text = "5.6.0 a line of this mail does not end in CRLF, so it is not sent".to_owned();
            return Err(Fault::Refused(Verb::Data, Reply { code: 554, text }));
        }
        let info = self.connection.server_info();
        let mut parameters = Vec::new();
        if !bytes.is_ascii() && info.supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let ascii = mail.recipient.is_ascii() && mail.reverse_path.as_deref().is_none_or(str::is_ascii);
        if !ascii {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                let text = "5.6.7 the relay takes no addresses beyond ASCII (SMTPUTF8)".to_owned();
                return Err(Fault::Refused(Verb::Rcpt, Reply { code: 553, text }));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let from = mail.reverse_path.as_deref().map(address).transpose()?;
        let to = address(&mail.recipient)?;
        within(VERB_TIMEOUT, Verb::Mail, self.connection.command(Mail::new(from, parameters))).await?;
        failpoint::hit("outbox.mail");
        within(VERB_TIMEOUT, Verb::Rcpt, self.connection.command(Rcpt::new(to, Vec::new()))).await?;
        failpoint::hit("outbox.rcpt");
        within(DATA_TIMEOUT, Verb::Data, self.connection.command(Data)).await?;
        failpoint::hit("outbox.data");
        if !started.await {
            return Err(Fault::LeaseLost);
        }
        // lettre ends the mail with CRLF, dot, CRLF whatever its own end is
        let body = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
        let bare = if failpoint::fault("bare_lf") { without_the_last_cr(body) } else { Vec::new() };
        let body = if bare.is_empty() { body } else { &bare };
        let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let deadline = answer_timeout.saturating_add(Duration::from_secs(size / BYTES_PER_S_MIN));
        match within(deadline, Verb::Dot, self.connection.message(body)).await {
            Ok(response) => Ok(words(&response)),
            Err(Fault::Broken(_, reason)) => Err(Fault::Unknown(reason)),
            Err(refused) => Err(refused),
        }
    }

    /// Makes the connection ready for the next mail after a refusal.
    ///
    /// # Errors
    /// [`Fault`]: drop it.
    pub async fn reset(&mut self) -> Result<(), Fault> {
        within(HELLO_TIMEOUT, Verb::Mail, self.connection.command(Rset)).await.map(|_| ())
    }

    /// Says goodbye.
    pub async fn quit(mut self) {
        // the answer changes nothing
        let _ = timeout(Duration::from_secs(2), self.connection.command(Quit)).await;
    }
}

/// A CR or LF by itself (RFC 5321 section 2.3.8): what a relay makes of it can be another mail's command.
fn has_bare_line_end(bytes: &[u8]) -> bool {
    let mut before = 0;
    for &byte in bytes.iter().chain(&[0]) {
        if (byte == b'\n') != (before == b'\r') {
            return true;
        }
        before = byte;
    }
    false
}

/// A mistake that tests must notice: the last line of the body ends in a bare LF.
fn without_the_last_cr(body: &[u8]) -> Vec<u8> {
    let mut bare = body.to_vec();
    if let Some(at) = body.windows(2).rposition(|pair| pair == b"\r\n") {
        bare.remove(at);
    }
    bare
}

fn address(text: &str) -> Result<lettre::Address, Fault> {
    text.parse().map_err(|error| {
        let text = format!("5.1.3 \"{text}\" is no address that can be sent to: {error}");
        Fault::Refused(Verb::Rcpt, Reply { code: 553, text })
    })
}

fn words(response: &Response) -> String {
    let text: Vec<&str> = response.message().collect();
    clean(&format!("{} {}", response.code(), text.join(" ")))
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect::<String>().trim().to_owned()
}

async fn within<T>(
    deadline: Duration,
    verb: Verb,
    step: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Fault> {
    match timeout(deadline, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(fault(verb, &error)),
        Err(_) => Err(Fault::Broken(verb, format!("no answer to {} in {} s", verb.word(), deadline.as_secs()))),
    }
}

fn fault(verb: Verb, error: &lettre::transport::smtp::Error) -> Fault {
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    match error.status() {
        Some(code) => Fault::Refused(verb, Reply { code: code.into(), text: clean(&said) }),
        None => Fault::Broken(verb, format!("{} failed: {}", verb.word(), clean(&error.to_string()))),
    }
}

async fn socket(account: &Account) -> anyhow::Result<Socket> {
    let endpoint = &account.smtp;
    let stream = tls::connect(&endpoint.host, endpoint.port).await?;
    let peer = stream.peer_addr().context("ask for the relay's address")?;
    let ca = endpoint.ca.as_deref();
    Ok(match endpoint.tls {
        Tls::None => Socket { greeting: b"", stream: Box::new(stream), peer, heard_bytes: 0 },
        Tls::Implicit => Socket {
            greeting: b"",
            stream: Box::new(tls::handshake(stream, &endpoint.host, ca).await?),
            peer,
            heard_bytes: 0,
        },
        Tls::Starttls => {
            let stream = starttls(stream, &endpoint.host).await?;
            let stream = tls::handshake(stream, &endpoint.host, ca).await?;
            Socket { greeting: b"220 after STARTTLS\r\n", stream: Box::new(stream), peer, heard_bytes: 0 }
        }
    })
}

/// The plaintext part before the handshake (RFC 3207 section 4): as little as possible, and nothing of it is kept.
async fn starttls(stream: TcpStream, host: &str) -> anyhow::Result<TcpStream> {
    let mut reader = BufReader::new(stream);
    let talk = async {
        expect(&mut reader, "220", "the greeting").await?;
        reader.get_mut().write_all(format!("EHLO {}\r\n", ClientId::default()).as_bytes()).await?;
        expect(&mut reader, "250", "EHLO").await?;
        reader.get_mut().write_all(b"STARTTLS\r\n").await?;
        expect(&mut reader, "220", "STARTTLS").await?;
        if !reader.buffer().is_empty() {
            bail!("it sends more before the handshake: somebody may be between us");
        }
        Ok(())
    };
    timeout(HELLO_TIMEOUT, talk)
        .await
        .with_context(|| format!("STARTTLS at {host}: no answer in time"))?
        .with_context(|| format!("STARTTLS at {host}"))?;
    Ok(reader.into_inner())
}

async fn expect(reader: &mut BufReader<TcpStream>, code: &str, verb: &str) -> anyhow::Result<()> {
    let mut reader = reader.take(TALK_BYTES_MAX);
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).await?;
        let line = clean(&String::from_utf8_lossy(&line));
        if !line.starts_with(code) {
            bail!("it answers {verb} with \"{line}\"");
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug> Io for T {}

/// What lettre reads from. After STARTTLS the server does not greet again, but lettre waits for it: so we do. lettre
/// keeps an answer whole, however long: so it ends here.
#[derive(Debug)]
struct Socket {
    greeting: &'static [u8],
    stream: Box<dyn Io>,
    peer: net::SocketAddr,
    /// Octets read since we last wrote.
    heard_bytes: usize,
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            let before = buffer.filled().len();
            let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
            self.heard_bytes = self.heard_bytes.saturating_add(buffer.filled().len().saturating_sub(before));
            if self.heard_bytes > ANSWER_BYTES_MAX {
                return Poll::Ready(Err(io::Error::other("it does not stop answering")));
            }
            return polled;
        }
        let (now, later) = self.greeting.split_at(self.greeting.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.greeting = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.heard_bytes = 0;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Socket {
    fn peer_addr(&self) -> io::Result<net::SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_crlf_or_the_mail_stays_here() {
        for (bytes, bare) in [
            ("a\r\nb\r\n", false),
            ("", false),
            ("a", false),
            ("a\nb", true),
            ("a\rb", true),
            ("a\r\n\n", true),
            ("a\r", true),
        ] {
            assert_eq!(has_bare_line_end(bytes.as_bytes()), bare, "{bytes:?}");
        }
    }
}
