//! `bellwire client new`: prints the `[[client]]` block for a URL.

use std::fmt::Write;

use crate::cli::args::ClientNew;
use crate::cli::client_url;
use crate::config::{Client, Id};
use crate::process::exit::Exit;
use crate::process::output::{complain, print};
use crate::proto::http::url::Host;

/// Prints the block.
pub(super) fn new(options: &ClientNew) -> Exit {
    match client_url::read(&options.url) {
        Ok(url) => print(&block(&Client::of_url(url), options.id.as_ref())),
        Err(what) => {
            complain(&format!("bellwire: {what}"));
            Exit::Usage
        }
    }
}

fn block(client: &Client, id: Option<&Id>) -> String {
    let mut block = String::from("[[client]]\n");
    if let Some(id) = id {
        let _ = writeln!(block, "id = {}", toml_string(id.as_str()));
    }
    let host = match &client.host {
        Host::Name(name) => name.clone(),
        Host::Ip(address) => address.to_string(),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(block, "host = {}", toml_string(&host));
    let _ = writeln!(block, "port = {}", client.port);
    let _ = writeln!(block, "tls = {}", client.tls);
    let _ = writeln!(block, "parameters = {}", toml_string(&client.parameters));
    if let Some(basic) = &client.basic {
        let _ = writeln!(
            block,
            "basic = {{ username = {}, password = {} }}",
            toml_string(&basic.username),
            toml_string(basic.password.reveal())
        );
    }
    block
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    let mut toml_string = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => toml_string.extend(['\\', character]),
            character if character.is_control() => {
                let _ = write!(toml_string, "\\u{:04X}", u32::from(character));
            }
            character => toml_string.push(character),
        }
    }
    toml_string.push('"');
    toml_string
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;
    use crate::proto::http::url::Url;

    #[test]
    fn a_block_says_what_the_url_said() {
        for (url, id, expected) in [
            (
                "wss://me:p%22%5C%C3%A9@myhost.com:12345/auth/user/psw?a=%22",
                Some("up"),
                "[[client]]\nid = \"up\"\nhost = \"myhost.com\"\nport = 12345\ntls = true\n\
                 parameters = \"/auth/user/psw?a=%22\"\n\
                 basic = { username = \"me\", password = \"p\\\"\\\\é\" }\n",
            ),
            (
                "ws://[::1]?\"\\",
                None,
                "[[client]]\nhost = \"::1\"\nport = 80\ntls = false\nparameters = \"/?\\\"\\\\\"\n",
            ),
        ] {
            let client = Client::of_url(Url::parse(url).unwrap());
            let id = id.and_then(Id::new);
            let block = block(&client, id.as_ref());
            assert_eq!(block, expected);
            let mut config = config::parse(&block, Path::new("f.toml")).unwrap();
            let mut read = config.clients.remove(0);
            assert_eq!(read.id, id.unwrap_or(client.id.clone()));
            read.id = client.id.clone();
            read.name.clone_from(&client.name);
            assert!(read == client, "{url}");
        }
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(
            toml_string("a\u{1}\u{7f}\u{85}"),
            "\"a\\u0001\\u007F\\u0085\""
        );
    }
}
