//! New mail of an account while a check runs, without anything of it being stored or changed.

use async_imap::imap_proto::{AttributeValue, Response};

use super::cursor::uid_set;
use super::wire::{COMMAND_TIMEOUT, Wire};
use super::{connect, folder_name, highest_uid, special};
use crate::config::Account;

/// Larger mails are not what is looked for, octets.
const MAIL_BYTES_MAX: u32 = 256 * 1024;
/// Mails of one look; more come at the next one.
const MAILS_MAX: usize = 50;

/// A mail that came meanwhile.
#[derive(Debug)]
pub struct Seen {
    /// The folder in which it lies.
    pub folder: String,
    /// That is the one for spam (R34).
    pub junk: bool,
    /// Its UID.
    pub uid: u32,
    /// As it came.
    pub raw: Vec<u8>,
}

#[derive(Debug)]
struct Folder {
    name: String,
    junk: bool,
    /// UIDs from here on are new.
    from: u32,
}

/// The folders that intake would read, from a moment on.
#[derive(Debug)]
pub struct Watch {
    wire: Wire,
    folders: Vec<Folder>,
}

impl Watch {
    /// From now on.
    ///
    /// # Errors
    /// What the server refused, or how the connection was lost.
    pub async fn begin(account: &Account) -> anyhow::Result<Self> {
        let mut wire = connect::connect(account).await?;
        let junk = special::folders(&mut wire, account).await?.junk;
        let mut folders = Vec::new();
        for (name, junk) in std::iter::once((account.folder.clone(), false)).chain(junk.map(|name| (name, true))) {
            let selected = wire.select(&folder_name(&name), true).await?;
            let from = match selected.uid_next {
                Some(next) => next,
                None => highest_uid(&mut wire).await?.saturating_add(1),
            };
            folders.push(Folder { name, junk, from });
        }
        Ok(Watch { wire, folders })
    }

    /// What has come since the last look.
    ///
    /// # Errors
    /// What the server refused, or how the connection was lost.
    pub async fn look(&mut self) -> anyhow::Result<Vec<Seen>> {
        let mut all = Vec::new();
        for folder in &mut self.folders {
            self.wire.select(&folder_name(&folder.name), true).await?;
            let mut listed = Vec::new();
            let command = format!("UID FETCH {}:* (UID RFC822.SIZE)", folder.from);
            self.wire
                .command(&command, COMMAND_TIMEOUT, |response| {
                    let Response::Fetch(_, attributes) = response else { return };
                    let mut found = (0, u32::MAX);
                    for attribute in attributes {
                        match attribute {
                            AttributeValue::Uid(uid) => found.0 = *uid,
                            AttributeValue::Rfc822Size(size) => found.1 = *size,
                            _ => {}
                        }
                    }
                    listed.push(found);
                })
                .await?;
            // the last mail is "*", however old it is
            listed.retain(|(uid, _)| *uid >= folder.from);
            listed.sort_unstable();
            listed.truncate(MAILS_MAX);
            let Some((last, _)) = listed.last().copied() else { continue };
            let small = listed.iter().filter(|(_, size)| *size <= MAIL_BYTES_MAX).map(|(uid, _)| *uid);
            let set = uid_set(small);
            if !set.is_empty() {
                let command = format!("UID FETCH {set} (UID BODY.PEEK[])");
                self.wire.command(&command, COMMAND_TIMEOUT, |response| all.extend(seen(response, folder))).await?;
            }
            folder.from = last.saturating_add(1);
        }
        Ok(all)
    }

    /// Ends the connection.
    pub async fn end(mut self) {
        self.wire.logout().await;
    }
}

fn seen(response: &Response<'_>, folder: &Folder) -> Option<Seen> {
    let Response::Fetch(_, attributes) = response else { return None };
    let (mut uid, mut raw) = (None, None);
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(n) => uid = Some(*n),
            AttributeValue::BodySection { section: None, data: Some(data), .. } => raw = Some(data.to_vec()),
            _ => {}
        }
    }
    Some(Seen { folder: folder.name.clone(), junk: folder.junk, uid: uid?, raw: raw? })
}
