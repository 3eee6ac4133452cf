//! The desk's folders as they are on the server.
//!
//! Follows   RFC 3501 sections 6.3.3, 6.3.6, 6.3.8 and 6.4.4.
//! Never     reads more than the marker of what lies there, once for each mail; guesses a hierarchy delimiter.

use std::collections::{BTreeMap, BTreeSet};

use async_imap::imap_proto::{AttributeValue, MailboxDatum, NameAttribute, Response};

use super::plan::{Found, Sighting, Spot};
use crate::flow::Flow;
use crate::imap::cursor::uid_set;
use crate::imap::errands::plain;
use crate::imap::folder_name;
use crate::imap::wire::{COMMAND_TIMEOUT, Wire, WireError, quoted};

/// The folder below which the desk's own lie.
const ROOT: &str = "Cases";
/// The field that marks a copy.
const FIELD: &str = "X-Yesreply-Entry";
/// Folders that are looked into; people may make some below the desk's own.
const FOLDERS_MAX: usize = 500;
/// Mails whose marker is asked for in one command.
const MARKERS_MAX: usize = 1_000;
/// Characters of a marker, ours or not.
const MARKER_CHARS_MAX: usize = 60;

/// Where the desk's folders are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    name: String,
    delimiter: String,
}

impl Root {
    /// The whole name of a folder.
    #[must_use]
    pub fn whole(&self, folder: &str) -> String {
        format!("{}{}{folder}", self.name, self.delimiter)
    }

    /// The whole name of where a copy was seen.
    #[must_use]
    pub fn spot(&self, spot: &Spot) -> String {
        match spot {
            Spot::Inside(folder) => self.whole(folder),
            Spot::Outside(whole) => whole.clone(),
        }
    }

    /// Finds the root. Where all folders of people lie below `INBOX`, this one does too.
    ///
    /// # Errors
    /// A refusal of both, or a lost connection.
    pub async fn find(wire: &mut Wire, some: &str) -> Result<Self, WireError> {
        let delimiter = delimiter(wire).await?;
        let plain = Root { name: ROOT.to_owned(), delimiter: delimiter.clone() };
        let nested = Root { name: format!("INBOX{delimiter}{ROOT}"), delimiter };
        for root in [&plain, &nested] {
            if !root.folders(wire).await?.is_empty() {
                return Ok(root.clone());
            }
        }
        match plain.create(wire, some).await {
            Ok(()) => Ok(plain),
            Err(refused @ WireError::Refused { .. }) => match nested.create(wire, some).await {
                Ok(()) => Ok(nested),
                Err(WireError::Refused { .. }) => Err(refused),
                Err(lost) => Err(lost),
            },
            Err(lost) => Err(lost),
        }
    }

    /// Makes those that are missing, and has clients show them.
    ///
    /// # Errors
    /// [`WireError`].
    pub async fn complete(&self, wire: &mut Wire, folders: &[String]) -> Result<(), WireError> {
        let there = self.folders(wire).await?;
        for folder in folders.iter().filter(|folder| !there.contains(*folder)) {
            self.create(wire, folder).await?;
        }
        Ok(())
    }

    /// Makes one.
    ///
    /// # Errors
    /// [`WireError`].
    pub async fn create(&self, wire: &mut Wire, folder: &str) -> Result<(), WireError> {
        let name = quoted(&folder_name(&self.whole(folder)));
        plain(wire, &format!("CREATE {name}")).await?;
        match plain(wire, &format!("SUBSCRIBE {name}")).await {
            Err(lost @ WireError::Lost { .. }) => Err(lost),
            _ => Ok(()),
        }
    }

