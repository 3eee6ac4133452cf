//! Data on stdout, everything else on stderr; a closed pipe ends quietly.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::mail::text::is_unseen;

/// Why a command ended otherwise than well: a code of sysexits(3), and words.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// For stderr; empty if all was said.
    pub words: String,
}

/// sysexits(3).
pub mod code {
    /// EX_USAGE.
    pub const USAGE: u8 = 64;
    /// EX_DATAERR.
    pub const DATA: u8 = 65;
    /// EX_UNAVAILABLE.
    pub const UNAVAILABLE: u8 = 69;
    /// EX_TEMPFAIL.
    pub const TRY_AGAIN: u8 = 75;
    /// EX_NOPERM.
    pub const NO_PERMISSION: u8 = 77;
    /// EX_CONFIG.
    pub const CONFIG: u8 = 78;
}

impl Failure {
    /// With words.
    pub fn new(code: u8, words: impl Display) -> Self {
        Failure { code, words: words.to_string() }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::new(code::TRY_AGAIN, format!("{error:#}"))
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::new(code::TRY_AGAIN, format!("read the database: {error}"))
    }
}

/// Writes a mail as it came; at a terminal without what would steer it.
///
/// # Errors
/// As [`bytes`].
pub fn mail(raw: &[u8]) -> Result<(), Failure> {
    if io::stdout().is_terminal() { bytes(shown(&String::from_utf8_lossy(raw)).as_bytes()) } else { bytes(raw) }
}

/// Text without control characters and changes of direction.
fn shown(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_unseen(*c)).collect()
}

/// Writes octets.
///
/// # Errors
/// A stdout that cannot be written, but for a reader that has gone.
pub fn bytes(content: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(content).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(code::TRY_AGAIN, format!("write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a line. Control characters of people's words do not reach the terminal.
///
/// # Errors
/// As [`bytes`].
pub fn line(text: impl Display) -> Result<(), Failure> {
    bytes(format!("{}\n", shown(&text.to_string())).as_bytes())
}

/// Writes JSON.
///
/// # Errors
/// As [`bytes`].
pub fn json(value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    bytes(format!("{text}\n").as_bytes())
}

/// A time as RFC 3339 with Z.
#[must_use]
pub fn time(at_ms: i64) -> Value {
    Timestamp::from_millisecond(at_ms).map_or(Value::Null, |at| json!(at.to_string()))
}

/// A time for people, UTC.
#[must_use]
pub fn when(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map(|at| at.strftime("%Y-%m-%d %H:%MZ").to_string()).unwrap_or_default()
}

/// Text that is indented under a heading.
#[must_use]
pub fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// Rows with columns of equal width, two spaces apart; the last column runs free.
///
/// # Errors
/// As [`bytes`].
pub fn table(rows: &[Vec<String>]) -> Result<(), Failure> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.chars().count()))))
            .collect();
        line(cells.join("  ").trim_end())?;
    }
    Ok(())
}
