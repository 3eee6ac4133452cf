//! Which folders are the one for spam (R34) and the one for what people send (R49).
//!
//! Follows   RFC 6154 section 2 (`\\Junk`, `\\Sent`), RFC 5258 (LIST with options).
//! Never     guesses by name, and never takes the folder that is watched anyway.

use async_imap::imap_proto::{MailboxDatum, NameAttribute, Response};

use super::wire::{COMMAND_TIMEOUT, Wire, WireError};
use crate::config::Account;

/// Folders' names, as the server names them; `None` where it has none, or the config says `off`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Special {
    /// For spam.
    pub junk: Option<String>,
    /// For what people send from the mailbox.
    pub sent: Option<String>,
}

/// Finds them.
///
/// # Errors
/// A lost connection.
pub async fn folders(wire: &mut Wire, account: &Account) -> Result<Special, WireError> {
    let named = Special { junk: account.junk.clone(), sent: account.sent.clone() };
    let told = if named.junk.is_some() && named.sent.is_some() { Special::default() } else { told(wire).await? };
    let usable = |name: &String| name != "off" && *name != account.folder;
    let junk = named.junk.or(told.junk).filter(usable);
    let sent = named.sent.or(told.sent).filter(usable).filter(|name| Some(name) != junk.as_ref());
    Ok(Special { junk, sent })
}

/// What the server says of its folders.
async fn told(wire: &mut Wire) -> Result<Special, WireError> {
    let mut found = Special::default();
    let offers = wire.offers();
    if !offers.has("SPECIAL-USE") {
        return Ok(found);
    }
    // servers that know LIST-EXTENDED tell attributes only where they are asked for them
    let extended = offers.has("LIST-EXTENDED");
    let command = if extended { "LIST \"\" \"*\" RETURN (SPECIAL-USE)" } else { "LIST \"\" \"*\"" };
    let listed = wire
        .command(command, COMMAND_TIMEOUT, |response| {
            if let Response::MailboxData(MailboxDatum::List(listed)) = response {
                let name = || Some(utf7_imap::decode_utf7_imap(listed.name.to_string()));
                if listed.name_attributes.contains(&NameAttribute::Junk) {
                    found.junk = name();
                }
                if listed.name_attributes.contains(&NameAttribute::Sent) {
                    found.sent = name();
                }
            }
        })
        .await;
    match listed {
        Ok(()) | Err(WireError::Refused { .. }) => Ok(found),
        Err(lost) => Err(lost),
    }
}
