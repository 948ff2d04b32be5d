//! `respond`: the answer to a held HTTP request, checked so that it can be sent as it is.

use serde::Serialize;

use super::data::Data;
use super::error::Error;
use super::name::RequestName;
use super::params::{Params, wrong};
use crate::config::quoted;
use crate::proto::http::byte::{is_field_value, is_token};

pub(super) const FIELDS: &[&str] = &[
    "request", "status", "type", "text", "base64", "redirect", "headers", "cookies",
];
const STATUSES: &str = "200 to 599; 300 to 399 with redirect";
/// Fields that frame a message or manage its connection (RFC 9112 §6, RFC 9110 §7.6.1): only the daemon sends them.
const FRAMING_FIELDS: [&str; 8] = [
    "Connection",
    "Content-Length",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Respond {
    /// The request that it answers.
    pub request: RequestName,
    /// The status code; when absent it is 302 for a redirect and 200 otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The Content-Type; see [`Respond::content_type`].
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What it holds.
    #[serde(flatten, skip_serializing_if = "Content::is_empty")]
    pub content: Content,
    /// Further fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Values of Set-Cookie fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<String>,
}

/// What an answer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// No body.
    Empty,
    /// The value of a Location field.
    Redirect(String),
    /// A body.
    #[serde(untagged)]
    Body(Data),
}

impl Content {
    fn is_empty(&self) -> bool {
        *self == Content::Empty
    }
}

impl Respond {
    /// An empty answer.
    pub fn new(request: RequestName) -> Respond {
        Respond {
            request,
            status: None,
            media_type: None,
            content: Content::Empty,
            headers: Vec::new(),
            cookies: Vec::new(),
        }
    }

    /// The status code to send.
    pub fn status(&self) -> u16 {
        let redirect = matches!(self.content, Content::Redirect(_));
        self.status.unwrap_or(if redirect { 302 } else { 200 })
    }

    /// The Content-Type to send: the given one, or the default for the body; none without a body.
    pub fn content_type(&self) -> Option<&str> {
        let Content::Body(data) = &self.content else {
            return self.media_type.as_deref();
        };
        if self.has_header("Content-Type") {
            return None;
        }
        Some(match (&self.media_type, data) {
            (Some(given), _) => given,
            (None, Data::Text(_)) => "text/plain; charset=utf-8",
            (None, Data::Binary(_)) => "application/octet-stream",
        })
    }

    fn has_header(&self, name: &str) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    /// Checks that all of it can be sent. A value with a control character could end its line and add fields.
    ///
    /// # Errors
    /// The first param that cannot be sent.
    pub fn check(&self) -> Result<(), Error> {
        self.check_status()?;
        if let Some(media_type) = self
            .media_type
            .as_deref()
            .filter(|text| !is_media_type(text))
        {
            let allowed = "a media type, such as text/html; charset=utf-8";
            return Err(wrong("type", &quoted(media_type), allowed));
        }
        if let Content::Redirect(location) = &self.content
            && (location.is_empty() || !location.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            let allowed = "a URL or path, of visible ASCII characters";
            return Err(wrong("redirect", &quoted(location), allowed));
        }
        for (name, value) in &self.headers {
            check_header(name, value)?;
        }
        // RFC 9110 §5.3: neither may be sent twice.
        let is_redirect = matches!(self.content, Content::Redirect(_));
        for (name, param, given) in [
            ("Content-Type", "type", self.media_type.is_some()),
            ("Location", "redirect", is_redirect),
        ] {
            if given && self.has_header(name) {
                let allowed = format!("one of {param} and that field");
                return Err(wrong(
                    "headers",
                    &format!("{name} beside {param}"),
                    &allowed,
                ));
            }
        }
        for cookie in &self.cookies {
            let name = cookie.split_once('=').map(|(name, _)| name);
            if !name.is_some_and(|name| is_token(name.as_bytes())) || !is_value(cookie) {
                let allowed = "name=value, with attributes after semicolons";
                return Err(wrong("cookies", &quoted(cookie), allowed));
            }
        }
        Ok(())
    }

    fn check_status(&self) -> Result<(), Error> {
        let status = self.status();
        let allowed = match self.content {
            Content::Redirect(_) => 300..=399,
            Content::Empty | Content::Body(_) => 200..=599,
        };
        if !allowed.contains(&status) {
            return Err(wrong("status", &status.to_string(), STATUSES));
        }
        // RFC 9110 §15.3.5, §15.3.6, §15.4.5
        if matches!(self.content, Content::Body(_)) && matches!(status, 204 | 205 | 304) {
            let what = format!("{status} beside a body");
            return Err(wrong("status", &what, "a status that has a body"));
        }
        Ok(())
    }

    pub(super) fn decode(params: &mut Params) -> Result<Respond, Error> {
        let request = params.required("request", RequestName::ALLOWED)?;
        let content = match (params.data()?, params.text("redirect")?) {
            (None, None) => Content::Empty,
            (Some(data), None) => Content::Body(data),
            (None, Some(location)) => Content::Redirect(location),
            (Some(_), Some(_)) => {
                return Err(wrong(
                    "redirect",
                    "beside a body",
                    "one of text, base64, redirect",
                ));
            }
        };
        let respond = Respond {
            request: RequestName::parse(&request)
                .ok_or_else(|| wrong("request", &quoted(&request), RequestName::ALLOWED))?,
            status: params.number("status", STATUSES)?,
            media_type: params.text("type")?,
            content,
            headers: params.pairs("headers")?,
            cookies: params.texts("cookies")?,
        };
        respond.check()?;
        Ok(respond)
    }
}

