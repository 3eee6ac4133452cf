//! Bodies of notifications: stored once for all recipients, packed where that is worth it.
//!
//! Follows   RFC 1951 (deflate).

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sqlx::AnyConnection;

use super::insert::{Insert, Value};
use super::rows;

/// How the ids of bodies begin.
pub const PREFIX: &str = "body:";
/// What is shorter is kept as it is: it would not get much smaller.
const PACKED_BYTES_MIN: usize = 512;
/// What is longer is kept as it is: most of it are files, which are packed already, and packing takes its time.
const PACKED_BYTES_MAX: usize = 1024 * 1024;

const BODIES: Insert = Insert {
    into: "bodies (id, content, size, used_at)",
    row: "($1, $2, $3, $4)",
    tail: " ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at WHERE bodies.used_at < excluded.used_at",
};

/// A body as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// `body:` and the hash of its octets.
    pub id: String,
    /// Packed, if `size` says so.
    pub content: Arc<Vec<u8>>,
    /// Octets before packing; `None`: it is not packed.
    pub size: Option<usize>,
}

impl Body {
    /// Packs these octets, whose hash is given, if that makes them smaller.
    #[must_use]
    pub fn of(hash: &[u8], octets: Vec<u8>) -> Self {
        let id = format!("{PREFIX}{}", data_encoding::HEXLOWER.encode(hash));
        let small = (PACKED_BYTES_MIN..=PACKED_BYTES_MAX).contains(&octets.len()).then(|| packed(&octets)).flatten();
        match small.filter(|small| small.len() < octets.len()) {
            Some(small) => Body { id, content: Arc::new(small), size: Some(octets.len()) },
            None => Body { id, content: Arc::new(octets), size: None },
        }
    }
}

/// Writing to memory does not fail; if it did, the octets would be kept as they are.
fn packed(octets: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(octets.len() / 2), Compression::fast());
    encoder.write_all(octets).ok()?;
    encoder.finish().ok()
}

/// Reads no more than `size` octets. `None` if these are not that many, packed.
fn unpacked(content: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(size.min(PACKED_BYTES_MAX));
    DeflateDecoder::new(content).take(u64::try_from(size).ok()?.saturating_add(1)).read_to_end(&mut octets).ok()?;
    (octets.len() == size).then_some(octets)
}

/// Writes bodies that a notification taken at this time has.
///
/// # Errors
/// The database's.
pub async fn add(connection: &mut AnyConnection, bodies: Vec<(Body, i64)>) -> sqlx::Result<()> {
    let row = |(body, used_ms): (Body, i64)| {
        let size = body.size.and_then(|size| i64::try_from(size).ok());
        vec![Value::Text(body.id), Value::Bytes(body.content), Value::MaybeNumber(size), Value::Number(used_ms)]
    };
    BODIES.rows(connection, bodies.into_iter().map(row).collect()).await
}

/// A body as it was handed in.
///
/// # Errors
/// The database's; it is not there, or is not what was packed.
pub async fn load(connection: &mut AnyConnection, id: &str) -> sqlx::Result<Vec<u8>> {
    let row = sqlx::query("SELECT content, size FROM bodies WHERE id = $1").bind(id.to_owned());
    let row = row.fetch_one(&mut *connection).await?;
    let content = rows::bytes(&row, "content")?;
    match rows::maybe_number(&row, "size")? {
        None => Ok(content),
        Some(size) => usize::try_from(size)
            .ok()
            .and_then(|size| unpacked(&content, size))
            .ok_or_else(|| rows::bad("content", "it is not what was packed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_the_same_again() {
        let html = "<td style=\"padding:0\">Your order has left.</td>\r\n".repeat(200).into_bytes();
        let body = Body::of(b"h", html.clone());
        assert!(body.content.len() * 5 < html.len(), "{} of {}", body.content.len(), html.len());
        assert_eq!(unpacked(&body.content, html.len()), Some(html.clone()));
        assert_eq!(unpacked(&body.content, html.len() - 1), None, "another length than it had");
        assert_eq!(unpacked(b"no such thing", 100), None);
    }

    #[test]
    fn what_does_not_get_smaller_is_kept_as_it_is() {
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        });
        let noise: Vec<u8> = noise.take(4_096).collect();
        for octets in [noise, b"short".to_vec(), vec![b'a'; PACKED_BYTES_MAX + 1]] {
            let body = Body::of(b"h", octets.clone());
            assert_eq!((body.size, &*body.content), (None, &octets));
        }
    }
}
