//! The records of the sending domains, for `check --online`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::Config;
use crate::desk::policy::{Mailbox, ReplyAddress, ReversePath};
use crate::flow::signatures::texts;
use crate::mail::alignment::{Found, Said, organisation, said};

/// For all questions on one domain.
const TIME_MAX: Duration = Duration::from_secs(15);

/// What receivers will make of our mail: key, sentence.
pub async fn looked_up(config: &Config) -> Vec<(String, Said)> {
    let mut all = Vec::new();
    for mailbox in config.policy.mailboxes.values() {
        for author in authors(config, mailbox) {
            for sentence in one(config, mailbox, &author).await {
                all.push((format!("mailbox.{}.{}", mailbox.name, sentence.about), sentence));
            }
        }
    }
    all
}

/// Domains that stand in From of a mailbox's mail: its own, and those of applications that keep theirs.
fn authors(config: &Config, mailbox: &Mailbox) -> BTreeSet<String> {
    let own = std::iter::once(mailbox.address.domain().to_owned());
    let applications = config.policy.applications.values().filter(|a| a.mailbox == mailbox.name);
    let patterns = applications.flat_map(|a| &a.from).filter_map(|from| from.rsplit_once('@'));
    own.chain(patterns.map(|(_, domain)| domain.to_ascii_lowercase())).collect()
}

async fn one(config: &Config, mailbox: &Mailbox, author: &str) -> Vec<Said> {
    let home = mailbox.address.domain();
    let reply = match &mailbox.reply_address {
        ReplyAddress::Pattern { domain, .. } => domain.as_str(),
        ReplyAddress::Plain => home,
    };
    let envelope = if mailbox.reverse_path == ReversePath::Token { reply } else { home };
    let relay = config.accounts.get(&mailbox.name).map_or("", |a| a.smtp.host.as_str());
    let server = config.policy.security.resolver;
    let asked = async {
        let mut keys = Vec::new();
        for signer in config.signers.iter().filter(|s| s.speaks_for(author)) {
            keys.push((signer, texts(server, &signer.record_name()).await));
        }
        let mut dmarc = texts(server, &format!("_dmarc.{author}")).await;
        let inherited = organisation(author) != author && dmarc.as_ref().is_ok_and(Vec::is_empty);
        if inherited {
            dmarc = texts(server, &format!("_dmarc.{}", organisation(author))).await;
        }
        Found { author, envelope, reply, relay, spf: texts(server, envelope).await, dmarc, inherited, keys }
    };
    match tokio::time::timeout(TIME_MAX, asked).await {
        Ok(found) => said(&found),
        Err(_) => {
            let words = format!("the DNS did not answer for {author} within {} s", TIME_MAX.as_secs());
            vec![Said { fails: false, about: "dmarc", words, remedy: "see security.resolver".to_owned() }]
        }
    }
}
