//! A DNS server of a test's own.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};

/// Answers questions for TXT records; every other name is not there. It ends with the test program.
pub fn dns(records: BTreeMap<String, String>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut buffer = [0u8; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let Some(answer) = answer(&buffer[..length], &records) else { continue };
            socket.send_to(&answer, peer).expect("answer");
        }
    });
    address
}

/// RFC 1035 section 4: the question comes back, with its record or with "no such name".
fn answer(question: &[u8], records: &BTreeMap<String, String>) -> Option<Vec<u8>> {
    let mut name = String::new();
    let mut at = 12;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        name.push_str(&String::from_utf8_lossy(question.get(at..at + length)?).to_lowercase());
        name.push('.');
        at += length;
    }
    let is_txt = question.get(at..at + 2)? == [0, 16];
    let record = records.get(name.trim_end_matches('.')).filter(|_| is_txt);
    let mut out = question.get(..2)?.to_vec();
    out.extend([0x81, if record.is_some() { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(record.is_some()), 0, 0, 0, 0]);
    out.extend(question.get(12..at + 4)?);
    if let Some(record) = record {
        // a string of a record has at most 255 octets
        let mut content = Vec::new();
        for piece in record.as_bytes().chunks(255) {
            content.push(u8::try_from(piece.len()).ok()?);
            content.extend(piece);
        }
        out.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
        out.extend(u16::try_from(content.len()).ok()?.to_be_bytes());
        out.extend(content);
    }
    Some(out)
}
