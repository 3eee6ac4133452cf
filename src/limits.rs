//! Every bound on what the world may make us do, with its unit and reason.

/// Parts of one mail that are looked at: real mail has a few dozen.
pub const PARTS_MAX: usize = 1_000;

/// Messages inside messages of one mail: a digest has a few dozen; tens of thousands overflow the parser's stack.
pub const NESTED_MESSAGES_MAX: usize = 500;

/// Lines of one mail that begin with two dashes, and so may part a multipart: each may become a part, and a part without
/// content takes 300 octets of memory. A patch or a dump of a large database stays far below.
pub const DELIMITER_LINES_MAX: usize = 100_000;

/// Octets of a mail's header: ten thousand recipients fill half of it.
pub const HEADER_BYTES_MAX: usize = 1_048_576;

/// Octets of all attachments of one mail, decoded: what is encoded is larger, so only containers could hold more.
pub const DECODED_BYTES_MAX: usize = 104_857_600;

/// Header fields of one mail that are looked at.
pub const HEADER_FIELDS_MAX: usize = 1_000;

/// Octets of decoded text that are kept of one body: a long book.
pub const TEXT_CHARS_MAX: usize = 1_048_576;

/// Addresses of one field.
pub const ADDRESSES_MAX: usize = 1_000;

/// Ids of References: the first and the last half of these are kept.
pub const REFERENCES_MAX: usize = 100;

/// Octets of HTML that are parsed; html5ever is quadratic in depth, so depth is bounded too.
pub const HTML_BYTES_MAX: usize = 1_048_576;

/// Open elements of HTML; browsers stop at 512.
pub const HTML_DEPTH_MAX: usize = 256;

/// Elements that a parser may have to copy, because nobody closed them: newsletters come to some thousand.
pub const HTML_COPIES_MAX: usize = 500_000;

/// Characters of a body in which new words are told from quotes; longer mail is kept whole.
pub const REPLY_CHARS_MAX: usize = 524_288;

/// Quote marks of one line that are told apart and written; nobody counts more.
pub const QUOTE_MARKS_MAX: usize = 50;

/// Recipients that a report may name.
pub const REPORT_RECIPIENTS_MAX: usize = 200;

/// Octets of decoded text that the leak guard looks at in one outgoing mail, all layers and files together.
pub const GUARD_BYTES_MAX: usize = 134_217_728;

/// Messages inside messages that the leak guard opens; what is deeper is held.
pub const GUARD_DEPTH_MAX: usize = 8;
