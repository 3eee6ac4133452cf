//! Octets to text, whatever was declared.
//!
//! Decides   which charset text is in, where none is declared, or one that it is not in.
//! Follows   RFC 2046 section 4.1.2, the WHATWG Encoding standard (labels and decoders, through encoding_rs).
//! Never     fails: what no charset explains keeps U+FFFD.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252, X_USER_DEFINED};

/// Octets that the detector looks at: it is the slowest of all that reads, and decides long before.
const DETECTED_BYTES_MAX: usize = 16_384;

/// Text of these octets. `declared` is the label that came with them, `hint` the charset of text beside them.
#[must_use]
pub fn text<'a>(octets: &'a [u8], declared: Option<&str>, hint: Option<&str>) -> Cow<'a, str> {
    let told = declared.and_then(known);
    if let Ok(utf8) = std::str::from_utf8(octets)
        && !utf8.contains("\u{1b}$")
        && told.is_none_or(|e| e == UTF_8 || e == WINDOWS_1252)
    {
        return Cow::Borrowed(utf8);
    }
    if let Some(right) = told.filter(|e| *e != UTF_8).and_then(|e| without_errors(e, octets)) {
        return right;
    }
    let guessed = hint.and_then(known).and_then(|e| without_errors(e, octets));
    guessed.unwrap_or_else(|| {
        let found = detected(octets);
        // A few broken octets in what is nearly all well-formed are damage, not another charset.
        let kept = told.unwrap_or(UTF_8);
        let lossy = kept.decode_without_bom_handling(octets).0;
        let damaged = lossy.matches('\u{fffd}').count();
        let sound = lossy.chars().filter(|c| !c.is_ascii() && *c != '\u{fffd}').count();
        if damaged.saturating_mul(4) < sound {
            return lossy;
        }
        without_errors(found, octets).unwrap_or(lossy)
    })
}

/// The encoding of a label. `x-user-defined` is for scripts of browsers, not for mail.
fn known(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.trim().trim_matches(['"', '\'']).as_bytes()).filter(|e| *e != X_USER_DEFINED)
}

/// Is it what clients declare that do not know: ASCII, Latin-1, Windows-1252?
#[must_use]
pub fn is_latin(label: &str) -> bool {
    known(label) == Some(WINDOWS_1252)
}

fn without_errors<'a>(encoding: &'static Encoding, octets: &'a [u8]) -> Option<Cow<'a, str>> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(octets)?;
    // An escape that is left says that the charset was another one (ISO-2022).
    (!text.contains("\u{1b}$")).then_some(text)
}

fn detected(octets: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(octets.get(..DETECTED_BYTES_MAX).unwrap_or(octets), true);
    detector.guess(None, Utf8Detection::Allow)
}

/// The first charset that these octets name, as `meta` of HTML (standard section 13.2.3.2) and Content-Type do.
#[must_use]
pub fn named(octets: &[u8]) -> Option<String> {
    let at = octets.windows(8).position(|w| w.eq_ignore_ascii_case(b"charset="))?;
    let rest = octets.get(at.saturating_add(8)..)?;
    let rest = String::from_utf8_lossy(rest.get(..64).unwrap_or(rest)).to_ascii_lowercase();
    let label = rest.trim_start_matches(['"', '\'', ' ']);
    let label: String = label.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    (!label.is_empty()).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words long enough to tell their language.
    const WORDS: [(&str, &str); 8] = [
        ("windows-1251", "Здравствуйте, мой заказ до сих пор не пришёл. Когда его ждать?"),
        ("koi8-r", "Здравствуйте, мой заказ до сих пор не пришёл. Когда его ждать?"),
        ("windows-1252", "Grüße aus Köln, wo bleibt die größere Tüte mit dem süßen Gebäck für Frau Jäger?"),
        ("windows-1250", "Dobrý den, ještě mi nepřišla žádná zásilka. Můžete mi prosím říct, kdy přijde?"),
        ("shift_jis", "こんにちは。注文した商品がまだ届いていません。"),
        ("euc-jp", "こんにちは。注文した商品がまだ届いていません。"),
        ("gbk", "你好，我的订单还没有收到，请问什么时候可以送到？"),
        ("euc-kr", "안녕하세요. 주문한 상품이 아직 도착하지 않았습니다."),
    ];

    fn encoded(label: &str, words: &str) -> Vec<u8> {
        known(label).map(|e| e.encode(words).0.into_owned()).unwrap_or_default()
    }

    #[test]
    fn declared_undeclared_and_mislabelled() {
        for (label, words) in WORDS {
            let octets = encoded(label, words);
            assert_eq!(text(&octets, Some(label), None), words, "{label}");
            assert_eq!(text(&octets, None, None), words, "{label} undeclared");
            assert_eq!(text(&octets, Some("utf-8"), None), words, "{label} as UTF-8");
            assert_eq!(text(&octets, Some("x-unknown"), None), words, "{label} as an unknown one");
            assert_eq!(text(&octets, None, Some(label)), words, "{label} by what stands beside it");
        }
        let utf8 = "Grüße, 你好";
        assert_eq!(text(utf8.as_bytes(), Some("iso-8859-1"), None), utf8);
        assert_eq!(text(utf8.as_bytes(), Some("us-ascii"), None), utf8);
    }

    #[test]
    fn every_encoding_has_its_label() {
        for label in ["big5", "gb18030", "iso-2022-jp", "macintosh", "ibm866", "iso-8859-16", "windows-874", "latin1"] {
            assert!(known(label).is_some(), "{label}");
        }
        assert_eq!(text(b"\x1b$B$3$s\x1b(B", None, None), "こん");
        assert_eq!(text(b"\x1b$B$3$s\x1b(B", Some("us-ascii"), None), "こん");
    }

    #[test]
    fn damage_is_not_another_charset() {
        let mut octets = "Grüße aus Köln, wo bleibt die größere Tüte?".as_bytes().to_vec();
        octets.insert(20, 0xe4);
        assert_eq!(text(&octets, Some("utf-8"), None).matches('\u{fffd}').count(), 1);
        assert_eq!(
            named(b"<meta http-equiv=x content='text/html; charset=Windows-1251'>").as_deref(),
            Some("windows-1251")
        );
        assert_eq!(named(b"<p>charset</p>"), None);
    }
}
