//! Files, plain and over TLS, compared with nginx if it is installed.

use std::fmt;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use super::daemon::Daemon;
use super::load::{Exchange, Load, Shape};
use super::nginx::{Nginx, wait_for};
use super::peer::Opened;
use super::system::{self, Pid};
use super::{REPEATS, median, quiet_daemon};

const CELLS: [Shape; 5] = [
    Shape::new(1 << 10, 1, 1),
    Shape::new(1 << 10, 100, 1),
    Shape::new(1 << 10, 100, 16),
    Shape::new(1 << 20, 1, 1),
    Shape::new(1 << 20, 100, 1),
];

/// What is served, and by which certificate.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) client: Arc<ClientConfig>,
}

impl Site {
    pub(crate) fn new() -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
        let key = folder.path().join("key.pem");
        fs::write(folder.path().join("cert.pem"), made.cert.pem()).expect("a certificate");
        fs::write(&key, made.signing_key.serialize_pem()).expect("a key");
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from(made.cert.der().to_vec());
        roots.add(trusted).expect("a certificate");
        let client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let www = folder.path().join("www");
        fs::create_dir(&www).expect("a folder");
        for shape in CELLS {
            fs::write(www.join(shape.bytes.to_string()), shape.payload()).expect("a file");
        }
        Site {
            folder,
            client: Arc::new(client),
        }
    }

    /// A daemon that serves it, plain and by TLS.
    pub(crate) fn daemon(&self, plain: SocketAddr, tls: SocketAddr, limits: &str) -> Daemon {
        let here = self.folder.path().display();
        let http = format!("[server.http]\nserve = \"folder\"\nfolder = \"{here}/www\"\n");
        let limits = format!("messages = \"echo\"\n[server.limits]\n{limits}");
        let daemon = quiet_daemon(&format!(
            "[[server]]\nbind = [\"{plain}\"]\n{limits}{http}\
             [[server]]\nbind = [\"{tls}\"]\n{limits}{http}\
             [server.tls]\ncertificate = \"{here}/cert.pem\"\nprivate_key = \"{here}/key.pem\"\n"
        ));
        wait_for(plain);
        wait_for(tls);
        daemon
    }
}

/// Addresses that nothing listens at.
pub(crate) fn free<const N: usize>() -> [SocketAddr; N] {
    let held: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
    held.map(|listener| listener.local_addr().expect("its address"))
}

struct Server {
    pid: Pid,
    plain: SocketAddr,
    tls: SocketAddr,
}

pub(crate) fn compare(processor: usize) {
    let site = Site::new();
    let [plain, tls, other_plain, other_tls] = free();
    let daemon = site.daemon(plain, tls, "");
    let nginx = Nginx::version().map(|version| {
        let nginx = Nginx::start(site.folder.path(), other_plain, other_tls);
        (nginx, version)
    });
    let mut servers = vec![Server {
        pid: daemon.pid(),
        plain,
        tls,
    }];
    servers.extend(nginx.as_ref().map(|(nginx, _)| Server {
        pid: nginx.pid(),
        plain: other_plain,
        tls: other_tls,
    }));
    for server in &servers {
        system::pin(server.pid, processor);
    }
    println!(
        "\nfiles: server CPU a request, µs (medians of {REPEATS}; the ratio with its range)\n"
    );
    let version = nginx.as_ref().map_or("none installed", |(_, it)| it);
    println!("      bytes  connections  in flight  bellwire     nginx  ratio ({version})");
    for sealed in [false, true] {
        for shape in CELLS {
            println!("{}", Row::measure(shape, sealed, &servers, &site));
        }
    }
}

/// The figures of a cell.
struct Row {
    shape: Shape,
    sealed: bool,
    ours: f64,
    /// Theirs, and the ratio: least, median, greatest.
    theirs: Option<(f64, [f64; 3])>,
}

impl Row {
    fn measure(shape: Shape, sealed: bool, servers: &[Server], site: &Site) -> Row {
        let path = format!("/{}", shape.bytes);
        let mut loads: Vec<Load> = servers
            .iter()
            .map(|server| {
                let open = || match sealed {
                    false => Opened::plain(server.plain),
                    true => Opened::by_tls(server.tls, &site.client),
                };
                Load::open(shape, &open, &Exchange::file(&shape, &path, open()))
            })
            .collect();
        let mut turns = vec![Vec::new(); loads.len()];
        for _ in 0..REPEATS {
            for (at, load) in loads.iter_mut().enumerate() {
                turns[at].push(load.cpu_per_answer(servers[at].pid) / 1000.0);
            }
        }
        let theirs = turns.get(1).map(|theirs| {
            let mut ratios: Vec<f64> = turns[0].iter().zip(theirs).map(|(a, b)| a / b).collect();
            ratios.sort_by(f64::total_cmp);
            let range = [ratios[0], ratios[REPEATS / 2], ratios[REPEATS - 1]];
            (median(theirs.clone()), range)
        });
        Row {
            shape,
            sealed,
            ours: median(turns.swap_remove(0)),
            theirs,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape {
            bytes,
            connections,
            in_flight,
        } = self.shape;
        let sealed = if self.sealed { "TLS" } else { "" };
        let ours = self.ours;
        write!(
            f,
            "{sealed:3} {bytes:>7}  {connections:>11}  {in_flight:>9}  {ours:>8.1}"
        )?;
        match self.theirs {
            Some((theirs, [least, middle, most])) => {
                write!(f, "  {theirs:>8.1}  {middle:.3} ({least:.3}..{most:.3})")
            }
            None => write!(f, "         -  -"),
        }
    }
}
