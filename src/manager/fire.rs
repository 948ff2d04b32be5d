//! Events fire triggers: what is done at once is done here, and what wants the whole engine is left on the desk.

use crate::config::{Action, Mode};
use crate::conn::event::{CloseReason, ConnId};
use crate::engine::Ops;
use crate::proto::http::form;
use crate::proto::http::head::{BodyLength, RequestHead};
use crate::proto::http::path;
use crate::proto::ws::frame::Kind;

use zeroize::Zeroizing;

use super::desk::{Desk, Todo};
use super::fired::{Asked, Fired, Source, What, Whose};
use super::intake::{Came, MAX_FORM};
use super::login::path_of;
use super::pages::respond_error;
use super::trigger::{Fires, Rules, SendRoot};

/// Bytes that the events of one turn may leave to be done by triggers; more of them are dropped.
const MAX_FIRING: usize = 16 * 1024 * 1024;

/// What an event takes beside its message, roughly.
const EACH: usize = 256;

/// A message has come. Whether it is done with.
pub(super) fn message(
    rules: &Rules,
    source: &Source,
    desk: &mut Desk,
    ops: &mut Ops<'_>,
    id: ConnId,
    kind: Kind,
    data: &[u8],
) -> bool {
    let fires = rules.message(data);
    act(&fires, source, desk, ops, id, || What::Message {
        kind,
        data: data.to_vec(),
    });
    fires.done
}

/// A WebSocket has opened.
pub(super) fn connect(
    rules: &Rules,
    source: &Source,
    desk: &mut Desk,
    ops: &mut Ops<'_>,
    id: ConnId,
) {
    act(&rules.connect(), source, desk, ops, id, || What::Connect);
}

/// A WebSocket has ended.
pub(super) fn disconnect(
    rules: &Rules,
    source: &Source,
    desk: &mut Desk,
    ops: &mut Ops<'_>,
    id: ConnId,
    reason: &CloseReason<'_>,
) {
    if rules.follows() {
        desk.todo.push_back(Todo::Gone(id));
    }
    act(&rules.disconnect(), source, desk, ops, id, || {
        What::Disconnect {
            code: reason.code(),
            reason: words(reason),
        }
    });
}

/// The reason of a Close frame (RFC 6455 §7.1.6), else why there is none.
fn words(reason: &CloseReason<'_>) -> String {
    match reason {
        CloseReason::Peer(_, reason) => (*reason).to_owned(),
        other => other.to_string(),
    }
}

fn act(
    fires: &Fires<'_>,
    source: &Source,
    desk: &mut Desk,
    ops: &mut Ops<'_>,
    id: ConnId,
    what: impl Fn() -> What,
) {
    for rule in &fires.rules {
        if desk.firing > MAX_FIRING {
            rule.dropped.set(rule.dropped.get() + 1);
            continue;
        }
        match &rule.conf.action {
            Action::Send(text) => {
                ops.reply(Kind::Text, text.as_bytes());
            }
            Action::Forward(to) => {
                if let What::Message { kind, data } = what() {
                    let to = to.clone();
                    desk.firing += EACH + data.len();
                    desk.todo.push_back(Todo::Forward { to, kind, data });
                }
            }
            Action::Run(_) => {
                let what = what();
                desk.firing += EACH + what.held();
                desk.todo.push_back(Todo::Fired(Box::new(Fired {
                    rule: (*rule).clone(),
                    whose: Whose::of(ops, id, source),
                    what,
                })));
            }
            // The configuration has it for requests only.
            Action::Hold { .. } => {}
        }
    }
}

/// What a request would fire.
pub(super) struct Aim {
    fired: Box<Fired>,
    /// How much of the body is waited for; `None`: none of it.
    waits: Option<usize>,
    holds_body: bool,
}

/// Whether a request would fire a trigger; `Err` is the status for a path that is none. What of its path is `prefix` is
/// no part of what is asked for.
pub(super) fn aim(
    rules: &Rules,
    source: &Source,
    files: impl FnOnce() -> Option<SendRoot>,
    ops: &Ops<'_>,
    head: &RequestHead<'_>,
    prefix: &str,
) -> Result<Option<Aim>, u16> {
    let Some(whole) = path_of(head) else {
        return Ok(None);
    };
    let path = whole.strip_prefix(prefix).unwrap_or(whole);
    let path = path::decode(path).map_err(path::Error::status)?;
    let Some(rule) = rules.request(head.method().as_str(), &path) else {
        return Ok(None);
    };
    let is_script = rule.mode() == Some(Mode::Once);
    let length = head.body_length();
    let content_type = head.field("Content-Type").unwrap_or_default();
    let is_form = match length {
        BodyLength::Length(bytes) => bytes <= MAX_FORM as u64,
        BodyLength::Chunked => true,
        BodyLength::Empty => false,
    } && form::FormKind::of(content_type).is_some();
    let has_body = length != BodyLength::Empty;
    let waits = match (is_script, is_form) {
        _ if !has_body => None,
        (false, _) => Some(usize::MAX),
        (true, true) => Some(MAX_FORM),
        (true, false) => None,
    };
    let exchange = ops.exchange();
    let asked = Asked {
        exchange,
        head: Zeroizing::new(head.bytes().to_vec()),
        path,
        body: Vec::new(),
        streams: has_body && waits.is_none(),
        files: rule.files.clone().or_else(files),
    };
    Ok(Some(Aim {
        holds_body: asked.streams,
        waits,
        fired: Box::new(Fired {
            rule: rule.clone(),
            whose: Whose::of(ops, exchange.conn, source),
            what: What::Request(Box::new(asked)),
        }),
    }))
}

/// A request fires: its answer comes later.
pub(super) fn request(aim: Aim, desk: &mut Desk, ops: &mut Ops<'_>) {
    let exchange = ops.defer(aim.holds_body);
    if aim.holds_body {
        desk.intake.flow(exchange);
    }
    match aim.waits {
        Some(limit) => {
            // It may have been held back, while somebody was asked who this is from.
            ops.hold_body(false);
            desk.intake.wait_for(aim.fired, limit);
        }
        None => desk.todo.push_back(Todo::Fired(aim.fired)),
    }
}

/// A piece of the body of a request, or its end.
pub(super) fn body(desk: &mut Desk, ops: &mut Ops<'_>, id: ConnId, piece: Option<&[u8]>) {
    let came = match piece {
        // Of a body that is not wanted any more pieces are empty.
        Some([]) => return,
        Some(data) => desk.intake.piece(id, data),
        None => desk.intake.end(id),
    };
    match came {
        Came::Kept | Came::Unwanted => {}
        Came::Ready(fired) => {
            if piece.is_some() {
                desk.intake.flow(ops.exchange());
                ops.hold_body(true);
            }
            desk.todo.push_back(Todo::Fired(fired));
        }
        Came::ForScript => desk.todo.push_back(Todo::Body(id)),
        Came::TooMuch => respond_error(ops, 503, &[]),
    }
}