    /// All folders below, by their names there.
    async fn folders(&self, wire: &mut Wire) -> Result<BTreeSet<String>, WireError> {
        let begins = self.whole("");
        let mut found = BTreeSet::new();
        let command = format!("LIST \"\" {}", quoted(&folder_name(&self.whole("*"))));
        wire.command(&command, COMMAND_TIMEOUT, |response| {
            let Response::MailboxData(MailboxDatum::List(listed)) = response else { return };
            let closed = listed.name_attributes.contains(&NameAttribute::NoSelect);
            let whole = utf7_imap::decode_utf7_imap(listed.name.to_string());
            if let Some(folder) = whole.strip_prefix(&begins).filter(|f| !closed && !f.is_empty())
                && found.len() < FOLDERS_MAX
            {
                found.insert(folder.to_owned());
            }
        })
        .await?;
        Ok(found)
    }
}

async fn delimiter(wire: &mut Wire) -> Result<String, WireError> {
    let mut found = None;
    wire.command("LIST \"\" \"\"", COMMAND_TIMEOUT, |response| {
        if let Response::MailboxData(MailboxDatum::List(listed)) = response {
            found = listed.delimiter.as_ref().map(ToString::to_string);
        }
    })
    .await?;
    // no delimiter: a server whose folders have no folders
    Ok(found.filter(|d| !d.is_empty()).unwrap_or_else(|| "-".to_owned()))
}

/// What is known of a folder.
#[derive(Debug, Default)]
struct Known {
    uidvalidity: u32,
    /// The marker of each mail that lies there; `None` is a mail that is none of ours.
    markers: BTreeMap<u32, Option<String>>,
}

/// What was seen of the folders, by their whole names: no mail is asked twice for its marker.
#[derive(Debug, Default)]
pub struct Sight(BTreeMap<String, Known>);

impl Sight {
    /// UIDVALIDITY of a folder when it was last looked into.
    #[must_use]
    pub fn uidvalidity(&self, whole: &str) -> u32 {
        self.0.get(whole).map_or(0, |known| known.uidvalidity)
    }

    /// This mail bears a marker of ours, and is none of ours.
    pub fn is_foreign(&mut self, whole: &str, uid: u32) {
        if let Some(known) = self.0.get_mut(whole) {
            known.markers.insert(uid, None);
        }
    }

    /// Looks into all folders. Those of the desk must open, or nobody knows what is missing.
    ///
    /// # Errors
    /// [`WireError`].
    pub async fn look(&mut self, wire: &mut Wire, root: &Root, own: &[String]) -> Result<Found, WireError> {
        let mut found = Found::new();
        let there = root.folders(wire).await?;
        self.0.retain(|whole, _| there.iter().any(|folder| root.whole(folder) == *whole));
        let others = there.iter().filter(|folder| !own.contains(*folder));
        for (folder, is_own) in own.iter().map(|f| (f, true)).chain(others.map(|f| (f, false))) {
            let whole = root.whole(folder);
            match self.look_into(wire, &whole).await {
                Ok(()) => {}
                Err(WireError::Refused { .. }) if !is_own => continue,
                Err(error) => return Err(error),
            }
            for (uid, marker) in self.0.get(&whole).iter().flat_map(|known| &known.markers) {
                if let Some(marker) = marker {
                    let seen = Sighting { spot: Spot::Inside(folder.clone()), uid: *uid };
                    found.entry(marker.clone()).or_default().push(seen);
                }
            }
        }
        Ok(found)
    }

    async fn look_into(&mut self, wire: &mut Wire, whole: &str) -> Result<(), WireError> {
        let selected = wire.select(&folder_name(whole), true).await?;
        let known = self.0.entry(whole.to_owned()).or_default();
        if known.uidvalidity != selected.uidvalidity {
            *known = Known { uidvalidity: selected.uidvalidity, markers: BTreeMap::new() };
        }
        let there = search(wire, "UNDELETED").await?;
        known.markers.retain(|uid, _| there.contains(uid));
        let new: Vec<u32> = there.into_iter().filter(|uid| !known.markers.contains_key(uid)).collect();
        for some in new.chunks(MARKERS_MAX) {
            known.markers.extend(markers(wire, some).await?);
        }
        Ok(())
    }

