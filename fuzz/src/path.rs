//! Any path of a request target: what it is decoded to stays within its folder, agrees with a second reading, and comes
//! back from its encoding.

use bellwire::proto::http::path;

/// `data` is the path. A request line would have refused bytes beyond ASCII; they must do no harm all the same.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let decoded = path::decode(text);
    assert_eq!(decoded.as_ref().ok(), second_reading(text).as_ref());
    let Ok(decoded) = decoded else {
        return;
    };
    assert!(decoded.len() <= text.len());
    let encoded = path::encode_path(&decoded);
    assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(path::decode(&encoded), Ok(decoded));
}

/// RFC 3986 §5.2.4 by a stack of segments, each of which is decoded by itself.
fn second_reading(text: &str) -> Option<Vec<u8>> {
    let mut segments: Vec<Vec<u8>> = Vec::new();
    let mut is_folder = false;
    for segment in text.split('/') {
        let segment = decode_segment(segment)?;
        is_folder = matches!(&segment[..], b"" | b"." | b"..");
        if !is_folder {
            segments.push(segment);
        } else if segment == b".." {
            segments.pop()?;
        }
    }
    let mut path = segments.join(&b'/');
    if is_folder && !segments.is_empty() {
        path.push(b'/');
    }
    Some(path)
}

/// Two digits follow each percent sign: so all parts but the first begin with them.
fn decode_segment(segment: &str) -> Option<Vec<u8>> {
    let mut parts = segment.split('%');
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        // A sign is no digit, but `from_str_radix` would take it.
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        out.push(plain.then(|| u8::from_str_radix(digits, 16).ok())??);
        out.extend_from_slice(rest.as_bytes());
    }
    let separates = |byte: &u8| matches!(byte, 0 | b'/' | b'\\');
    (!out.iter().any(separates)).then_some(out)
}
