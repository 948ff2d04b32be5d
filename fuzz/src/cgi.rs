//! Any bytes as the output of a script: what is found does not depend on how they come, and a head has nothing in it that
//! could end a line, nor anything that is the server's to say.

use bellwire::proto::cgi::{Error, Head, MAX_FIELDS, MAX_HEAD, OutputHead, decode};

/// `data` is the output.
pub fn check(data: &[u8]) {
    let whole = decode(data, true);
    assert_ne!(whole, Ok(OutputHead::More));
    // The first byte chooses the length of the parts, of which there are not too many.
    let step = data.first().map_or(1, |byte| usize::from(byte % 7) + 1);
    let step = step.max(data.len() / 64);
    let in_parts = (0..data.len())
        .step_by(step)
        .chain([data.len()])
        .map(|end| decode(&data[..end], false))
        .find(|found| *found != Ok(OutputHead::More));
    assert_eq!(in_parts.unwrap_or_else(|| whole.clone()), whole);
    if let Ok(OutputHead::Head(head, used)) = &whole {
        assert!(*used <= MAX_HEAD && data[..*used].ends_with(b"\n"));
        check_head(head);
        assert_eq!(
            again(head),
            Ok(OutputHead::Head(head.clone(), written(head).len()))
        );
    }
}

fn check_head(head: &Head) {
    assert!((200..600).contains(&head.status) && head.fields.len() <= MAX_FIELDS);
    let named = [&head.content_type, &head.location, &head.send_file];
    let values = named.into_iter().flatten();
    for value in values.chain(head.fields.iter().map(|(_, value)| value)) {
        assert!(!value.iter().any(|byte| b"\r\n\0".contains(byte)));
    }
    for (name, _) in &head.fields {
        for known in [
            "Connection",
            "Transfer-Encoding",
            "Content-Length",
            "Upgrade",
            "Date",
        ] {
            assert!(!name.eq_ignore_ascii_case(known));
        }
    }
}

fn written(head: &Head) -> Vec<u8> {
    let mut out = format!("Status: {}\n", head.status).into_bytes();
    let named = [
        ("Content-Type", &head.content_type),
        ("Location", &head.location),
        ("X-Sendfile", &head.send_file),
    ];
    let named = named
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_ref()?)));
    let others = head
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value));
    for (name, value) in named.chain(others) {
        out.extend([name.as_bytes(), b": ", value, b"\n"].concat());
    }
    if let Some(length) = head.length {
        out.extend_from_slice(format!("Content-Length: {length}\n").as_bytes());
    }
    out.push(b'\n');
    out
}

/// The head of a head that was written: a line for its status may be more than it had, which a full one has no room for.
fn again(head: &Head) -> Result<OutputHead, Error> {
    let written = written(head);
    match decode(&written, true) {
        Err(Error::TooLong | Error::TooManyFields) => {
            Ok(OutputHead::Head(head.clone(), written.len()))
        }
        found => found,
    }
}
