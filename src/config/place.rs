//! Where something of ours listens.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::findings::Findings;

/// Where a socket waits for connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
    /// A socket that systemd opened, by its name.
    Systemd(String),
}

impl Place {
    /// Reads `127.0.0.1:2525`, `unix:/path`, `systemd:NAME`; a finding that shows `example` if it is none of them.
    pub(super) fn named(key: &str, text: &str, example: &str, findings: &mut Findings) -> Option<Self> {
        let place = match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Some(Place::Unix(PathBuf::from(path))),
            Some(("systemd", socket)) if !socket.is_empty() => Some(Place::Systemd(socket.to_owned())),
            _ => text.replace("localhost:", "127.0.0.1:").parse().ok().map(Place::Tcp),
        };
        if place.is_none() {
            findings.fail(
                key,
                &format!("\"{text}\" is no place to listen at"),
                &format!("write it like {example}, unix:/run/yesreply/submit.sock or systemd:NAME"),
            );
        }
        place
    }

    /// Can other machines connect, as far as we know?
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Place::Tcp(address) if !address.ip().is_loopback())
    }
}
