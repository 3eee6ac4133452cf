//! `[http]`: the page of numbers for monitoring, and whether we are well.

use serde::Deserialize;

use super::file::File;
use super::findings::Findings;
use super::place::Place;

/// `[http]`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Http {
    /// `127.0.0.1:9400`, `unix:/path`, `systemd:NAME`.
    pub listen: String,
    /// For other machines too: the page has no login and no TLS.
    #[serde(default)]
    pub insecure: bool,
}

/// Where the page is served; `None` if it is not.
pub(super) fn page(file: &File, findings: &mut Findings) -> Option<Place> {
    let http = file.http.as_ref()?;
    let place = Place::named("http.listen", &http.listen, "127.0.0.1:9400", findings)?;
    if place.is_open() && !http.insecure {
        findings.fail(
            "http.listen",
            "the page of numbers has no login and no TLS, and other machines could read it",
            "listen on 127.0.0.1 and let a proxy of yours serve it; insecure = true if you must",
        );
    }
    Some(place)
}
