//! Where a client connects to: `url`, or `host`, `port`, `tls` and `parameters`.

use core::net::{IpAddr, Ipv4Addr};

use crate::config::fault::{Faults, Place, Placed};
use crate::config::raw::Table;
use crate::config::value::quoted;
use crate::proto::http::url::{self, Host, Url, Userinfo};

const URL_FORM: &str = "allowed: ws:// or wss://, a host, and perhaps a port, a path and a query, such as \"wss://example.org:8443/report\"";
const HOST_FORM: &str = "allowed: a name or an address, such as \"example.org\"";

pub(super) struct Endpoint {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) parameters: String,
    /// Of the URL, and where that is written.
    pub(super) userinfo: Option<Placed<Userinfo>>,
}

pub(super) fn read(table: &mut Table<'_>, exposed: bool, faults: &mut Faults<'_>) -> Endpoint {
    let url = read_url(table, exposed, faults);
    let host = read_host(table, faults);
    let port = read_port(table, faults);
    let tls = table.flag("tls", faults);
    let parameters = read_parameters(table, faults);
    if !table.has("url") && !table.has("host") {
        faults.misplaced(
            table.place(),
            "url is missing in [[client]], or host; allowed: url, or host and perhaps port, tls and parameters",
        );
    }
    let (from_url, userinfo) = match url {
        Some(Placed { value, place }) => {
            let userinfo = value.userinfo.clone();
            let userinfo = userinfo.map(|value| Placed { value, place });
            (Some(value), userinfo)
        }
        None => (None, None),
    };
    let from_url = from_url.as_ref();
    let tls = merge("tls", from_url.map(|url| url.tls), tls, faults).unwrap_or(false);
    let host = merge("host", from_url.map(|url| url.host.clone()), host, faults);
    let port = merge("port", from_url.and_then(|url| url.port), port, faults);
    let parameters = merge(
        "parameters",
        from_url.and_then(|url| url.parameters.clone()),
        parameters,
        faults,
    );
    Endpoint {
        // Without one there is a fault already.
        host: host.unwrap_or(Host::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
        port: port.unwrap_or(url::default_port(tls)),
        tls,
        parameters: parameters.unwrap_or_else(|| "/".to_owned()),
        userinfo,
    }
}

/// What the URL says, or the key; both may, when they say the same.
fn merge<T: PartialEq>(
    key: &str,
    from_url: Option<T>,
    own: Option<Placed<T>>,
    faults: &mut Faults<'_>,
) -> Option<T> {
    match (from_url, own) {
        (Some(from_url), Some(own)) => {
            if from_url != own.value {
                faults.refuse(
                    own.place,
                    format!("{key}: the url says another; allowed: one of them, or both the same"),
                );
            }
            Some(from_url)
        }
        (from_url, own) => from_url.or(own.map(|own| own.value)),
    }
}

fn read_url(table: &mut Table<'_>, exposed: bool, faults: &mut Faults<'_>) -> Option<Placed<Url>> {
    let Placed { value, place } = table.text("url", faults)?;
    match Url::parse(value) {
        Ok(url) => {
            warn_of_password(&url, place, exposed, faults);
            Some(Placed { value: url, place })
        }
        Err(fault) => {
            // It may hold a password, so it is not shown.
            faults.refuse(place, format!("url: {fault}; {URL_FORM}"));
            None
        }
    }
}

fn warn_of_password(url: &Url, place: Place, exposed: bool, faults: &mut Faults<'_>) {
    let has_password = url
        .userinfo
        .as_ref()
        .is_some_and(|userinfo| !userinfo.password.is_empty());
    if exposed && has_password {
        faults.warn(place, "url: a password in a file that others can read");
    }
}

fn read_host(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<Placed<Host>> {
    let Placed { value, place } = table.text("host", faults)?;
    match Host::parse(value) {
        Ok(host) => Some(Placed { value: host, place }),
        Err(fault) => {
            faults.refuse(
                place,
                format!("host: {}: {fault}; {HOST_FORM}", quoted(value)),
            );
            None
        }
    }
}

fn read_port(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<Placed<u16>> {
    let place = table.where_is("port", faults);
    let port = table.count("port", 0, 1..=usize::from(u16::MAX), faults);
    // 0: absent, or refused.
    let value = u16::try_from(port).ok().filter(|port| *port != 0)?;
    Some(Placed {
        value,
        place: place?,
    })
}

fn read_parameters(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<Placed<String>> {
    let Placed { value, place } = table.text("parameters", faults)?;
    match url::check_parameters(value) {
        Ok(()) => Some(Placed {
            value: value.to_owned(),
            place,
        }),
        Err(fault) => {
            faults.refuse(
                place,
                format!(
                    "parameters: {fault}; allowed: path and query, percent-encoded, such as \"/report?info=common\""
                ),
            );
            None
        }
    }
}