fn check_header(name: &str, value: &str) -> Result<(), Error> {
    if !is_token(name.as_bytes()) {
        return Err(wrong(
            "headers",
            &quoted(name),
            "a field name (RFC 9110 §5.1)",
        ));
    }
    if FRAMING_FIELDS
        .iter()
        .any(|own| own.eq_ignore_ascii_case(name))
    {
        return Err(wrong(
            "headers",
            name,
            "fields that do not frame the answer, which the daemon does",
        ));
    }
    if !is_value(value) {
        let what = format!("{name}: {}", quoted(value));
        return Err(wrong(
            "headers",
            &what,
            "a field value, without control characters",
        ));
    }
    Ok(())
}

fn is_value(text: &str) -> bool {
    is_field_value(text.as_bytes())
}

/// RFC 9110 §8.3.1: `type "/" subtype parameters`, the parameters as they are.
fn is_media_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let parts = essence.split_once('/');
    is_value(text)
        && parts.is_some_and(|(kind, subtype)| {
            is_token(kind.as_bytes()) && is_token(subtype.as_bytes())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn respond() -> Respond {
        Respond::new(RequestName(7))
    }

    fn refused(respond: &Respond) -> String {
        respond.check().expect_err("refused").message
    }

    #[test]
    fn status_and_type_follow_from_the_content() {
        assert_eq!((respond().status(), respond().content_type()), (200, None));
        let redirect = Respond {
            content: Content::Redirect("/a".to_owned()),
            ..respond()
        };
        assert_eq!(redirect.status(), 302);
        for (data, content_type) in [
            (Data::Text(String::new()), "text/plain; charset=utf-8"),
            (Data::Binary(vec![1]), "application/octet-stream"),
        ] {
            let body = Respond {
                content: Content::Body(data),
                ..respond()
            };
            assert_eq!(body.content_type(), Some(content_type));
            let given = Respond {
                media_type: Some("a/b".to_owned()),
                ..body
            };
            assert_eq!(given.content_type(), Some("a/b"));
        }
    }

    #[test]
    fn a_field_that_is_given_stands_alone() {
        let with = |name: &str, media_type: Option<&str>, content| Respond {
            headers: vec![(name.to_owned(), "a/b".to_owned())],
            media_type: media_type.map(str::to_owned),
            content,
            ..respond()
        };
        let body = || Content::Body(Data::Text("x".to_owned()));
        let own = with("content-type", None, body());
        assert_eq!((own.check(), own.content_type()), (Ok(()), None));
        let twice = with("content-type", Some("a/b"), body());
        assert!(refused(&twice).starts_with("headers: Content-Type beside type; "));
        let twice = with("location", None, Content::Redirect("/".to_owned()));
        assert!(refused(&twice).starts_with("headers: Location beside redirect; "));
        assert_eq!(with("Location", None, Content::Empty).check(), Ok(()));
    }

    #[test]
    fn nothing_ends_a_line_early() {
        for text in ["a\r\nX: y", "a\nb", "a\0", "a\u{7f}"] {
            let headers = vec![("X-A".to_owned(), text.to_owned())];
            assert!(
                refused(&Respond {
                    headers,
                    ..respond()
                })
                .starts_with("headers: X-A: ")
            );
            let headers = vec![(text.to_owned(), "v".to_owned())];
            assert!(
                refused(&Respond {
                    headers,
                    ..respond()
                })
                .starts_with("headers: ")
            );
            let cookies = vec![format!("a={text}")];
            assert!(
                refused(&Respond {
                    cookies,
                    ..respond()
                })
                .starts_with("cookies: ")
            );
            let media_type = Some(format!("text/html;{text}"));
            assert!(
                refused(&Respond {
                    media_type,
                    ..respond()
                })
                .starts_with("type: ")
            );
            let content = Content::Redirect(text.to_owned());
            assert!(
                refused(&Respond {
                    content,
                    ..respond()
                })
                .starts_with("redirect: ")
            );
        }
    }

    #[test]
    fn the_framing_is_the_daemons() {
        for name in [
            "content-length",
            "Transfer-Encoding",
            "CONNECTION",
            "upgrade",
        ] {
            let headers = vec![(name.to_owned(), "1".to_owned())];
            assert!(
                refused(&Respond {
                    headers,
                    ..respond()
                })
                .contains("which the daemon does")
            );
        }
    }

    #[test]
    fn statuses_fit_what_they_come_with() {
        let with = |status, content| Respond {
            status: Some(status),
            content,
            ..respond()
        };
        let redirect = || Content::Redirect("/".to_owned());
        let body = || Content::Body(Data::Text("x".to_owned()));
        for fine in [
            with(599, body()),
            with(204, Content::Empty),
            with(308, redirect()),
        ] {
            assert_eq!(fine.check(), Ok(()));
        }
        for wrong in [
            with(199, body()),
            with(600, body()),
            with(200, redirect()),
            with(204, body()),
        ] {
            assert!(refused(&wrong).starts_with("status: "));
        }
    }

    #[test]
    fn cookies_and_types_have_their_form() {
        for cookie in ["", "a", "=b", "a b=c"] {
            let cookies = vec![cookie.to_owned()];
            assert!(
                refused(&Respond {
                    cookies,
                    ..respond()
                })
                .starts_with("cookies: "),
                "{cookie}"
            );
        }
        for media_type in ["", "html", "text/", "/html", "text/a b"] {
            let media_type = Some(media_type.to_owned());
            assert!(
                refused(&Respond {
                    media_type,
                    ..respond()
                })
                .starts_with("type: ")
            );
        }
    }
}
