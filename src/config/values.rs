//! Values of the config: durations, sizes, budgets, secrets, starts.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::desk::policy::{Audience, Budget};

/// A duration: `90s`, `5m`, `4h`, `5d`, `1y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// In milliseconds.
    #[must_use]
    pub fn ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }

    /// Reads `4h`.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = || {
            format!(
                "\"{text}\" is no duration; allowed are a number and one of ms, s, m, h, d, y, like \"90s\" or \"5d\""
            )
        };
        let at = text.find(|c: char| c.is_alphabetic()).ok_or_else(allowed)?;
        let (digits, unit) = text.split_at_checked(at).ok_or_else(allowed)?;
        let count: u64 = digits.trim().parse().map_err(|_| allowed())?;
        let unit_ms: u64 = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "y" => 31_536_000_000,
            _ => return Err(allowed()),
        };
        Ok(Span(Duration::from_millis(count.checked_mul(unit_ms).ok_or_else(allowed)?)))
    }
}

/// A list of words; or one string with commas, as an environment variable holds it.
///
/// # Errors
/// The deserializer's, for anything else.
pub fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged, expecting = "expected a list of words, like [\"one\", \"two\"]")]
    enum Words {
        Many(Vec<String>),
        One(String),
    }
    Ok(match Words::deserialize(deserializer)? {
        Words::Many(words) => words,
        Words::One(text) => text.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect(),
    })
}

/// Octets: `25MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Size {
    fn parse(text: &str) -> Result<Self, String> {
        let allowed =
            || format!("\"{text}\" is no size; allowed are a number and one of B, KiB, MiB, GiB, like \"25MiB\"");
        let at = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
        let (digits, unit) = text.split_at_checked(at).ok_or_else(allowed)?;
        let count: u64 = digits.trim().parse().map_err(|_| allowed())?;
        let factor: u64 = match unit.trim() {
            "" | "B" => 1,
            "KiB" | "kB" => 1024,
            "MiB" | "MB" => 1024 * 1024,
            "GiB" | "GB" => 1024 * 1024 * 1024,
            _ => return Err(allowed()),
        };
        Ok(Size(count.checked_mul(factor).ok_or_else(allowed)?))
    }
}

/// A budget: `20/1h`, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Option<Budget>);

impl Limit {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Limit(None));
        }
        let allowed =
            || format!("\"{text}\" is no budget; allowed are \"off\" and a count within a time, like \"20/1h\"");
        let (count, window) = text.split_once('/').ok_or_else(allowed)?;
        let count: u32 = count.trim().parse().map_err(|_| allowed())?;
        let window = Span::parse(window.trim()).map_err(|_| allowed())?;
        Ok(Limit(Some(Budget { count, window_ms: window.ms() })))
    }
}

/// `intake.start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// What arrives from now on.
    Now,
    /// Everything.
    All,
    /// Everything since, milliseconds.
    Since(i64),
}

impl Start {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "now" => Ok(Start::Now),
            "all" => Ok(Start::All),
            other => other
                .parse::<jiff::Timestamp>()
                .map(|t| Start::Since(t.as_millisecond()))
                .map_err(|_| format!("\"{other}\" is no start; allowed are \"now\", \"all\" and an RFC 3339 date like \"2026-11-01T00:00:00Z\"")),
        }
    }
}

/// `intake.after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterValue(pub crate::store::types::After);

impl AfterValue {
    fn parse(text: &str) -> Result<Self, String> {
        use crate::store::types::After;
        let after = match (text, text.strip_prefix("move:")) {
            ("keep", _) => After::Keep,
            ("keyword", _) => After::Keyword,
            ("seen", _) => After::Seen,
            (_, Some(folder)) if !folder.is_empty() => After::Move(folder.to_owned()),
            _ => {
                return Err(format!(
                    "\"{text}\" is not allowed; allowed are \"keep\", \"keyword\", \"seen\" and \"move:FOLDER\""
                ));
            }
        };
        Ok(AfterValue(after))
    }
}

/// `verified`, `everyone`, `nobody`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudienceValue(pub Audience);

impl AudienceValue {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "verified" => Ok(AudienceValue(Audience::Verified)),
            "everyone" => Ok(AudienceValue(Audience::Everyone)),
            "nobody" => Ok(AudienceValue(Audience::Nobody)),
            _ => Err(format!("\"{text}\" is not allowed; allowed are \"verified\", \"everyone\" and \"nobody\"")),
        }
    }
}

/// Reads an enum from its words, and names them all where another one stands.
macro_rules! from_word {
    ($($name:ident { $($variant:ident = $word:literal),* })*) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                match word.as_str() {
                    $($word => Ok($name::$variant),)*
                    _ => {
                        let allowed = [$(concat!("\"", $word, "\"")),*].join(", ");
                        Err(serde::de::Error::custom(format!("\"{word}\" is not allowed; allowed are {allowed}")))
                    }
                }
            }
        }
    )*};
}
pub(super) use from_word;

