//! Any bytes as a form: what comes out can go into an environment, is bounded, and comes back from being written anew.

use bellwire::proto::http::form::{FormKind, MAX_PARAMETERS, MAX_PART_HEAD, Parameter};

/// The first line of `data` is the value of Content-Type, the rest is the body.
pub fn check(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n');
    let (content_type, body) = end.map_or((data, &b""[..]), |at| (&data[..at], &data[at + 1..]));
    let Some(kind) = FormKind::of(content_type) else {
        return;
    };
    let Ok(form) = kind.decode(body) else {
        return;
    };
    assert!(form.len() <= MAX_PARAMETERS);
    assert!(
        form.iter()
            .all(|(name, value)| !name.contains('\0') && !value.contains('\0'))
    );
    let again = match &kind {
        FormKind::Urlencoded => urlencoded(&form),
        // Escapes, and U+FFFD in the place of a byte, make a name longer: perhaps too long.
        FormKind::Multipart(_)
            if form
                .iter()
                .any(|(name, _)| head(name).len() > MAX_PART_HEAD) =>
        {
            return;
        }
        FormKind::Multipart(Some(boundary)) => multipart(&form, boundary),
        FormKind::Multipart(None) => panic!("without a boundary there are no parts"),
    };
    assert_eq!(kind.decode(&again), Ok(form));
}

fn urlencoded(form: &[Parameter]) -> Vec<u8> {
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect::<String>()
    };
    let pairs: Vec<String> = form
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&").into_bytes()
}

fn multipart(form: &[Parameter], boundary: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in form {
        body.extend([b"--", boundary, b"\r\n"].concat());
        let part = format!("{}\r\n\r\n{value}\r\n", head(name));
        body.extend_from_slice(part.as_bytes());
    }
    body.extend([b"--", boundary, b"--"].concat());
    body
}

fn head(name: &str) -> String {
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("Content-Disposition: form-data; name=\"{name}\"")
}
