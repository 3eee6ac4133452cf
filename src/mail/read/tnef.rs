//! `winmail.dat`: what Outlook sends instead of MIME.
//!
//! Decides   which files and which text stand in it.
//! Follows   MS-OXTNEF sections 2.1 and 2.2 (attributes, encapsulated properties), MS-OXRTFCP section 2.2.3 (compressed RTF).
//! Never     reads beyond its bytes, goes down into messages inside, or gives out more than it was given: copies of RTF
//!           are bounded by the size that `limits` allows.

mod rtf;

use encoding_rs::{Encoding, UTF_16LE, WINDOWS_1252};

/// The first four octets, little-endian 0x223E9F78.
const SIGNATURE: [u8; 4] = [0x78, 0x9f, 0x3e, 0x22];

/// Values of one property that are looked at.
const VALUES_MAX: u32 = 10_000;

/// Attributes (MS-OXTNEF section 2.1.3.1), the low 16 bits.
mod attribute {
    pub const ATTACH_REND_DATA: u16 = 0x9002;
    pub const ATTACH_TITLE: u16 = 0x8010;
    pub const ATTACH_DATA: u16 = 0x800f;
    pub const ATTACHMENT: u16 = 0x9005;
    pub const MESSAGE_PROPERTIES: u16 = 0x9003;
    pub const BODY: u16 = 0x800c;
    pub const CODE_PAGE: u16 = 0x9007;
}

/// Properties (MS-OXPROPS).
mod property {
    pub const BODY: u16 = 0x1000;
    pub const RTF_COMPRESSED: u16 = 0x1009;
    pub const HTML: u16 = 0x1013;
    pub const ATTACH_DATA: u16 = 0x3701;
    pub const ATTACH_NAME: u16 = 0x3704;
    pub const ATTACH_LONG_NAME: u16 = 0x3707;
    pub const ATTACH_TYPE: u16 = 0x370e;
    pub const CONTENT_ID: u16 = 0x3712;
}

/// A file in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// The longest name that is given; may be empty.
    pub name: String,
    /// Media type, where given.
    pub media_type: Option<String>,
    /// Content-ID, where given.
    pub content_id: Option<String>,
    /// Its octets.
    pub content: Vec<u8>,
}

/// What stands in a `winmail.dat`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// Its files.
    pub files: Vec<File>,
    /// Its text.
    pub text: Option<String>,
    /// Its HTML.
    pub html: Option<Vec<u8>>,
    /// Its text as RTF, where there is neither text nor HTML.
    pub rtf: Option<Vec<u8>>,
    /// It ended in the middle of something.
    pub cut: bool,
}

/// Octets that are still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.u32()?).ok()?;
        self.take(count)
    }

    /// A value with its padding to four octets; the padding of the last one may be missing.
    fn padded(&mut self, count: usize) -> Option<&'a [u8]> {
        let value = self.take(count)?;
        let padding = count.next_multiple_of(4).saturating_sub(count).min(self.0.len());
        self.take(padding)?;
        Some(value)
    }
}

/// Reads a `winmail.dat`; `None` if it is none.
#[must_use]
pub fn open(octets: &[u8], files_max: usize) -> Option<Opened> {
    let mut rest = Rest(octets.strip_prefix(&SIGNATURE)?);
    rest.u16()?;
    let mut opened = Opened::default();
    let mut code_page = WINDOWS_1252;
    let mut compressed = None;
    while !rest.0.is_empty() {
        let Some((id, data)) = next_attribute(&mut rest) else {
            opened.cut = true;
            break;
        };
        match id {
            attribute::CODE_PAGE => code_page = encoding(data).unwrap_or(code_page),
            attribute::BODY => opened.text = Some(string8(data, code_page)),
            attribute::MESSAGE_PROPERTIES => {
                for (id, kind, value) in Properties::of(data) {
                    match id {
                        property::BODY => opened.text = Some(string(kind, value, code_page)),
                        property::HTML => opened.html = Some(value.to_vec()),
                        property::RTF_COMPRESSED => compressed = Some(value),
                        _ => {}
                    }
                }
            }
            attribute::ATTACH_REND_DATA if opened.files.len() < files_max => opened.files.push(File::default()),
            attribute::ATTACH_REND_DATA => opened.cut = true,
            _ if opened.cut => {}
            _ => attachment(opened.files.last_mut(), id, data, code_page),
        }
    }
    opened.text = opened.text.filter(|t| !t.trim().is_empty());
    if opened.text.is_none() && opened.html.is_none() {
        opened.rtf = compressed.and_then(rtf::decompressed);
    }
    Some(opened)
}

