//! `[sendmail]`: where `yesreply sendmail` hands mail over. Users who may not read the config use the defaults, or
//! what the environment says.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// `[sendmail]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Sendmail {
    /// The daemon's socket for it.
    pub socket: PathBuf,
    /// Where it drops mail while the daemon is not there.
    pub maildrop: PathBuf,
}

impl Default for Sendmail {
    fn default() -> Self {
        Sendmail {
            socket: PathBuf::from("/run/yesreply/submit.sock"),
            maildrop: PathBuf::from("/var/spool/yesreply/maildrop"),
        }
    }
}

/// Where to hand over.
pub type Places = Sendmail;

impl Sendmail {
    /// From the config if it can be read, the environment on top.
    #[must_use]
    pub fn find(config: &Path) -> Self {
        let text = std::fs::read_to_string(config).unwrap_or_default();
        let built = config::Config::builder()
            .add_source(config::File::from_str(&text, config::FileFormat::Toml))
            .add_source(config::Environment::with_prefix("YESREPLY").prefix_separator("__").separator("__"))
            .build();
        built.and_then(|built| built.get::<Sendmail>("sendmail")).unwrap_or_default()
    }
}

/// The name of a file in the maildrop that is whole.
#[must_use]
pub fn ready_name(unique: &str) -> String {
    format!("mail.{unique}")
}
