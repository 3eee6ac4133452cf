//! The maildrop: where `yesreply sendmail` leaves mail while the daemon is not there.
//!
//! Promises   a file goes away only after its mail is committed; what cannot be taken is put aside, and said.
//! Never      follows a link, or believes a file about who wrote it: its owner says.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::config::Config;
use crate::config::listen::Known;
use crate::flow::Flow;
use crate::flow::submitted::{HandedIn, Taken};
use crate::mail::Address;

/// Between looks.
const LOOK: Duration = Duration::from_secs(1);
/// After a failure of the store.
const PAUSE: Duration = Duration::from_secs(10);
/// Files in one look.
const FILES_MAX: usize = 1_000;
/// Sticky, set-group-id, and everybody may write but not read.
const MODE: u32 = 0o3733;

/// The first line of a file in the maildrop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Reverse-path; empty is `<>`.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
}

/// The loop that empties it.
#[derive(Debug)]
pub struct Maildrop {
    folder: PathBuf,
    known: Vec<Known>,
    flow: Arc<Flow>,
    size_bytes_max: u64,
}

impl Maildrop {
    /// Makes the folder if it is not there.
    ///
    /// # Errors
    /// What kept it from being made.
    pub fn open(folder: &Path, config: &Config, flow: &Arc<Flow>) -> anyhow::Result<Self> {
        if !folder.exists() {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(MODE))
                .with_context(|| format!("set the mode of {}", folder.display()))?;
        }
        let refused = folder.join("refused");
        std::fs::create_dir_all(&refused).with_context(|| format!("make {}", refused.display()))?;
        std::fs::set_permissions(&refused, std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("set the mode of {}", refused.display()))?;
        Ok(Maildrop {
            folder: folder.to_owned(),
            known: config.known.clone(),
            flow: flow.clone(),
            size_bytes_max: config.policy.limits.message_bytes_max,
        })
    }

    /// Empties it, for ever.
    pub async fn run(self: Arc<Self>) {
        loop {
            let mut wait = LOOK;
            for path in self.files() {
                if let Err(error) = self.take(&path).await {
                    tracing::error!(file = %path.display(), error = format!("{error:#}"), "a dropped mail waits");
                    wait = PAUSE;
                    break;
                }
            }
            sleep(wait).await;
        }
    }

    /// Whole files, oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let ready = entries.filter(|e| e.file_name().to_string_lossy().starts_with("mail."));
        let mut files: Vec<PathBuf> = ready.take(FILES_MAX).map(|e| e.path()).collect();
        files.sort();
        files
    }

    /// One file. An error is of the store: the file stays.
    async fn take(&self, path: &Path) -> anyhow::Result<()> {
        let handed = match self.read(path) {
            Ok(handed) => handed,
            Err(reason) => return self.put_aside(path, &format!("{reason:#}")),
        };
        let taken = self.flow.handed_in(handed).await?;
        let refused = taken.iter().find_map(|t| match t {
            Taken::Refused(reason) => Some(reason.clone()),
            Taken::Stored => None,
        });
        match refused {
            Some(reason) => self.put_aside(path, &reason),
            None => std::fs::remove_file(path).context("remove a mail that is stored"),
        }
    }

    fn read(&self, path: &Path) -> anyhow::Result<HandedIn> {
        let metadata = std::fs::symlink_metadata(path).context("look at it")?;
        if !metadata.is_file() || metadata.nlink() != 1 {
            bail!("it is no file of its own");
        }
        if metadata.len() > self.size_bytes_max.saturating_add(1 << 20) {
            bail!("it is larger than limits.message_bytes_max");
        }
        let applications: Vec<String> =
            self.known.iter().filter(|k| k.uids.contains(&metadata.uid())).map(|k| k.application.clone()).collect();
        if applications.is_empty() {
            bail!("user id {} is in the users of no application", metadata.uid());
        }
        let whole = std::fs::read(path).context("read it")?;
        let end = whole.iter().position(|b| *b == b'\n').context("it has no envelope")?;
        let (head, rest) = whole.split_at_checked(end.saturating_add(1)).context("it has no envelope")?;
        let envelope: Envelope = serde_json::from_slice(head).context("read its envelope")?;
        let mut recipients = Vec::new();
        for to in envelope.to.iter().take(1_000) {
            recipients.push(Address::parse(to).with_context(|| format!("\"{to}\" is no address"))?);
        }
        Ok(HandedIn {
            place: "maildrop".to_owned(),
            delivers: false,
            applications,
            reverse_path: Address::parse(&envelope.from),
            recipients,
            protocol: "local".to_owned(),
            bytes: canonical(rest),
        })
    }

    fn put_aside(&self, path: &Path, reason: &str) -> anyhow::Result<()> {
        tracing::error!(file = %path.display(), reason, "a dropped mail is refused, and lies in the folder refused");
        let name = path.file_name().context("it has no name")?;
        std::fs::rename(path, self.folder.join("refused").join(name)).context("put it aside")
    }
}

/// CRLF line ends, whoever wrote the file.
fn canonical(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        out.extend(bare.iter().map(|b| if *b == b'\r' { b' ' } else { *b }));
        out.extend_from_slice(b"\r\n");
    }
    out
}
