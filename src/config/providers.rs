//! Presets: what is known of the submission servers of large providers (R5, R60). What the config says comes first.

use super::file::ReversePathValue;

/// What a provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// For findings.
    pub name: &'static str,
    /// Its submission server.
    host: &'static str,
    /// Mails a minute.
    pub per_minute: Option<u32>,
    /// Mails a day.
    pub per_day: Option<u32>,
    /// The only sender that it takes.
    pub reverse_path: ReversePathValue,
    /// Does it take `<>`?
    pub null_reverse_path: bool,
}

/// Microsoft 365 refuses any sender but the account's, its sub-addresses included (554 5.2.252); Gmail writes the
/// account's own over whatever is given. Their limits are those that they publish for one account (seen 2026-11).
const PRESETS: [Preset; 2] = [
    Preset {
        name: "Microsoft 365",
        host: "smtp.office365.com",
        per_minute: Some(30),
        per_day: Some(10_000),
        reverse_path: ReversePathValue::Address,
        null_reverse_path: false,
    },
    Preset {
        name: "Google Workspace",
        host: "smtp.gmail.com",
        per_minute: None,
        per_day: Some(2_000),
        reverse_path: ReversePathValue::Address,
        null_reverse_path: false,
    },
];

/// What is known of this server.
#[must_use]
pub fn preset(host: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.host.eq_ignore_ascii_case(host.trim_end_matches('.')))
}
