//! Our own look at a mail's signatures, where no server's word is trusted (`security.verify = "dkim"`).
//!
//! Decides   whether a domain signed the mail that may speak for its From (R31): DKIM, aligned as DMARC asks.
//! Follows   RFC 6376 (DKIM), RFC 7489 section 3.1.1 (alignment).
//! Never     says that a mail fails: SPF needs the address of the client, which a mailbox does not keep, so that a mail
//!           without a good signature may still be its author's. Bounded: signatures, time, mails at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use mail_auth::hickory_resolver::proto::rr::RData;
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult, DmarcResult, MessageAuthenticator, SpfOutput};
use tokio::sync::Semaphore;

use crate::desk::policy::Policy;
use crate::mail::verdict::{Opinion, Verdict};
use crate::mail::{Address, Incoming};

/// For all that one mail needs of the DNS.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Mails that are looked at at once.
const AT_ONCE_MAX: usize = 16;
/// Signatures of one mail; each costs a question.
const SIGNATURES_MAX: usize = 10;

/// The DNS: this server, or the system's.
fn resolver(server: Option<SocketAddr>) -> Result<MessageAuthenticator, String> {
    let resolver = match server {
        None => MessageAuthenticator::new_system_conf(),
        Some(server) => {
            let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut name_server.connections {
                connection.port = server.port();
            }
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
            MessageAuthenticator::new(config, ResolverOpts::default())
        }
    };
    resolver.map_err(|error| format!("the DNS cannot be asked: {error}"))
}

/// The TXT records of a name, each whole; none where the name has none.
///
/// # Errors
/// Why there was no answer.
pub async fn texts(server: Option<SocketAddr>, name: &str) -> Result<Vec<String>, String> {
    let resolver = resolver(server)?;
    // the root at its end: no search list
    let lookup = match resolver.resolver().txt_lookup(format!("{name}.")).await {
        Ok(lookup) => lookup,
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let mut found = Vec::new();
    for record in lookup.answers() {
        if let RData::TXT(text) = &record.data {
            let whole: Vec<u8> = text.txt_data.iter().flat_map(|piece| piece.iter().copied()).collect();
            found.push(String::from_utf8_lossy(&whole).into_owned());
        }
    }
    Ok(found)
}

/// The resolver, and how much it may do at once.
pub struct Signatures {
    resolver: Result<MessageAuthenticator, String>,
    at_once: Semaphore,
}

impl std::fmt::Debug for Signatures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signatures({:?})", self.resolver.as_ref().map(|_| "a resolver"))
    }
}

impl Signatures {
    /// `None` where nothing is to be looked at.
    #[must_use]
    pub fn of(policy: &Policy) -> Option<Arc<Self>> {
        let security = &policy.security;
        if !security.verifies || !security.trusted_authserv_id.is_empty() {
            return None;
        }
        let resolver = resolver(security.resolver);
        Some(Arc::new(Signatures { resolver, at_once: Semaphore::new(AT_ONCE_MAX) }))
    }

    /// What the signatures of these mails say of their authors, in their order; a panic on one is no opinion on it.
    pub async fn look_at(self: &Arc<Self>, mails: Vec<Option<(Vec<u8>, Incoming)>>) -> Vec<Option<Opinion>> {
        let tasks: Vec<_> = mails
            .into_iter()
            .map(|mail| {
                let signatures = self.clone();
                mail.map(|(raw, mail)| tokio::spawn(async move { signatures.look(&raw, &mail).await }))
            })
            .collect();
        let mut opinions = Vec::with_capacity(tasks.len());
        for task in tasks {
            opinions.push(match task {
                Some(task) => Some(
                    task.await
                        .unwrap_or_else(|_| Opinion::new(Verdict::None, "looking at its signatures made us fail")),
                ),
                None => None,
            });
        }
        opinions
    }

    async fn look(&self, raw: &[u8], mail: &Incoming) -> Opinion {
        let none = |because: &str| Opinion::new(Verdict::None, because);
        let resolver = match &self.resolver {
            Ok(resolver) => resolver,
            Err(because) => return none(because),
        };
        let [author] = mail.from.as_slice() else {
            return none("it does not name one author");
        };
        let Ok(_turn) = self.at_once.acquire().await else {
            return none("the daemon ends");
        };
        match tokio::time::timeout(TIME_MAX, judged(resolver, raw, &author.address)).await {
            Ok(opinion) => opinion,
            Err(_) => none("the DNS did not answer in time"),
        }
    }
}

async fn judged(resolver: &MessageAuthenticator, raw: &[u8], author: &Address) -> Opinion {
    let none = |because: String| Opinion::new(Verdict::None, because);
    let Some(message) = AuthenticatedMessage::parse(raw) else {
        return none("its header cannot be read for signatures".to_owned());
    };
    match message.dkim_headers.len() {
        0 => return none("it bears no DKIM signature".to_owned()),
        n if n > SIGNATURES_MAX => return none(format!("it bears {n} DKIM signatures, more than {SIGNATURES_MAX}")),
        _ => {}
    }
    let outputs = resolver.verify_dkim(&message).await;
    let good: Vec<DkimOutput<'_>> = outputs.iter().filter(|o| covers_the_mail(o)).cloned().collect();
    let found = |o: &DkimOutput<'_>| o.signature().map(|s| s.d.clone()).unwrap_or_default();
    if good.is_empty() {
        let domains: Vec<String> = outputs.iter().map(|o| format!("{}: {:?}", found(o), o.result())).collect();
        return none(format!("no DKIM signature holds ({})", domains.join(", ")));
    }
    let spf = SpfOutput::new(String::new());
    let parameters = DmarcParameters {
        message: &message,
        dkim_output: &good,
        dkim2_output: None,
        rfc5321_mail_from_domain: author.domain(),
        spf_output: &spf,
    };
    let dmarc = resolver.verify_dmarc(parameters).await;
    let record = dmarc.dmarc_record().is_some();
    match dmarc.dkim_result() {
        DmarcResult::Pass => Opinion::new(Verdict::Pass, format!("dkim=pass, aligned with {}", author.domain())),
        DmarcResult::TempError(_) => none("the DNS did not answer for the DMARC record".to_owned()),
        // no record asks for a stricter alignment: that of organisations (RFC 7489 section 3.1.1)
        DmarcResult::None if !record && good.iter().any(|o| speaks_for(&found(o), author)) => {
            Opinion::new(Verdict::Pass, format!("dkim=pass of {}, no DMARC record", author.organisational_domain()))
        }
        _ => {
            let domains: Vec<String> = good.iter().map(found).collect();
            none(format!("signed by {}, which does not speak for {}", domains.join(", "), author.domain()))
        }
    }
}

/// Does a good signature cover From and the whole body? With `l=` anybody may add to it (RFC 6376 section 8.2).
fn covers_the_mail(output: &DkimOutput<'_>) -> bool {
    let Some(signature) = output.signature() else {
        return false;
    };
    let covers_from = signature.h.iter().any(|field| field.eq_ignore_ascii_case("from"));
    *output.result() == DkimResult::Pass && covers_from && signature.l == 0
}

fn speaks_for(domain: &str, author: &Address) -> bool {
    Address::parse(&format!("x@{domain}")).is_some_and(|a| a.organisational_domain() == author.organisational_domain())
}
