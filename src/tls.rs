//! Sockets and TLS for both edges.
//!
//! Promises   a deadline on every step; certificates are always checked, against the system's CAs or an own CA file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// For the TCP connection, and again for the TLS handshake.
const CONNECT_TIMEOUT_S: u64 = 20;

/// A socket without Nagle's delay: both protocols are conversations of short lines.
///
/// # Errors
/// What was tried and why it failed.
pub async fn connect(host: &str, port: u16) -> anyhow::Result<TcpStream> {
    let place = format!("connect to {host} port {port}");
    let stream = timeout(Duration::from_secs(CONNECT_TIMEOUT_S), TcpStream::connect((host, port)))
        .await
        .with_context(|| format!("{place}: no answer in {CONNECT_TIMEOUT_S} s"))?
        .with_context(|| place.clone())?;
    stream.set_nodelay(true).with_context(|| format!("{place}: set TCP_NODELAY"))?;
    Ok(stream)
}

/// TLS over a socket.
///
/// # Errors
/// What was tried and why it failed: an unreadable CA file, a certificate that is not trusted.
pub async fn handshake(stream: TcpStream, host: &str, ca: Option<&Path>) -> anyhow::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).with_context(|| format!("\"{host}\" is no name for TLS"))?;
    let connector = TlsConnector::from(Arc::new(client_config(ca)?));
    timeout(Duration::from_secs(CONNECT_TIMEOUT_S), connector.connect(name, stream))
        .await
        .with_context(|| format!("TLS handshake with {host}: no answer in {CONNECT_TIMEOUT_S} s"))?
        .with_context(|| format!("TLS handshake with {host}"))
}

/// TLS as a server, with a certificate and its key.
///
/// # Errors
/// Which file cannot be read, or does not fit the other.
pub fn acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let shown = |path: &Path| format!("read {}", path.display());
    let certificates = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| shown(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| shown(key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS versions")?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .with_context(|| format!("use certificate {}", certificate.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn client_config(ca: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().context("TLS versions")?;
    let Some(path) = ca else {
        return Ok(builder.with_platform_verifier().context("the system's CA certificates")?.with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).with_context(|| format!("read CA file {}", path.display()))?;
    for certificate in certificates {
        let certificate = certificate.with_context(|| format!("read CA file {}", path.display()))?;
        roots.add(certificate).with_context(|| format!("CA file {}", path.display()))?;
    }
    if roots.is_empty() {
        bail!("CA file {} holds no certificate", path.display());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
