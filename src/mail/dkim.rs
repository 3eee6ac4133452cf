//! Our signature on what we send.
//!
//! Decides   which keys sign a mail: those of the domain of its one author, or of a domain above it (RFC 7489
//!           section 3.1.1), each its own signature.
//! Follows   RFC 6376 (DKIM), RFC 8463 (Ed25519).
//! Never     signs otherwise at another attempt: the time is given, and both algorithms give the same signature for the
//!           same mail.

use std::fmt;

use data_encoding::BASE64;
use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::{Writable, Writer};
use mail_auth::dkim::{Canonicalization, Signature};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::Address;

/// Fields that are signed, and once more than they are there: nobody can add another one (RFC 6376 section 8.15).
const FIELDS: [&str; 14] = [
    "From",
    "Reply-To",
    "Sender",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Auto-Submitted",
];
/// `AlgorithmIdentifier` of rsaEncryption (RFC 8017), as it stands in a SubjectPublicKeyInfo.
const RSA_ENCRYPTION: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// Octets of one string of TXT data.
const TXT_STRING_MAX: usize = 255;

/// A key of a domain.
pub struct Signer {
    /// Lower case.
    domain: String,
    selector: String,
    key: DkimKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.record_name())
    }
}

impl Signer {
    /// From a private key in PEM: RSA of 2048 bits or more, or Ed25519.
    ///
    /// # Errors
    /// Says what is allowed; never the key.
    pub fn new(domain: &str, selector: &str, pem: &str) -> Result<Self, String> {
        let no = "it is no private key in PEM, of RSA (2048 bits or more) or Ed25519";
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| no)?;
        let edwards = match &der {
            PrivateKeyDer::Pkcs8(pkcs8) => Ed25519Key::from_pkcs8_maybe_unchecked_der(pkcs8.secret_pkcs8_der()).ok(),
            _ => None,
        };
        let key = match edwards {
            Some(key) => DkimKey::Ed25519(key),
            None => DkimKey::Rsa(RsaKey::<Sha256>::from_key_der(der).map_err(|_| no)?),
        };
        Ok(Signer { domain: domain.to_ascii_lowercase(), selector: selector.to_owned(), key })
    }

    /// The domain that it speaks for.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Where its public key stands in the DNS.
    #[must_use]
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// The public key as `p=` has it.
    #[must_use]
    pub fn public_key(&self) -> String {
        match &self.key {
            DkimKey::Rsa(key) => {
                let mut bits = vec![0];
                bits.extend(key.public_key());
                let mut info = RSA_ENCRYPTION.to_vec();
                info.extend(der(0x03, &bits));
                BASE64.encode(&der(0x30, &info))
            }
            DkimKey::Ed25519(key) => BASE64.encode(&key.public_key()),
        }
    }

    /// The TXT record that publishes it.
    #[must_use]
    pub fn record(&self) -> String {
        let kind = match &self.key {
            DkimKey::Rsa(_) => "rsa",
            DkimKey::Ed25519(_) => "ed25519",
        };
        format!("v=DKIM1; k={kind}; p={}", self.public_key())
    }

    /// The same as a zone file takes it, in strings that verifiers join (RFC 6376 section 3.6.2.2); a string of TXT data has
    /// at most 255 octets (RFC 1035 section 3.3.14).
    #[must_use]
    pub fn zone_strings(&self) -> String {
        let record: Vec<char> = self.record().chars().collect();
        let strings = record.chunks(TXT_STRING_MAX).map(|string| format!("\"{}\"", string.iter().collect::<String>()));
        strings.collect::<Vec<_>>().join(" ")
    }

    /// May it sign for this author?
    #[must_use]
    pub fn speaks_for(&self, author_domain: &str) -> bool {
        let author = author_domain.to_ascii_lowercase();
        author == self.domain || author.strip_suffix(&self.domain).is_some_and(|above| above.ends_with('.'))
    }

    /// A whole field with the signature of this mail, made at this time.
    fn sign(&self, mail: &AuthenticatedMessage<'_>, at_s: u64) -> Result<Vec<u8>, String> {
        let is = |name: &[u8], field: &str| name.eq_ignore_ascii_case(field.as_bytes());
        let fields: Vec<(&[u8], &[u8])> =
            mail.headers.iter().copied().filter(|(name, _)| FIELDS.iter().any(|f| is(name, f))).collect();
        // a verifier takes fields of one name from the bottom up
        let there = fields.iter().rev().map(|(name, _)| String::from_utf8_lossy(name).into_owned());
        let mut signature = Signature {
            v: 1,
            a: self.key.algorithm(),
            d: self.domain.clone(),
            s: self.selector.clone(),
            h: there.chain(FIELDS.map(str::to_owned)).collect(),
            t: at_s,
            ..Signature::default()
        };
        signature.bh = self.key.hash(Canonicalization::Relaxed.canonical_body(mail.raw_body(), 0)).as_ref().to_vec();
        let fields = Canonicalization::Relaxed.canonical_headers(fields);
        let signed = self.key.sign(Signed { fields, signature: &signature });
        signature.b = signed.map_err(|error| format!("sign as {}: {error}", self.domain))?;
        let mut field = Vec::with_capacity(1024);
        signature.write(&mut field, true);
        Ok(field)
    }
}

/// What the signature is over.
struct Signed<'a, F: Writable> {
    fields: F,
    signature: &'a Signature,
}

impl<F: Writable> Writable for Signed<'_, F> {
    fn write(self, writer: &mut impl Writer) {
        self.fields.write(writer);
        self.signature.write(writer, false);
    }
}

/// The mail with a signature of each key that may sign for its author, on top; `at_s`: seconds since 1970, the same at
/// each attempt.
///
/// # Errors
/// The mail must not go unsigned.
pub fn signed(signers: &[Signer], mail: Vec<u8>, at_s: u64) -> Result<Vec<u8>, String> {
    if signers.is_empty() {
        return Ok(mail);
    }
    let mut top = Vec::new();
    if let Some(read) = AuthenticatedMessage::parse(&mail)
        && let [author] = read.from.as_slice()
        && let Some(author) = Address::parse(author)
    {
        for signer in signers.iter().filter(|s| s.speaks_for(author.domain())) {
            top.extend(signer.sign(&read, at_s)?);
        }
    }
    if top.is_empty() {
        return Ok(mail);
    }
    top.extend_from_slice(&mail);
    Ok(top)
}

/// A DER value: tag, length, content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut value = vec![tag];
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    match digits.as_slice() {
        [] => value.push(0),
        [short @ 0..=127] => value.push(*short),
        long => {
            value.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            value.extend(long);
        }
    }
    value.extend(content);
    value
}

#[cfg(test)]
#[path = "dkim_tests.rs"]
mod tests;
