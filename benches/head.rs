//! Reading request heads, beside httparse alone, which does a part of it: the difference is what the
//! checks of RFC 9112 cost.

use std::hint::black_box;
use std::mem::MaybeUninit;

use bellwire::proto::http::head::{FieldTable, MAX_FIELDS, RequestHead};
use bellwire::proto::http::response::ResponseWriter;
use bellwire::proto::ws::handshake;
use divan::Bencher;
use divan::counter::BytesCount;

/// What a script sends on a persistent connection.
const SMALL_GET: &str = "GET /status HTTP/1.1\r\nHost: 192.168.1.2:8080\r\n\r\n";

/// What a browser sends to open a WebSocket.
const UPGRADE: &str = "GET /chat?room=7 HTTP/1.1\r\n\
    Host: example.org:8080\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Upgrade: websocket\r\n\
    Origin: http://example.org:8080\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

const HEADS: [(&str, &str); 2] = [("small GET", SMALL_GET), ("upgrade", UPGRADE)];
const NAMES: [&str; 2] = [HEADS[0].0, HEADS[1].0];

fn main() {
    divan::main();
}

fn text(name: &str) -> &'static [u8] {
    let found = HEADS.iter().find(|(other, _)| *other == name);
    found.map_or(&[], |(_, text)| text.as_bytes())
}

#[divan::bench(args = NAMES, sample_size = 1000)]
fn decode(bencher: Bencher<'_, '_>, name: &str) {
    let input = text(name);
    let mut table = FieldTable::new();
    bencher
        .counter(BytesCount::of_slice(input))
        .bench_local(|| {
            let decoded = RequestHead::decode(black_box(input), &mut 0, &mut table);
            black_box(decoded.is_ok_and(|head| head.is_some()))
        });
}

#[divan::bench(args = NAMES, sample_size = 1000)]
fn httparse_alone(bencher: Bencher<'_, '_>, name: &str) {
    let input = text(name);
    bencher
        .counter(BytesCount::of_slice(input))
        .bench_local(|| {
            let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
            let mut request = httparse::Request::new(&mut []);
            let parsed = request.parse_with_uninit_headers(black_box(input), &mut fields);
            black_box(parsed.is_ok_and(|status| status.is_complete()))
        });
}

/// The whole of an opening handshake: the request read and answered.
#[divan::bench(sample_size = 1000)]
fn open(bencher: Bencher<'_, '_>) {
    let mut table = FieldTable::new();
    let mut out = Vec::with_capacity(1024);
    bencher.bench_local(|| {
        out.clear();
        let decoded = RequestHead::decode(black_box(UPGRADE.as_bytes()), &mut 0, &mut table);
        if let Ok(Some((head, _))) = decoded
            && let Ok(offer) = handshake::read_request(&head)
        {
            handshake::write_response(&mut out, &offer, None, b"Sun, 06 Nov 1994 08:49:37 GMT");
        }
        black_box(out.len())
    });
}

/// The head of a small answer.
#[divan::bench(sample_size = 1000)]
fn answer(bencher: Bencher<'_, '_>) {
    let mut out = Vec::with_capacity(1024);
    bencher.bench_local(|| {
        out.clear();
        ResponseWriter::start(&mut out, 200)
            .date(b"Sun, 06 Nov 1994 08:49:37 GMT")
            .field("Content-Type", b"text/html; charset=utf-8")
            .length(black_box(1234))
            .end();
        black_box(out.len())
    });
}