/// Level, id with type, length, data, checksum.
fn next_attribute<'a>(rest: &mut Rest<'a>) -> Option<(u16, &'a [u8])> {
    rest.take(1)?;
    let id = rest.u16()?;
    rest.u16()?;
    let data = rest.sized()?;
    rest.u16()?;
    Some((id, data))
}

fn attachment(file: Option<&mut File>, id: u16, data: &[u8], code_page: &'static Encoding) {
    let Some(file) = file else {
        return;
    };
    match id {
        attribute::ATTACH_TITLE if file.name.is_empty() => file.name = string8(data, code_page),
        attribute::ATTACH_DATA => file.content = data.to_vec(),
        attribute::ATTACHMENT => {
            for (id, kind, value) in Properties::of(data) {
                match id {
                    property::ATTACH_LONG_NAME => file.name = string(kind, value, code_page),
                    property::ATTACH_NAME if file.name.is_empty() => file.name = string(kind, value, code_page),
                    property::ATTACH_TYPE => file.media_type = Some(string(kind, value, code_page)),
                    property::CONTENT_ID => file.content_id = Some(string(kind, value, code_page)),
                    // an object begins with the id of its interface
                    property::ATTACH_DATA if file.content.is_empty() => {
                        file.content = value.get(16..).unwrap_or_default().to_vec();
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Properties one after the other: id, type and first value of each. Ends where something is not as it should be.
struct Properties<'a> {
    rest: Rest<'a>,
    left: u32,
}

impl<'a> Properties<'a> {
    fn of(data: &'a [u8]) -> Self {
        let mut rest = Rest(data);
        let left = rest.u32().unwrap_or_default();
        Properties { rest, left }
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = (u16, u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let kind = self.rest.u16()?;
        let id = self.rest.u16()?;
        if id >= 0x8000 {
            named(&mut self.rest)?;
        }
        Some((id, kind & 0x0fff, value(&mut self.rest, kind)?))
    }
}

/// The name of a named property.
fn named(rest: &mut Rest<'_>) -> Option<()> {
    rest.take(16)?;
    if rest.u32()? == 0 {
        rest.u32()?;
    } else {
        let length = usize::try_from(rest.u32()?).ok()?;
        rest.padded(length)?;
    }
    Some(())
}

/// The first value of a property; the others of a list are passed over.
fn value<'a>(rest: &mut Rest<'a>, kind: u16) -> Option<&'a [u8]> {
    let several = kind & 0x1000 != 0;
    let width = match kind & 0x0fff {
        0x0d | 0x1e | 0x1f | 0x102 => None,
        0x02 | 0x0b => Some(2),
        0x03 | 0x04 | 0x0a => Some(4),
        0x05..=0x07 | 0x14 | 0x40 => Some(8),
        0x48 => Some(16),
        _ => return None,
    };
    let count = if several || width.is_none() { rest.u32()? } else { 1 };
    if count > VALUES_MAX {
        return None;
    }
    let mut first: &[u8] = &[];
    for index in 0..count {
        let length = match width {
            Some(width) => width,
            None => usize::try_from(rest.u32()?).ok()?,
        };
        let value = rest.padded(length)?;
        if index == 0 {
            first = value;
        }
    }
    Some(first)
}

/// The Windows code page of the sender's machine.
fn encoding(data: &[u8]) -> Option<&'static Encoding> {
    let number = Rest(data).u32()?;
    let label = match number {
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        65_001 => "utf-8".to_owned(),
        other => format!("windows-{other}"),
    };
    Encoding::for_label(label.as_bytes())
}

fn string(kind: u16, value: &[u8], code_page: &'static Encoding) -> String {
    if kind == 0x1f { ended(&UTF_16LE.decode_without_bom_handling(value).0) } else { string8(value, code_page) }
}

fn string8(value: &[u8], code_page: &'static Encoding) -> String {
    ended(&code_page.decode_without_bom_handling(value).0)
}

/// Up to its NUL.
fn ended(text: &str) -> String {
    text.split('\0').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(level: u8, kind: u16, id: u16, data: &[u8]) -> Vec<u8> {
        let sum = data.iter().fold(0u16, |sum, b| sum.wrapping_add(u16::from(*b)));
        let length = u32::try_from(data.len()).unwrap_or_default();
        [&[level][..], &id.to_le_bytes(), &kind.to_le_bytes(), &length.to_le_bytes(), data, &sum.to_le_bytes()].concat()
    }

    fn text_property(id: u16, words: &str) -> Vec<u8> {
        let mut units: Vec<u8> = words.encode_utf16().flat_map(u16::to_le_bytes).collect();
        units.extend([0, 0]);
        let length = u32::try_from(units.len()).unwrap_or_default();
        units.resize(units.len().next_multiple_of(4), 0);
        [&0x1fu16.to_le_bytes()[..], &id.to_le_bytes(), &1u32.to_le_bytes(), &length.to_le_bytes(), &units].concat()
    }

    fn sample() -> Vec<u8> {
        let named = [
            &0x03u16.to_le_bytes()[..],
            &0x8001u16.to_le_bytes(),
            &[7; 16],
            &1u32.to_le_bytes(),
            &6u32.to_le_bytes(),
            &[b'a', 0, b'b', 0, 0, 0, 0, 0],
            &5u32.to_le_bytes(),
        ]
        .concat();
        let message = [&2u32.to_le_bytes()[..], &named, &text_property(property::BODY, "Grüße aus Köln\r\n")].concat();
        let file =
            [&1u32.to_le_bytes()[..], &text_property(property::ATTACH_LONG_NAME, "price list – 2026.txt")].concat();
        [
            &SIGNATURE[..],
            &[1, 0],
            &attribute(1, 6, attribute::CODE_PAGE, &1252u32.to_le_bytes().repeat(2)),
            &attribute(1, 6, attribute::MESSAGE_PROPERTIES, &message),
            &attribute(2, 6, attribute::ATTACH_REND_DATA, &[0; 14]),
            &attribute(2, 1, attribute::ATTACH_TITLE, b"PRICEL~1.TXT\0"),
            &attribute(2, 6, attribute::ATTACH_DATA, b"ten euros"),
            &attribute(2, 6, attribute::ATTACHMENT, &file),
        ]
        .concat()
    }

    #[test]
    fn files_and_text_come_out() {
        let opened = open(&sample(), 10).unwrap_or_default();
        assert_eq!(opened.text.as_deref(), Some("Grüße aus Köln\r\n"));
        let names: Vec<_> = opened.files.iter().map(|f| (f.name.as_str(), f.content.as_slice())).collect();
        assert_eq!(names, [("price list – 2026.txt", &b"ten euros"[..])]);
        assert!(!opened.cut);
    }

    #[test]
    fn whatever_the_bytes_are_it_ends() {
        let whole = sample();
        for length in 0..whole.len() {
            let opened = open(whole.get(..length).unwrap_or_default(), 10);
            assert!(length < 6 || opened.is_some_and(|o| o.files.len() <= 1));
        }
        for at in 6..whole.len() {
            let mut broken = whole.clone();
            broken.iter_mut().skip(at).take(4).for_each(|b| *b = 0xff);
            assert!(open(&broken, 10).is_some());
        }
        assert_eq!(open(b"no such thing", 10), None);
        let many = [&whole[..], &attribute(2, 6, attribute::ATTACH_REND_DATA, &[]).repeat(20)].concat();
        assert!(open(&many, 5).is_some_and(|o| o.files.len() == 5 && o.cut));
    }
}
