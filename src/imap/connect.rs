//! From an account to a logged-in IMAP connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as Task, Poll};
use std::{fmt, io};

use anyhow::{Context, bail};
use async_imap::imap_proto::{Response, ResponseCode, Status};
use async_imap::{Authenticator, Client};
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::wire::{COMMAND_TIMEOUT, Offers, Wire};
use crate::config::Account;
use crate::config::file::Tls;
use crate::tls;

/// Under async-imap's parser: 64 KiB are half as slow again to do without.
const BUFFER_BYTES: usize = 64 * 1024;
/// A line of the plaintext conversation before STARTTLS.
const LINE_BYTES_MAX: u64 = 8 * 1024;

/// A stream of any protection.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Io for T {}

/// What the connection reads from.
pub type Stream = BufReader<Bounded>;

/// Octets that a server may still send before its answer is whole.
#[derive(Debug, Clone)]
pub struct Allowance {
    left: Arc<AtomicU64>,
    bytes_max: u64,
}

impl Allowance {
    fn new(bytes_max: u64) -> Self {
        Allowance { left: Arc::new(AtomicU64::new(bytes_max)), bytes_max }
    }

    /// An answer was whole: the next one has all of it.
    pub fn renew(&self) {
        self.left.store(self.bytes_max, Ordering::Relaxed);
    }
}

/// A stream that ends with an error where an answer is longer than allowed: async-imap holds one in memory, and stops at
/// 512 MiB.
#[derive(Debug)]
pub struct Bounded {
    inner: Box<dyn Io>,
    allowance: Allowance,
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Task<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = self.allowance.left.load(Ordering::Relaxed);
        if left == 0 {
            let words = format!("one answer is longer than {} octets", self.allowance.bytes_max);
            return Poll::Ready(Err(io::Error::other(words)));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let read = u64::try_from(buffer.filled().len().saturating_sub(before)).unwrap_or(u64::MAX);
        self.allowance.left.store(left.saturating_sub(read), Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Task<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The server does not take the password: trying often locks accounts.
    #[error("log in as {user} at {host}: {words}")]
    Login {
        /// Account.
        user: String,
        /// Server.
        host: String,
        /// The server's words.
        words: String,
    },
    /// Anything else.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// SASL PLAIN (RFC 4616): one message.
struct Plain(String);

impl Authenticator for &Plain {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        self.0.clone()
    }
}

/// Connects, upgrades, logs in and asks for capabilities.
///
/// # Errors
/// [`Refusal`].
pub async fn connect(account: &Account) -> Result<Wire, Refusal> {
    let endpoint = &account.imap;
    let socket = tls::connect(&endpoint.host, endpoint.port).await?;
    let (stream, greeted): (Box<dyn Io>, bool) = match endpoint.tls {
        Tls::Implicit => (Box::new(tls::handshake(socket, &endpoint.host, endpoint.ca.as_deref()).await?), false),
        Tls::Starttls => {
            let socket = starttls(socket, &endpoint.host).await?;
            (Box::new(tls::handshake(socket, &endpoint.host, endpoint.ca.as_deref()).await?), true)
        }
        Tls::None => (Box::new(socket), false),
    };
    let allowance = Allowance::new(account.answer_bytes_max);
    let stream = Bounded { inner: stream, allowance: allowance.clone() };
    let mut client = Client::new(BufReader::with_capacity(BUFFER_BYTES, stream));
    let offers = if greeted { Offers::default() } else { greeting(&mut client, &endpoint.host).await? };
    login(client, account, &offers, allowance).await
}

async fn greeting(client: &mut Client<Stream>, host: &str) -> anyhow::Result<Offers> {
    let response = timeout(COMMAND_TIMEOUT, client.read_response())
        .await
        .with_context(|| format!("{host} did not greet in time"))?
        .with_context(|| format!("read the greeting of {host}"))?
        .with_context(|| format!("{host} closed the connection without a greeting"))?;
    match response.parsed() {
        Response::Data { status: Status::Ok, outcome } => match &outcome.code {
            Some(ResponseCode::Capabilities(list)) => Ok(Offers::of(list)),
            _ => Ok(Offers::default()),
        },
        other => bail!("{host} does not greet with OK: {other:?}"),
    }
}

/// The plaintext part before the handshake (RFC 3501 section 6.2.1): as little as possible, and nothing of it is kept.
async fn starttls(socket: TcpStream, host: &str) -> anyhow::Result<TcpStream> {
    let mut reader = BufReader::new(socket);
    let talk = async {
        let greeting = line(&mut reader).await?;
        if !greeting.to_ascii_uppercase().starts_with("* OK") {
            bail!("it greets with \"{greeting}\"");
        }
        reader.get_mut().write_all(b"y1 STARTTLS\r\n").await?;
        loop {
            let answer = line(&mut reader).await?;
            if answer.starts_with("* ") {
                continue;
            }
            if answer.to_ascii_uppercase().starts_with("Y1 OK") {
                break;
            }
            bail!("it answers \"{answer}\": it offers no STARTTLS, use tls = \"implicit\"");
        }
        if !reader.buffer().is_empty() {
            bail!("it sends more before the handshake: somebody may be between us");
        }
        Ok(())
    };
    timeout(COMMAND_TIMEOUT, talk)
        .await
        .with_context(|| format!("STARTTLS at {host}: no answer in time"))?
        .with_context(|| format!("STARTTLS at {host}"))?;
    Ok(reader.into_inner())
}

async fn line(reader: &mut BufReader<TcpStream>) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    reader.take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes).await?;
    if bytes.last() != Some(&b'\n') {
        bail!("it closed the connection");
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().chars().filter(|c| !c.is_control()).collect())
}

async fn login(
    client: Client<Stream>,
    account: &Account,
    offers: &Offers,
    allowance: Allowance,
) -> Result<Wire, Refusal> {
    let password = account.password.expose_secret();
    let refused = |error: async_imap::error::Error| match error {
        async_imap::error::Error::No(words) | async_imap::error::Error::Bad(words) => {
            Refusal::Login { user: account.user.clone(), host: account.imap.host.clone(), words: words.to_string() }
        }
        other => Refusal::Other(anyhow::Error::new(other).context(format!("log in at {}", account.imap.host))),
    };
    // LOGIN takes quoted ASCII only (RFC 3501 section 9), and some servers switch it off.
    let ascii = |text: &str| text.chars().all(|c| c.is_ascii() && !c.is_ascii_control());
    let attempt = async {
        if !offers.has("AUTH=PLAIN") && ascii(&account.user) && ascii(password) {
            client.login(&account.user, password).await
        } else {
            let plain = Plain(format!("\0{}\0{password}", account.user));
            client.authenticate("PLAIN", &plain).await
        }
    };
    let session = timeout(COMMAND_TIMEOUT, attempt)
        .await
        .with_context(|| format!("log in at {}: no answer in time", account.imap.host))?
        .map_err(|(error, _)| refused(error))?;
    let mut wire = Wire::new(session, &account.imap.host, allowance);
    wire.introduce().await?;
    Ok(wire)
}
