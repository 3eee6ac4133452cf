//! Which folder is the one for spam (R34).
//!
//! Follows   RFC 6154 section 2 (`\\Junk`), RFC 5258 (LIST with options).
//! Never     guesses by name, and never takes the folder that is watched anyway.

use async_imap::imap_proto::{MailboxDatum, NameAttribute, Response};

use super::wire::{COMMAND_TIMEOUT, Wire, WireError};
use crate::config::Account;

/// The folder's name, as the server names it; `None` where it has none, or `imap.junk` is off.
///
/// # Errors
/// A lost connection.
pub async fn folder(wire: &mut Wire, account: &Account) -> Result<Option<String>, WireError> {
    if let Some(named) = &account.junk {
        return Ok(Some(named.clone()).filter(|name| name != "off" && *name != account.folder));
    }
    let offers = wire.offers();
    if !offers.has("SPECIAL-USE") {
        return Ok(None);
    }
    // servers that know LIST-EXTENDED tell attributes only where they are asked for them
    let extended = offers.has("LIST-EXTENDED");
    let command = if extended { "LIST \"\" \"*\" RETURN (SPECIAL-USE)" } else { "LIST \"\" \"*\"" };
    let mut found = None;
    let listed = wire
        .command(command, COMMAND_TIMEOUT, |response| {
            if let Response::MailboxData(MailboxDatum::List(listed)) = response
                && listed.name_attributes.contains(&NameAttribute::Junk)
            {
                found = Some(utf7_imap::decode_utf7_imap(listed.name.to_string()));
            }
        })
        .await;
    match listed {
        Ok(()) | Err(WireError::Refused { .. }) => Ok(found.filter(|name| *name != account.folder)),
        Err(lost) => Err(lost),
    }
}
