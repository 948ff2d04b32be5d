//! A header that decodes encodes to the same bytes, and no byte more or less has a say in it.

use bellwire::proto::ws::frame::{FrameHeader, Role};

/// `data` is a header, for both roles.
pub fn check(data: &[u8]) {
    for role in [Role::Server, Role::Client] {
        let whole = FrameHeader::decode(data, role);
        if let Ok(Some((header, len))) = whole {
            assert_eq!(*header.encode(), data[..len]);
        }
        // With every byte, the answer goes from None to what the whole gives, once.
        let mut settled = false;
        for len in 0..data.len() {
            let prefix = FrameHeader::decode(&data[..len], role);
            assert!(prefix == whole || (prefix == Ok(None) && !settled));
            settled = prefix != Ok(None);
        }
    }
}
