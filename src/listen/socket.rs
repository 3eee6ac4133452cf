//! Sockets that wait for connections: TCP, unix, or opened by systemd.
//!
//! Never     takes the place of a living listener: a unix socket's file is removed only where nobody answers on it.

use std::path::Path;

use anyhow::{Context, bail};
use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::place::Place;

/// A socket that waits.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// Unix.
    Unix(UnixListener),
}

/// A connection.
#[derive(Debug)]
pub enum Connection {
    /// TCP, and whether the peer is on this machine.
    Tcp(TcpStream, bool),
    /// Unix, and the peer's user id.
    Unix(UnixStream, u32),
}

/// What systemd handed over, by name (sd_listen_fds(3)).
pub struct Inherited {
    names: Vec<String>,
    sockets: ListenFd,
}

impl Inherited {
    /// Takes them from the environment, once.
    #[must_use]
    pub fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Inherited { names: names.split(':').map(str::to_owned).collect(), sockets: ListenFd::from_env() }
    }
}

impl Socket {
    /// Begins to listen.
    ///
    /// # Errors
    /// What was tried and why it failed.
    pub async fn open(place: &Place, mode: u32, inherited: &mut Inherited) -> anyhow::Result<Self> {
        match place {
            Place::Tcp(address) => {
                Ok(Socket::Tcp(TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?))
            }
            Place::Unix(path) => unix(path, mode).await.with_context(|| format!("listen on {}", path.display())),
            Place::Systemd(name) => {
                let at = inherited.names.iter().position(|n| n == name);
                let at = at.with_context(|| format!("systemd handed over no socket with FileDescriptorName={name}"))?;
                if let Ok(Some(listener)) = inherited.sockets.take_tcp_listener(at) {
                    listener.set_nonblocking(true).context("set O_NONBLOCK")?;
                    return Ok(Socket::Tcp(TcpListener::from_std(listener).context("take over a socket")?));
                }
                match inherited.sockets.take_unix_listener(at) {
                    Ok(Some(listener)) => {
                        listener.set_nonblocking(true).context("set O_NONBLOCK")?;
                        Ok(Socket::Unix(UnixListener::from_std(listener).context("take over a socket")?))
                    }
                    _ => bail!("the socket {name} that systemd handed over is no stream, or is used twice"),
                }
            }
        }
    }

    /// The next connection.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn next(&self) -> std::io::Result<Connection> {
        match self {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Connection::Tcp(stream, peer.ip().to_canonical().is_loopback()))
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                Ok(Connection::Unix(stream, uid))
            }
        }
    }
}

async fn unix(path: &Path, mode: u32) -> anyhow::Result<Socket> {
    use std::os::unix::fs::PermissionsExt;
    if path.exists() {
        if UnixStream::connect(path).await.is_ok() {
            bail!("somebody else listens there");
        }
        std::fs::remove_file(path).context("remove the socket of an earlier run")?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).context("set its mode")?;
    Ok(Socket::Unix(listener))
}
