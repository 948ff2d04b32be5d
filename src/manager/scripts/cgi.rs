//! Requests that a script answers: CGI/1.1 (RFC 3875).

use crate::engine::Engine;
use crate::manager::trigger::rules::Rule;
use crate::manager::trigger::trigger_event::{HttpRequest, Origin};
use crate::proto::http::form::{self, Parameter};
use crate::proto::http::head::{BodyLength, FieldTable, Method, RequestHead, Version};

use super::answer::Answer;
use super::environment::{Base, Environment, Error, Happening, Request};
use super::job::{Job, Task, event_environment};
use super::notice::query_of;

/// The job of a request; the status of an error instead.
pub(super) fn job(
    base: &Base,
    engine: &Engine,
    rule: &Rule,
    origin: Origin,
    mut request: HttpRequest,
) -> Result<Job, u16> {
    let (env, head_only) = environment(base, engine, rule, &origin, &request)?;
    let input = std::mem::take(&mut request.body);
    let has_body = request.streams || !input.is_empty();
    let files = rule.files.clone().or(request.files);
    let answer = Answer::new(
        request.exchange,
        request.head,
        files,
        head_only,
        request.streams,
    );
    let task = Task::Answer {
        answer: Box::new(answer),
        input,
        has_body,
    };
    Ok(Job::new(rule, origin, env, task))
}

/// The environment, and whether it is a HEAD request.
fn environment(
    base: &Base,
    engine: &Engine,
    rule: &Rule,
    origin: &Origin,
    request: &HttpRequest,
) -> Result<(Environment, bool), u16> {
    let mut table = FieldTable::default();
    // It was decoded before.
    let Ok(Some((head, _))) = RequestHead::decode(&request.head, &mut 0, &mut table) else {
        return Err(500);
    };
    let query = query_of(&head).unwrap_or_default();
    let parameters = form::decode_urlencoded(query.as_bytes()).map_err(form::Error::status)?;
    let form = form_of(&head, request)?;
    let fields: Vec<(&str, &[u8])> = head.fields().collect();
    let happening = Happening::Request(Request {
        method: head.method().as_str(),
        protocol: match head.version() {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        },
        path: &request.path,
        query,
        parameters: &parameters,
        fields: &fields,
        length: match head.body_length() {
            BodyLength::Empty => None,
            BodyLength::Length(length) => Some(length),
            BodyLength::Chunked if request.streams => None,
            BodyLength::Chunked => Some(request.body.len() as u64),
        },
        form: &form,
    });
    let env = event_environment(base, engine, rule, origin, Some(head.host()), &happening);
    Ok((env.map_err(Error::status)?, head.method() == Method::Head))
}

/// The parameters of a body that is a form.
fn form_of(head: &RequestHead<'_>, request: &HttpRequest) -> Result<Vec<Parameter>, u16> {
    if request.streams || request.body.is_empty() {
        return Ok(Vec::new());
    }
    let content_type = head.field("Content-Type").unwrap_or_default();
    match form::FormKind::of(content_type) {
        Some(kind) => kind.decode(&request.body).map_err(form::Error::status),
        None => Ok(Vec::new()),
    }
}