    /// Copies that bear these markers in a folder that is not the desk's. Whoever sends mail can write a marker into it:
    /// only what is such a copy through and through counts.
    ///
    /// # Errors
    /// A lost connection.
    pub async fn search_in(
        &mut self,
        wire: &mut Wire,
        flow: &Flow,
        whole: &str,
        wanted: &[&str],
    ) -> Result<Found, WireError> {
        let mut found = Found::new();
        let selected = match wire.select(&folder_name(whole), true).await {
            Ok(selected) => selected,
            Err(WireError::Refused { .. }) => return Ok(found),
            Err(lost) => return Err(lost),
        };
        self.0.insert(whole.to_owned(), Known { uidvalidity: selected.uidvalidity, markers: BTreeMap::new() });
        for marker in wanted {
            let query = format!("UNDELETED HEADER {FIELD} {}", quoted(marker));
            let hits = match search(wire, &query).await {
                Ok(hits) => hits,
                Err(WireError::Refused { .. }) => return Ok(found),
                Err(lost) => return Err(lost),
            };
            for uid in hits {
                if is_copy(wire, flow, marker, uid).await? {
                    let seen = Sighting { spot: Spot::Outside(whole.to_owned()), uid };
                    found.entry((*marker).to_owned()).or_default().push(seen);
                }
            }
        }
        Ok(found)
    }
}

/// Is this mail of the selected folder a copy with this marker, and nothing else?
///
/// # Errors
/// [`WireError`].
pub async fn is_copy(wire: &mut Wire, flow: &Flow, marker: &str, uid: u32) -> Result<bool, WireError> {
    let mut raw = None;
    wire.command(&format!("UID FETCH {uid} (UID BODY.PEEK[])"), super::MAIL_TIMEOUT, |response| {
        if let Response::Fetch(_, attributes) = response
            && attributes.iter().any(|a| matches!(a, AttributeValue::Uid(n) if *n == uid))
        {
            raw = raw.take().or_else(|| data(attributes).map(<[u8]>::to_vec));
        }
    })
    .await?;
    match raw {
        Some(raw) => Ok(flow.is_copy(marker, raw).await),
        None => Ok(false),
    }
}

async fn search(wire: &mut Wire, query: &str) -> Result<BTreeSet<u32>, WireError> {
    let mut found = BTreeSet::new();
    wire.command(&format!("UID SEARCH {query}"), super::MAIL_TIMEOUT, |response| {
        if let Response::MailboxData(MailboxDatum::Search(uids)) = response {
            found.extend(uids.iter().copied());
        }
    })
    .await?;
    Ok(found)
}

async fn markers(wire: &mut Wire, uids: &[u32]) -> Result<BTreeMap<u32, Option<String>>, WireError> {
    let command = format!("UID FETCH {} (UID BODY.PEEK[HEADER.FIELDS ({FIELD})])", uid_set(uids.iter().copied()));
    let mut markers = BTreeMap::new();
    wire.command(&command, super::MAIL_TIMEOUT, |response| {
        let Response::Fetch(_, attributes) = response else { return };
        let uid = attributes.iter().find_map(|a| match a {
            AttributeValue::Uid(uid) => Some(*uid),
            _ => None,
        });
        if let (Some(uid), Some(data)) = (uid, data(attributes)) {
            markers.insert(uid, marker(data));
        }
    })
    .await?;
    Ok(markers)
}

fn data<'a>(attributes: &'a [AttributeValue<'_>]) -> Option<&'a [u8]> {
    attributes.iter().find_map(|a| match a {
        AttributeValue::BodySection { data, .. } => data.as_deref(),
        _ => None,
    })
}

fn marker(field: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(field);
    let (_, value) = text.lines().next()?.split_once(':')?;
    let value = value.trim();
    (!value.is_empty() && value.len() <= MARKER_CHARS_MAX).then(|| value.to_owned())
}