macro_rules! from_text {
    ($($name:ty),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                <$name>::parse(&text).map_err(D::Error::custom)
            }
        }
    )*};
}
from_text!(Span, Size, Limit, Start, AfterValue, AudienceValue);

/// Where systemd puts the credentials of our unit, while it runs.
const SERVICE_CREDENTIALS: &str = "/run/credentials/yesreply.service";

/// Where a secret is.
#[derive(Clone)]
pub enum Secret {
    /// In the config itself.
    Plain(SecretString),
    /// In a file.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
    /// A systemd credential.
    Credential(String),
    /// What a command prints.
    Command(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Plain(_) => f.write_str("a plain secret"),
            Secret::File(path) => write!(f, "file {}", path.display()),
            Secret::Env(name) => write!(f, "environment variable {name}"),
            Secret::Credential(name) => write!(f, "credential {name}"),
            Secret::Command(_) => f.write_str("a command"),
        }
    }
}

impl Secret {
    /// Fetches it; white space at its end is dropped.
    ///
    /// # Errors
    /// What was tried and how to mend it; never the secret.
    pub fn read(&self) -> Result<SecretString, String> {
        let text = match self {
            Secret::Plain(secret) => return Ok(secret.clone()),
            Secret::File(path) => private_file(path)?,
            Secret::Env(name) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set; set it, or name a file"))?,
            Secret::Credential(name) => {
                // commands beside the running service find its credentials too
                let folder = std::env::var("CREDENTIALS_DIRECTORY").unwrap_or_else(|_| SERVICE_CREDENTIALS.to_owned());
                let path = Path::new(&folder).join(name);
                std::fs::read_to_string(&path).map_err(|e| {
                    format!(
                        "read credential {}: {e}; start the service, whose unit loads it (LoadCredential=)",
                        path.display()
                    )
                })?
            }
            Secret::Command(command) => output_of(command)?,
        };
        let text = text.trim_end();
        if text.is_empty() {
            return Err(format!("{self:?} is empty"));
        }
        Ok(SecretString::from(text.to_owned()))
    }
}

/// Reads a file that nobody else may read.
///
/// # Errors
/// Names the file and the way to mend it.
pub fn private_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|e| format!("read {shown}: {e}"))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(format!(
            "{shown} can be read by others (mode {:o}); run: chmod 600 {shown}",
            metadata.permissions().mode() & 0o777
        ));
    }
    std::fs::read_to_string(path).map_err(|e| format!("read {shown}: {e}"))
}

fn output_of(command: &str) -> Result<String, String> {
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", command])
        .output()
        .map_err(|e| format!("run the command of a secret: {e}"))?;
    if !output.status.success() {
        return Err(format!("the command of a secret ended with {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| "the command of a secret printed no UTF-8".to_owned())
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or one of { file = … }, { env = … }, { credential = … }, { command = … }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::Plain(SecretString::from(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let Some((kind, value)) = map.next_entry::<String, String>()? else {
                    return Err(A::Error::custom("it is empty; name a file, env, credential or command"));
                };
                match kind.as_str() {
                    "file" => Ok(Secret::File(PathBuf::from(value))),
                    "env" => Ok(Secret::Env(value)),
                    "credential" => Ok(Secret::Credential(value)),
                    "command" => Ok(Secret::Command(value)),
                    other => Err(A::Error::custom(format!(
                        "{other} is not allowed; allowed are file, env, credential, command"
                    ))),
                }
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_sizes_and_budgets() {
        assert_eq!(Span::parse("90s").map(Span::ms), Ok(90_000));
        assert_eq!(Span::parse("5d").map(Span::ms), Ok(432_000_000));
        assert!(Span::parse("5").is_err_and(|e| e.contains("like \"90s\"")));
        assert_eq!(Size::parse("25MiB"), Ok(Size(26_214_400)));
        assert_eq!(Limit::parse("off"), Ok(Limit(None)));
        assert_eq!(Limit::parse("20/1h"), Ok(Limit(Some(Budget { count: 20, window_ms: 3_600_000 }))));
        assert!(Limit::parse("many").is_err());
        assert_eq!(Start::parse("2026-11-01T00:00:00Z"), Ok(Start::Since(1_793_491_200_000)));
    }

    #[test]
    fn a_secret_file_that_others_can_read_is_refused() {
        let folder = std::env::temp_dir().join(format!("yesreply-secret-{}", std::process::id()));
        assert!(std::fs::write(&folder, "hunter2\n").is_ok());
        let set = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).is_ok();
        assert!(set(0o644));
        assert!(Secret::File(folder.clone()).read().is_err_and(|e| e.contains("chmod 600")));
        assert!(set(0o600));
        assert!(Secret::File(folder.clone()).read().is_ok());
        assert!(std::fs::remove_file(&folder).is_ok());
    }
}
