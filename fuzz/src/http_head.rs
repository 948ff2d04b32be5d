//! Any bytes as a request head: the outcome does not depend on how they are cut, and an accepted
//! head has nothing in its fields that could end a line.

use bellwire::proto::http::Error;
use bellwire::proto::http::head::{FieldTable, RequestHead};

/// `data` is what a client sends before its first request is answered.
pub fn check(data: &[u8]) {
    let whole = decode(data, &mut 0);
    let (mut scanned, mut in_parts) = (0, Ok(None));
    // The first byte chooses the length of the parts.
    let step = data.first().map_or(1, |byte| usize::from(byte % 7) + 1);
    for end in (0..data.len()).step_by(step).chain([data.len()]) {
        in_parts = decode(&data[..end], &mut scanned);
        if in_parts != Ok(None) {
            break;
        }
    }
    assert_eq!(in_parts, whole);
}

type Outcome = Result<Option<(String, usize)>, Error>;

fn decode(input: &[u8], scanned: &mut usize) -> Outcome {
    let mut table = FieldTable::new();
    let Some((head, used)) = RequestHead::decode(input, scanned, &mut table)? else {
        return Ok(None);
    };
    assert!(used <= input.len() && input[..used].ends_with(b"\r\n\r\n"));
    let inside = input[..used].as_ptr_range();
    for (name, value) in head.fields() {
        for part in [name.as_bytes(), value] {
            let part_range = part.as_ptr_range();
            assert!(inside.start <= part_range.start && part_range.end <= inside.end);
            assert!(!part.iter().any(|byte| b"\r\n\0".contains(byte)));
        }
        assert_eq!(head.field(name), head.field_lines(name).next());
    }
    let text = format!(
        "{:?} {:?} {:?} {:?} {:?} {} {} {:?}",
        head.method(),
        head.target(),
        head.version(),
        head.host(),
        head.body_length(),
        head.persistent(),
        head.expects_continue(),
        head.fields().collect::<Vec<_>>(),
    );
    Ok(Some((text, used)))
}
