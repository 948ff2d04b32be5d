//! Any path of a request target: what it is decoded to stays within its folder, and comes back from its encoding.

use bellwire::proto::http::path;

/// `data` is the path, which a request line would have found to be ASCII; other text is survived as well.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(decoded) = path::decode(text) else {
        return;
    };
    assert!(decoded.len() <= text.len());
    assert!(!decoded.contains(&0) && !decoded.contains(&b'\\'));
    if !decoded.is_empty() {
        let named = decoded.strip_suffix(b"/").unwrap_or(&decoded);
        for segment in named.split(|&byte| byte == b'/') {
            assert!(!matches!(segment, b"" | b"." | b".."));
        }
    }
    let encoded = path::encode_path(&decoded);
    assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(path::decode(&encoded), Ok(decoded));
}
