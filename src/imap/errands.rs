//! What is done to a mail on the server after the commit (`intake.after`, and probes: R95). A refusal never stops intake.

use super::wire::{COMMAND_TIMEOUT, Wire, WireError, quoted};
use crate::failpoint;
use crate::flow::Flow;
use crate::store::types::{After, Cursor};

/// Mails of one command.
const ERRANDS_MAX: u32 = 500;

/// Does what is to be done in the folder that is selected, maybe only for reading: then it is selected anew.
///
/// # Errors
/// A lost connection, or the store's.
pub async fn run(wire: &mut Wire, flow: &Flow, cursor: &Cursor, read_only: bool) -> anyhow::Result<()> {
    let errands = flow.errands(&cursor.mailbox, &cursor.folder, cursor.uidvalidity, ERRANDS_MAX).await?;
    if read_only && !errands.is_empty() {
        wire.select(&super::folder_name(&cursor.folder), false).await?;
    }
    let mut actions: Vec<After> = Vec::new();
    for errand in &errands {
        if !actions.contains(&errand.action) {
            actions.push(errand.action.clone());
        }
    }
    for action in actions {
        let uids: Vec<u32> = errands.iter().filter(|e| e.action == action).map(|e| e.uid).collect();
        match act(wire, &action, &super::cursor::uid_set(uids.iter().copied())).await {
            Ok(()) => {
                failpoint::hit("errand.done");
                flow.errands_done(&cursor.mailbox, &cursor.folder, cursor.uidvalidity, &uids).await?;
            }
            Err(error @ WireError::Lost { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(mailbox.name = cursor.mailbox, %error, "what is to be done with mail that was taken in is not possible now; it is tried again later");
            }
        }
    }
    Ok(())
}

async fn act(wire: &mut Wire, action: &After, set: &str) -> Result<(), WireError> {
    match action {
        After::Keep => Ok(()),
        After::Keyword => plain(wire, &format!("UID STORE {set} +FLAGS.SILENT ($yesreply)")).await,
        After::Seen => plain(wire, &format!("UID STORE {set} +FLAGS.SILENT (\\Seen)")).await,
        After::Remove => removed(wire, set).await,
        After::Move(folder) => {
            let name = super::folder_name(folder);
            match into_folder(wire, set, &name).await {
                Err(WireError::Refused { try_create: true, .. }) => {
                    plain(wire, &format!("CREATE {}", quoted(&name))).await?;
                    into_folder(wire, set, &name).await
                }
                done => done,
            }
        }
    }
}

/// RFC 6851 where it is offered; else a copy, and the original is removed.
pub(super) async fn into_folder(wire: &mut Wire, set: &str, name: &str) -> Result<(), WireError> {
    if wire.offers().has("MOVE") {
        return plain(wire, &format!("UID MOVE {set} {}", quoted(name))).await;
    }
    plain(wire, &format!("UID COPY {set} {}", quoted(name))).await?;
    removed(wire, set).await
}

/// Marked, and expunged if that hits nothing else (RFC 4315).
async fn removed(wire: &mut Wire, set: &str) -> Result<(), WireError> {
    plain(wire, &format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)")).await?;
    if wire.offers().has("UIDPLUS") {
        plain(wire, &format!("UID EXPUNGE {set}")).await?;
    }
    Ok(())
}

pub(super) async fn plain(wire: &mut Wire, command: &str) -> Result<(), WireError> {
    wire.command(command, COMMAND_TIMEOUT, |_| ()).await
}
