//! Every bound on what the world may make us do, with its unit and reason.

/// Parts of one mail that are looked at: real mail has a few dozen.
pub const PARTS_MAX: usize = 1_000;

/// Messages inside messages of one mail: a digest has a few dozen; tens of thousands overflow the parser's stack.
pub const NESTED_MESSAGES_MAX: usize = 500;

/// Header fields of one mail that are looked at.
pub const HEADER_FIELDS_MAX: usize = 1_000;

/// Characters of decoded text that are kept of one body: a long book.
pub const TEXT_CHARS_MAX: usize = 1_048_576;

/// Addresses of one field.
pub const ADDRESSES_MAX: usize = 1_000;

/// Ids of References: the first and the last half of these are kept.
pub const REFERENCES_MAX: usize = 100;

/// Octets of HTML that are parsed; html5ever is quadratic in depth, so depth is bounded too.
pub const HTML_BYTES_MAX: usize = 1_048_576;

/// Open elements of HTML; browsers stop at 512.
pub const HTML_DEPTH_MAX: usize = 256;

/// Characters of a body in which new words are told from quotes; longer mail is kept whole.
pub const REPLY_CHARS_MAX: usize = 524_288;

/// Recipients that a report may name.
pub const REPORT_RECIPIENTS_MAX: usize = 200;
