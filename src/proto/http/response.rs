//! Heads of responses, written straight into a send buffer, and small error pages.
//!
//! No value can end a line early: a control character becomes a space (RFC 9110 §5.5 says so for CR, LF and NUL), and a
//! field whose name is not a token is left out. A caller with fields from elsewhere checks them before, to report faults.

use super::byte::{is_field_value, is_text, is_token};

/// Appends one response head to a buffer. Call [`end`](Self::end) at last.
#[derive(Debug)]
pub struct ResponseWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> ResponseWriter<'o> {
    /// Writes the status line. A status that does not have three digits becomes 500.
    pub fn start(out: &'o mut Vec<u8>, status: u16) -> Self {
        let status = if (100..1000).contains(&status) {
            status
        } else {
            500
        };
        out.extend_from_slice(b"HTTP/1.1 ");
        put_number(out, u64::from(status));
        out.push(b' ');
        out.extend_from_slice(reason(status).as_bytes());
        out.extend_from_slice(b"\r\n");
        Self { out }
    }

    /// A field. Control characters in its value become spaces.
    pub fn field(&mut self, name: &str, value: &[u8]) -> &mut Self {
        put_field(self.out, name, value);
        self
    }

    /// The Content-Length field.
    pub fn length(&mut self, length: u64) -> &mut Self {
        self.out.extend_from_slice(b"Content-Length: ");
        put_number(self.out, length);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// The Date field, from [`date::format`](super::date::format).
    pub fn date(&mut self, date: &[u8; 29]) -> &mut Self {
        self.field("Date", date)
    }

    /// The empty line.
    pub fn end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Writes a field line; see [`ResponseWriter::field`].
pub(crate) fn put_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !is_token(name.as_bytes()) {
        return;
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    if is_field_value(value) {
        out.extend_from_slice(value);
    } else {
        out.extend(
            value
                .iter()
                .map(|&byte| if is_text(byte) { byte } else { b' ' }),
        );
    }
    out.extend_from_slice(b"\r\n");
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The reason phrase of a status code, empty when it is not registered.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// An HTML page that explains an error, to be sent as `text/html; charset=utf-8`. It does not tell software or version.
pub fn error_page(status: u16) -> String {
    let reason = reason(status);
    let space = if reason.is_empty() { "" } else { " " };
    let title = format!("{status}{space}{reason}");
    let advice = advice(status);
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n\
         <style>body {{ font: 1.125rem/1.5 system-ui, sans-serif; max-width: 36rem; \
         margin: 15vh auto; padding: 0 1.5rem }}</style>\n\
         </head>\n\
         <body>\n\
         <h1>{title}</h1>\n\
         <p>{advice}</p>\n\
         </body>\n\
         </html>\n"
    )
}

/// What the status means to a person with a browser.
fn advice(status: u16) -> &'static str {
    match status {
        401 => "This needs a user name and a password.",
        403 => "You may not see this.",
        404 => "There is nothing at this address.",
        405 => "This address cannot be used in that way.",
        408 => "The request took too long to arrive.",
        413 => "What was sent is too large.",
        414 | 431 => "The request is too long.",
        426 => "Only WebSocket connections are answered here.",
        429 => "Too many requests have come from your address. Try again later.",
        500 | 502 => "Something went wrong here. It is not your fault.",
        503 => "Too much is going on here just now. Try again in a moment.",
        504 => "The answer took too long.",
        400..500 => "The request could not be understood or allowed.",
        _ => "The request could not be answered.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut ResponseWriter<'_>)) -> String {
        let mut out = b"before".to_vec();
        write(&mut ResponseWriter::start(&mut out, 200));
        let text = String::from_utf8(out).unwrap();
        text.strip_prefix("beforeHTTP/1.1 200 OK\r\n")
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_head() {
        let mut out = Vec::new();
        ResponseWriter::start(&mut out, 404)
            .field("Content-Type", b"text/html; charset=utf-8")
            .length(1234)
            .date(b"Sun, 06 Nov 1994 08:49:37 GMT")
            .end();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 404 Not Found\r\n\
             Content-Type: text/html; charset=utf-8\r\n\
             Content-Length: 1234\r\n\
             Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             \r\n"
        );
    }

    #[test]
    fn status_lines() {
        for (status, line) in [
            (101, "HTTP/1.1 101 Switching Protocols\r\n"),
            (299, "HTTP/1.1 299 \r\n"),
            (999, "HTTP/1.1 999 \r\n"),
            (99, "HTTP/1.1 500 Internal Server Error\r\n"),
            (1000, "HTTP/1.1 500 Internal Server Error\r\n"),
        ] {
            let mut out = Vec::new();
            ResponseWriter::start(&mut out, status);
            assert_eq!(String::from_utf8(out).unwrap(), line);
        }
    }

    #[test]
    fn numbers() {
        for number in [0, 1, 9, 10, 99, 100, 65_536, u64::MAX] {
            let text = written(|head| {
                head.length(number);
            });
            assert_eq!(text, format!("Content-Length: {number}\r\n"));
        }
    }

    #[test]
    fn a_value_cannot_split_the_head() {
        let text = written(|head| {
            head.field("Location", b"/a\r\nSet-Cookie: b=c\0\x7f\td");
        });
        assert_eq!(text, "Location: /a  Set-Cookie: b=c  \td\r\n");
    }

    #[test]
    fn a_name_that_is_no_token_is_left_out() {
        for name in ["", "a b", "a:", "a\r\nb", "ä"] {
            assert_eq!(
                written(|head| {
                    head.field(name, b"x");
                }),
                "",
                "{name:?}"
            );
        }
    }

    #[test]
    fn pages() {
        for status in [400, 404, 426, 431, 500, 599] {
            let page = error_page(status);
            let title = format!("{status} {}", reason(status));
            let title = title.trim_end();
            assert!(page.contains(&format!("<title>{title}</title>")), "{page}");
            assert!(page.contains(&format!("<h1>{title}</h1>")), "{page}");
            assert!(page.len() < 800, "{}", page.len());
            assert!(!page.contains(env!("CARGO_PKG_VERSION")), "{page}");
        }
    }
}
