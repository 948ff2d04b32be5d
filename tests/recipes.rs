//! The recipes of the README, unchanged but for their ports, which are free ones.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tungstenite::{Message, WebSocket};

use daemon::{Daemon, PATIENCE};

mod daemon;

const README: &str = include_str!("../README.md");

/// The content of a recipe: its configuration, and the files beside it by name.
struct Recipe {
    config: String,
    files: Vec<(String, String)>,
}

fn recipe(title: &str) -> Recipe {
    let text = README
        .split(&format!("### {title}\n"))
        .nth(1)
        .expect("the recipe");
    let text = text.split("\n## ").next().unwrap_or(text);
    let text = text.split("\n### ").next().unwrap_or(text);
    let mut recipe = Recipe {
        config: String::new(),
        files: Vec::new(),
    };
    for block in text.split("\n```").skip(1).step_by(2) {
        let (language, block) = block.split_once('\n').expect("a block");
        match language {
            "toml" => recipe.config = format!("{block}\n"),
            "html" => recipe
                .files
                .push(("chat.html".to_owned(), block.to_owned())),
            "sh" => {
                let name = block.lines().nth(1).expect("its name");
                let name = name.trim_start_matches("# ").split(':').next();
                let name = name.expect("its name").to_owned();
                recipe.files.push((name, format!("{block}\n")));
            }
            other => panic!("a block of {other}"),
        }
    }
    recipe
}

/// Runs a recipe; `upstream` takes the place of the server that its client connects to.
fn run(title: &str, upstream: Option<SocketAddr>) -> Daemon {
    let Recipe { config, files } = recipe(title);
    let mut config = config.replace("127.0.0.1:8080", "127.0.0.1:0");
    if let Some(upstream) = upstream {
        assert!(config.contains("127.0.0.1:9000"));
        config = config.replace("127.0.0.1:9000", &upstream.to_string());
    }
    Daemon::run_in(&config, 1, |folder| {
        for (name, text) in &files {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    })
}

fn text(socket: &mut WebSocket<TcpStream>) -> String {
    loop {
        match socket.read().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_chat_room() {
    let daemon = run("A chat room", None);
    let (mut one, mut two) = (daemon.open(), daemon.open());
    one.send("hello".into()).unwrap();
    assert_eq!(text(&mut two), "hello");
    let page = daemon.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(page.contains("new WebSocket"), "{page}");
}

#[test]
fn a_sensor_on_every_screen() {
    let daemon = run("A sensor on every screen", None);
    let (mut one, mut two) = (daemon.open(), daemon.open());
    let folder = daemon.folder.path();
    fs::write(folder.join("celsius"), "21.5\n").unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_bellwire"));
    let path = format!("{}:/usr/bin:/bin", binary.parent().unwrap().display());
    let status = Command::new(folder.join("temperature.sh"))
        .arg(folder.join("celsius"))
        .env("PATH", path)
        .env("BELLWIRE_CONFIG", folder.join("bellwire.toml"))
        .status()
        .unwrap();
    assert!(status.success());
    for socket in [&mut one, &mut two] {
        assert_eq!(text(socket), "{\"celsius\": 21.5}");
    }
}

#[test]
fn a_webhook_that_runs_a_script() {
    let daemon = run("A webhook that runs a script", None);
    // forge:secret
    let request = "POST /deploy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                   Authorization: Basic Zm9yZ2U6c2VjcmV0\r\nContent-Length: 5\r\n\r\nhello";
    let answer = daemon.ask(request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(answer.contains("forge deploys 5 bytes"), "{answer}");
    let without = request.replace("Authorization: Basic Zm9yZ2U6c2VjcmV0\r\n", "");
    let answer = daemon.ask(without.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[test]
fn a_gateway_between_a_client_and_a_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let daemon = run(
        "A gateway between a client and a server",
        Some(listener.local_addr().unwrap()),
    );
    let (upstream, _) = listener.accept().unwrap();
    upstream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut upstream = tungstenite::accept(upstream).unwrap();
    let mut local = daemon.open();
    local.send("to the attic".into()).unwrap();
    assert_eq!(text(&mut upstream), "to the attic");
    upstream.send("from the attic".into()).unwrap();
    assert_eq!(text(&mut local), "from the attic");
}

#[test]
fn remote_commands_from_an_allow_list() {
    let daemon = run("Remote commands from an allow list", None);
    let mut socket = daemon.open();
    let asked = |socket: &mut WebSocket<TcpStream>, what: &str| {
        socket.send(what.into()).unwrap();
        text(socket)
    };
    assert_eq!(asked(&mut socket, "date").trim().len(), 10);
    let host = Command::new("uname").arg("-n").output().unwrap().stdout;
    assert_eq!(asked(&mut socket, "host").as_bytes(), host);
    assert_eq!(asked(&mut socket, "rm -rf /"), "allowed: date, host");
    let mut refused = daemon.connect();
    refused
        .write_all(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nUpgrade: websocket\r\n\
              Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .unwrap();
    let mut head = [0; 12];
    refused.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 403");
}
