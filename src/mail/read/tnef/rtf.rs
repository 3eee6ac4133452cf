//! Compressed RTF.
//!
//! Follows   MS-OXRTFCP sections 2.1.3 and 2.2.3.
//! Never     gives more octets than `limits` allows, whatever size is announced.

use crate::limits::TEXT_CHARS_MAX;

/// What stands in the dictionary before the first octet (MS-OXRTFCP section 2.1.3.1.5).
const PRESET: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

/// Octets of the dictionary.
const DICTIONARY: usize = 4_096;

/// The RTF; `None` if it is not in either of the two forms.
#[must_use]
pub fn decompressed(octets: &[u8]) -> Option<Vec<u8>> {
    let (head, data) = octets.split_at_checked(16)?;
    let size = usize::try_from(u32::from_le_bytes(head.get(4..8)?.try_into().ok()?)).ok()?.min(TEXT_CHARS_MAX);
    match head.get(8..12)? {
        b"MELA" => Some(data.iter().take(size).copied().collect()),
        b"LZFu" => Some(unpacked(data, size)),
        _ => None,
    }
}

/// A ring of 4096 octets; a run of eight literals or references follows each octet of flags.
fn unpacked(data: &[u8], size: usize) -> Vec<u8> {
    let mut ring = [b' '; DICTIONARY];
    ring.iter_mut().zip(PRESET).for_each(|(to, from)| *to = *from);
    let mut write = PRESET.len();
    let mut out = Vec::new();
    let mut put = |ring: &mut [u8; DICTIONARY], octet: u8, write: &mut usize| {
        if let Some(slot) = ring.get_mut(*write % DICTIONARY) {
            *slot = octet;
        }
        *write = (*write % DICTIONARY).saturating_add(1);
        out.push(octet);
        out.len() < size
    };
    let mut rest = data.iter().copied();
    'all: while let Some(flags) = rest.next() {
        for bit in 0..8 {
            if flags & (1 << bit) == 0 {
                let Some(octet) = rest.next() else { break 'all };
                if !put(&mut ring, octet, &mut write) {
                    break 'all;
                }
                continue;
            }
            let (Some(high), Some(low)) = (rest.next(), rest.next()) else { break 'all };
            let reference = usize::from(u16::from_be_bytes([high, low]));
            let (offset, length) = (reference >> 4, (reference & 0xf).saturating_add(2));
            // a reference to the place where it would be written is the end
            if offset == write % DICTIONARY {
                break 'all;
            }
            for step in 0..length {
                let octet = ring.get(offset.saturating_add(step) % DICTIONARY).copied().unwrap_or(b' ');
                if !put(&mut ring, octet, &mut write) {
                    break 'all;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(kind: &[u8; 4], size: u32, data: &[u8]) -> Vec<u8> {
        [&0u32.to_le_bytes()[..], &size.to_le_bytes(), kind, &[0; 4], data].concat()
    }

    #[test]
    fn literals_and_references() {
        assert_eq!(PRESET.len(), 207);
        // "{\rtf1\ansi" from the dictionary, then a literal, then the end
        let data = [0b0000_0101, 0x00, 0x09, b'!', 0x0d, 0xb0];
        assert_eq!(decompressed(&packed(b"LZFu", 100, &data)), Some(b"{\\rtf1\\ansi!".to_vec()));
        assert_eq!(decompressed(&packed(b"MELA", 2, b"abc")), Some(b"ab".to_vec()));
        assert_eq!(decompressed(b"short"), None);
        assert_eq!(decompressed(&packed(b"ELSE", 2, b"abc")), None);
    }

    #[test]
    fn a_reference_to_itself_repeats_and_is_bounded() {
        let data = [0b0000_0010, b'a', 0x0c, 0xff].repeat(1_000);
        assert!(decompressed(&packed(b"LZFu", 50, &data)).is_some_and(|o| o.len() <= 50));
        assert!(decompressed(&packed(b"LZFu", u32::MAX, &data)).is_some_and(|o| o.len() <= TEXT_CHARS_MAX));
    }
}
