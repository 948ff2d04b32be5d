//! The address of a client's server: `url`, or `host`, `port`, `tls` and `parameters`.

use core::net::{IpAddr, Ipv4Addr};

use crate::config::fault::Placed;
use crate::config::table::Table;
use crate::config::value::quoted;
use crate::proto::http::url::{self, Host, Url, Userinfo};

const URL_FORM: &str = "allowed: ws:// or wss://, a host, and perhaps a port, a path and a query, such as \"wss://example.org:8443/report\"";
const HOST_FORM: &str = "allowed: a name or an address, such as \"example.org\"";
const PARAMETERS_FORM: &str =
    "allowed: path and query, percent-encoded, such as \"/report?info=common\"";

pub(super) struct Endpoint {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) parameters: String,
    /// The user and password of the URL.
    pub(super) userinfo: Option<Userinfo>,
}

pub(super) fn read(table: &mut Table<'_>) -> Endpoint {
    // The URL may hold a password, so it is not shown.
    let url = table.parsed("url", |text| {
        Url::parse(text).map_err(|fault| format!("{fault}; {URL_FORM}"))
    });
    let host = table.parsed("host", |text| {
        Host::parse(text).map_err(|fault| format!("{}: {fault}; {HOST_FORM}", quoted(text)))
    });
    let port = read_port(table);
    let tls = table.flag("tls");
    let parameters = table.parsed("parameters", |text| match url::check_parameters(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(fault) => Err(format!("{fault}; {PARAMETERS_FORM}")),
    });
    if !table.has("url") && !table.has("host") {
        table.misplaced(
            table.place(),
            "url is missing in [[client]], or host; allowed: url, or host and perhaps port, tls and parameters",
        );
    }
    if let Some(url) = &url {
        warn_of_password(table, url);
    }
    let url = url.map(|url| url.value);
    let from_url = url.as_ref();
    let tls = merge(table, "tls", from_url.map(|url| url.tls), tls).unwrap_or(false);
    let host = merge(table, "host", from_url.map(|url| url.host.clone()), host);
    let port = merge(table, "port", from_url.and_then(|url| url.port), port);
    let from_url = from_url.and_then(|url| url.parameters.clone());
    let parameters = merge(table, "parameters", from_url, parameters);
    Endpoint {
        // Without a host there is a fault already.
        host: host.unwrap_or(Host::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
        port: port.unwrap_or(url::default_port(tls)),
        tls,
        parameters: parameters.unwrap_or_else(|| "/".to_owned()),
        userinfo: url.and_then(|url| url.userinfo),
    }
}

/// What the URL says, or the key. Both may be given if they say the same.
fn merge<T: PartialEq>(
    table: &Table<'_>,
    key: &str,
    from_url: Option<T>,
    own: Option<Placed<T>>,
) -> Option<T> {
    if let (Some(from_url), Some(own)) = (&from_url, &own)
        && *from_url != own.value
    {
        table.refuse(
            own.place,
            format!("{key}: the url says another; allowed: one of them, or both the same"),
        );
    }
    from_url.or(own.map(|own| own.value))
}

fn warn_of_password(table: &Table<'_>, url: &Placed<Url>) {
    let userinfo = url.value.userinfo.as_ref();
    if userinfo.is_some_and(|userinfo| !userinfo.password.is_empty())
        && table.document().is_open_to_others()
    {
        table.warn(url.place, "url: a password in a file that others can read");
    }
}

fn read_port(table: &mut Table<'_>) -> Option<Placed<u16>> {
    let place = table.place_of("port");
    let port = table.count("port", 0, 1..=usize::from(u16::MAX));
    // 0: absent or refused.
    let value = u16::try_from(port).ok().filter(|port| *port != 0)?;
    place.map(|place| Placed { value, place })
}
