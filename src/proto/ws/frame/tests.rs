use proptest::prelude::*;

use super::*;

const KEY: MaskingKey = [0x37, 0xfa, 0x21, 0x3d];

fn decode(input: &[u8], role: Role) -> Result<Option<(FrameHeader, usize)>, Error> {
    FrameHeader::decode(input, role)
}

/// Demands that `input` is refused with `error` at its last byte, and not before.
fn assert_fails_at_the_last_byte(input: &[u8], role: Role, error: Error) {
    for len in 0..input.len() {
        assert_eq!(
            decode(&input[..len], role),
            Ok(None),
            "{len} bytes of {input:x?}"
        );
    }
    assert_eq!(decode(input, role), Err(error), "{input:x?}");
    assert_eq!(
        decode(&[input, &[0; 20]].concat(), role),
        Err(error),
        "{input:x?} and more"
    );
}

#[test]
fn the_examples_of_the_rfc() {
    // RFC 6455 §5.7.
    let header = |fin, opcode, mask, len| FrameHeader {
        fin,
        rsv1: false,
        opcode,
        mask,
        len,
    };
    let examples: [(&[u8], Role, FrameHeader); 7] = [
        (
            &[0x81, 0x05],
            Role::Client,
            header(true, OpCode::Text, None, 5),
        ),
        (
            &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d],
            Role::Server,
            header(true, OpCode::Text, Some(KEY), 5),
        ),
        (
            &[0x01, 0x03],
            Role::Client,
            header(false, OpCode::Text, None, 3),
        ),
        (
            &[0x80, 0x02],
            Role::Client,
            header(true, OpCode::Continuation, None, 2),
        ),
        (
            &[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d],
            Role::Server,
            header(true, OpCode::Pong, Some(KEY), 5),
        ),
        (
            &[0x82, 0x7e, 0x01, 0x00],
            Role::Client,
            header(true, OpCode::Binary, None, 256),
        ),
        (
            &[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0],
            Role::Client,
            header(true, OpCode::Binary, None, 65536),
        ),
    ];
    for (bytes, role, header) in examples {
        assert_eq!(decode(bytes, role), Ok(Some((header, bytes.len()))));
        assert_eq!(*header.encode(), *bytes);
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len], role), Ok(None));
        }
    }
}

#[test]
fn reserved_bits_are_refused() {
    for bits in [0x10, 0x20, 0x40, 0x50, 0x60, 0x70] {
        for rest in [0x80, 0x81, 0x02, 0x89, 0x83] {
            assert_fails_at_the_last_byte(&[bits | rest], Role::Server, Error::ReservedBits);
        }
    }
}

#[test]
fn unknown_opcodes_are_refused() {
    for code in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        assert_fails_at_the_last_byte(&[0x80 | code], Role::Server, Error::UnknownOpCode(code));
        assert_fails_at_the_last_byte(&[code], Role::Client, Error::UnknownOpCode(code));
    }
}

#[test]
fn control_frames_are_whole_and_short() {
    for code in [0x8, 0x9, 0xA] {
        assert_fails_at_the_last_byte(&[code], Role::Server, Error::FragmentedControl);
        for len in [126, 127] {
            assert_fails_at_the_last_byte(
                &[0x80 | code, 0x80 | len],
                Role::Server,
                Error::LongControl,
            );
            assert_fails_at_the_last_byte(&[0x80 | code, len], Role::Client, Error::LongControl);
        }
        assert!(
            matches!(decode(&[0x80 | code, 125], Role::Client), Ok(Some((header, 2))) if header.len == 125)
        );
    }
}

#[test]
fn masking_follows_the_role() {
    assert_fails_at_the_last_byte(&[0x81, 0x05], Role::Server, Error::Unmasked);
    assert_fails_at_the_last_byte(&[0x88, 0x00], Role::Server, Error::Unmasked);
    assert_fails_at_the_last_byte(&[0x81, 0x85], Role::Client, Error::Masked);
    assert_fails_at_the_last_byte(&[0x82, 0xff], Role::Client, Error::Masked);
}

#[test]
fn lengths_are_minimal() {
    for len in [0, 1, 124, 125] {
        assert_fails_at_the_last_byte(&[0x82, 126, 0, len], Role::Client, Error::LengthNotMinimal);
    }
    assert_fails_at_the_last_byte(&[0x82, 0xfe, 0, 125], Role::Server, Error::LengthNotMinimal);
    assert_fails_at_the_last_byte(
        &[0x82, 127, 0, 0, 0, 0, 0, 0],
        Role::Client,
        Error::LengthNotMinimal,
    );
    assert_fails_at_the_last_byte(
        &[0x82, 0xff, 0, 0, 0, 0, 0, 0],
        Role::Server,
        Error::LengthNotMinimal,
    );
}

#[test]
fn lengths_have_63_bits() {
    assert_fails_at_the_last_byte(&[0x82, 127, 0x80], Role::Client, Error::LengthTooLarge);
    let largest = [&[0x82, 127, 0x7f][..], &[0xff; 7]].concat();
    assert!(
        matches!(decode(&largest, Role::Client), Ok(Some((header, 10))) if header.len == u64::MAX >> 1)
    );
}

#[test]
fn whole_frames_are_appended() {
    for len in [0, 1, 125, 126, 127, 128, 65535, 65536, 65537] {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let mut out = b"before".to_vec();
        put_unmasked(&mut out, OpCode::Binary, true, &payload);
        let (header, at) = decode(&out[6..], Role::Client).unwrap().unwrap();
        assert_eq!(
            (header.fin, header.opcode, header.len),
            (true, OpCode::Binary, len as u64)
        );
        assert_eq!(out[6 + at..], payload);

        let mut out = b"before".to_vec();
        put_masked(&mut out, KEY, OpCode::Text, false, &payload);
        let (header, at) = decode(&out[6..], Role::Server).unwrap().unwrap();
        assert_eq!(
            (header.fin, header.opcode, header.mask),
            (false, OpCode::Text, Some(KEY))
        );
        mask::apply(KEY, 0, &mut out[6 + at..]);
        assert_eq!(out[6 + at..], payload);
    }
}

fn any_opcode() -> impl Strategy<Value = OpCode> {
    use OpCode::*;
    prop::sample::select(vec![Continuation, Text, Binary, Close, Ping, Pong])
}

fn any_length() -> impl Strategy<Value = u64> {
    prop_oneof![0..130u64, 65_500..65_600u64, 0..=u64::MAX >> 1]
}

proptest! {
    #[test]
    fn encoded_headers_decode(fin: bool, opcode in any_opcode(), mask: Option<MaskingKey>, len in any_length()) {
        let control = opcode.is_control();
        let header = FrameHeader {
            fin: fin || control,
            rsv1: false,
            opcode,
            mask,
            len: if control { len.min(125) } else { len },
        };
        let role = if mask.is_some() { Role::Server } else { Role::Client };
        let bytes = header.encode();
        prop_assert_eq!(decode(&bytes, role), Ok(Some((header, bytes.len()))));
        let shorter = decode(&bytes[..bytes.len() - 1], role);
        prop_assert_eq!(shorter, Ok(None));
    }
}
