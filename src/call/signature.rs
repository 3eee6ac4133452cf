//! What proves that a request is ours, and fresh.
//!
//! Follows   Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,` and the base64 of
//!           HMAC-SHA256 over `id.timestamp.body` (RFC 2104).

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Before a key that is written as base64.
pub const PREFIX: &str = "whsec_";
/// Octets of a key at least.
pub const KEY_BYTES_MIN: usize = 24;

/// The key of a secret: base64 behind `whsec_`, else its own octets.
///
/// # Errors
/// In words.
pub fn key(secret: &str) -> Result<Vec<u8>, String> {
    let key = match secret.strip_prefix(PREFIX) {
        Some(encoded) => {
            BASE64.decode(encoded.as_bytes()).map_err(|_| "what follows whsec_ is no base64".to_owned())?
        }
        None => secret.as_bytes().to_vec(),
    };
    if key.len() < KEY_BYTES_MIN {
        return Err(format!("it has {} octets; a key has {KEY_BYTES_MIN} at least", key.len()));
    }
    Ok(key)
}

/// The value of `webhook-signature`.
#[must_use]
pub fn of(key: &[u8], id: &str, timestamp_s: i64, body: &str) -> String {
    // HMAC takes keys of any length
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(format!("{id}.{timestamp_s}.").as_bytes());
    mac.update(body.as_bytes());
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn a_signature_as_others_make_it() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap_or_default();
        let made = of(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn short_and_broken_keys_are_refused() {
        assert!(key("whsec_not base64").is_err());
        assert!(key("hunter2").is_err_and(|e| e.contains("24")));
        assert_eq!(key("0123456789abcdef01234567").map(|k| k.len()), Ok(24));
    }
}
