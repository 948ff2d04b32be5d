//! Any URL: what is read can be requested, shows no secret, and comes back from being written anew.

use bellwire::proto::http::credentials;
use bellwire::proto::http::head::{FieldTable, RequestHead, RequestTarget};
use bellwire::proto::http::url::{Host, Url, check_parameters, host_field};
use bellwire::proto::ws::handshake::{UpgradeRequest, write_request};

/// `data` is the URL, in UTF-8.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(url) = Url::parse(text) else {
        return;
    };
    assert_eq!(check_parameters(url.parameters_or_default()), Ok(()));
    assert_eq!(Host::parse(&url.host.to_string()), Ok(url.host.clone()));
    assert_eq!(format!("{url:?}"), format!("Url({url}/…)"));
    assert_eq!(Url::parse(&write(&url)), Ok(url.clone()));
    check_request(&url);
}

fn write(url: &Url) -> String {
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let userinfo = url.userinfo.as_ref().map_or(String::new(), |userinfo| {
        format!("{}:{}@", encode(&userinfo.user), encode(&userinfo.password))
    });
    let scheme = if url.tls { "https" } else { "http" };
    let port = url.port.map_or(String::new(), |port| format!(":{port}"));
    let parameters = url.parameters.as_deref().unwrap_or_default();
    format!("{scheme}://{userinfo}{}{port}{parameters}", url.host)
}

/// The opening handshake of a client of this URL is a request for it, with its credentials.
fn check_request(url: &Url) {
    let userinfo = url.userinfo.as_ref();
    if userinfo.is_some_and(|userinfo| userinfo.user.len() + userinfo.password.len() > 4000) {
        return;
    }
    let host = host_field(&url.host, url.port_or_default(), url.tls);
    let mut bytes = Vec::new();
    let request = UpgradeRequest {
        host: &host,
        target: url.parameters_or_default(),
        protocols: &[],
        basic: userinfo.map(|userinfo| (userinfo.user.as_str(), userinfo.password.as_str())),
        fields: &[],
    };
    write_request(&mut bytes, &request, [0; 16]);
    let mut table = FieldTable::new();
    let Ok(Some((head, used))) = RequestHead::decode(&bytes, &mut 0, &mut table) else {
        panic!("no request: {}", String::from_utf8_lossy(&bytes));
    };
    assert_eq!((head.host(), used), (host.as_str(), bytes.len()));
    let RequestTarget::Origin { path, query } = head.target() else {
        panic!("another form of target: {:?}", head.target());
    };
    let target = query.map_or(path.to_owned(), |query| format!("{path}?{query}"));
    assert_eq!(target, url.parameters_or_default());
    let basic = credentials::basic(&head).expect("well-formed credentials");
    assert_eq!(basic.is_some(), userinfo.is_some());
    if let (Some(basic), Some(userinfo)) = (basic, userinfo) {
        assert_eq!(basic.username, userinfo.user);
        assert_eq!(basic.password.as_bytes(), userinfo.password.as_bytes());
    }
}
