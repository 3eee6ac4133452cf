//! The folders that are read beside the watched one: for spam (R34), and for what people send from the mailbox (R49).
//!
//! Promises   what people sent is read only when the watched folder was read to its end a moment ago: a mail is known
//!            before its answer, and an answer before a later mail that could cross it.
//! Never      stops the watched folder because one of these cannot be opened.

use async_imap::imap_proto::{MailboxDatum, Response, StatusAttribute};

use super::fetch::{Pass, Suspect};
use super::wire::{COMMAND_TIMEOUT, Selected, Wire, WireError, quoted};
use super::{Intake, Settings, folder_name};
use crate::config::values::Start;
use crate::flow::lane::Lane;
use crate::store::types::After;

/// What is remembered of the folder of what people sent, and of the one for spam.
#[derive(Debug, Default)]
pub(super) struct Beside {
    junk: Suspect,
    sent: Suspect,
    /// UIDVALIDITY and UIDNEXT of the folder of what people sent when it was last looked into.
    seen: Option<(u32, u32)>,
}

impl Intake {
    /// Everything that is new in the folder for spam.
    pub(super) async fn look_into_junk(&mut self, wire: &mut Wire, folder: &str) -> anyhow::Result<()> {
        self.look_beside(wire, folder, false).await
    }

    /// Everything that is new in the folder of what people sent.
    pub(super) async fn look_into_sent(&mut self, wire: &mut Wire, folder: &str) -> anyhow::Result<()> {
        self.look_beside(wire, folder, true).await
    }

    async fn look_beside(&mut self, wire: &mut Wire, folder: &str, sent: bool) -> anyhow::Result<()> {
        let Some(selected) = self.examined(wire, folder).await? else {
            return Ok(());
        };
        let start = if sent { Start::Now } else { self.settings.start };
        let (mut cursor, uid_next) = self.open(wire, folder, selected, start).await?;
        let (flow, beat) = (&self.flow, &self.beat);
        let lane = Lane::new(self.flow.clone());
        let settings = &Settings { after: After::Keep, ..self.settings.clone() };
        let suspect = if sent { &mut self.beside.sent } else { &mut self.beside.junk };
        let cursor = &mut cursor;
        Pass { wire, flow, lane, settings, beat, suspect, cursor, uid_next, junk: !sent, sent }.run().await
    }

    async fn examined(&self, wire: &mut Wire, folder: &str) -> anyhow::Result<Option<Selected>> {
        match wire.select(&folder_name(folder), true).await {
            Ok(selected) => Ok(Some(selected)),
            Err(error @ WireError::Refused { .. }) => {
                tracing::debug!(mailbox.name = self.account.mailbox, folder, %error, "this folder is not read");
                Ok(None)
            }
            Err(lost) => Err(lost.into()),
        }
    }

    /// On a new connection: where reading what people sent begins, if it has not begun; all before that is theirs.
    pub(super) async fn mark_sent(&mut self, wire: &mut Wire, folder: &str) -> anyhow::Result<()> {
        self.beside.seen = None;
        if self.flow.cursor(&self.account.mailbox, folder).await?.is_none()
            && let Some(selected) = self.examined(wire, folder).await?
        {
            self.open(wire, folder, selected, Start::Now).await?;
        }
        Ok(())
    }

    /// Has anything come into the folder of what people sent since the last time that this was asked?
    pub(super) async fn sent_has_news(&mut self, wire: &mut Wire, folder: Option<&str>) -> Result<bool, WireError> {
        let Some(folder) = folder else {
            return Ok(false);
        };
        let command = format!("STATUS {} (UIDVALIDITY UIDNEXT)", quoted(&folder_name(folder)));
        let (mut uidvalidity, mut uid_next) = (None, None);
        let asked = wire
            .command(&command, COMMAND_TIMEOUT, |response| {
                let Response::MailboxData(MailboxDatum::Status { status, .. }) = response else { return };
                for attribute in status {
                    match attribute {
                        StatusAttribute::UidValidity(n) => uidvalidity = Some(*n),
                        StatusAttribute::UidNext(n) => uid_next = Some(*n),
                        _ => {}
                    }
                }
            })
            .await;
        match asked {
            Ok(()) => {}
            Err(WireError::Refused { .. }) => return Ok(false),
            Err(lost) => return Err(lost),
        }
        let seen = uidvalidity.zip(uid_next);
        let has_news = seen.is_some() && seen != self.beside.seen;
        self.beside.seen = seen;
        Ok(has_news)
    }
}
