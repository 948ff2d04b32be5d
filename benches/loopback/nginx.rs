//! nginx with its own configuration, for comparison: one process, no access log, sendfile, and the rest as
//! Debian has it.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::peer::PATIENCE;
use super::system::Pid;

pub(crate) struct Nginx {
    child: Child,
}

impl Nginx {
    /// What is installed calls itself so; `None`: nothing is.
    pub(crate) fn version() -> Option<String> {
        let output = Command::new("nginx").arg("-v").output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr);
        Some(text.trim().rsplit(' ').next()?.to_owned())
    }

    /// Serves `folder`/www, with the certificate that is in `folder`.
    pub(crate) fn start(folder: &Path, plain: SocketAddr, tls: SocketAddr) -> Nginx {
        let here = folder.display();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log stderr error;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n\
             types {{ }}\ndefault_type application/octet-stream;\n\
             access_log off;\nsendfile on;\ntcp_nopush on;\nkeepalive_requests 1000000000;\n\
             client_body_temp_path {here}/1;\nproxy_temp_path {here}/2;\nfastcgi_temp_path {here}/3;\n\
             uwsgi_temp_path {here}/4;\nscgi_temp_path {here}/5;\n\
             ssl_certificate {here}/cert.pem;\nssl_certificate_key {here}/key.pem;\n\
             server {{ listen {plain}; listen {tls} ssl; root {here}/www; }}\n\
             }}\n"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, text).expect("a configuration");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts");
        wait_for(plain);
        Nginx { child }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::try_from(self.child.id()).expect("a pid")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a server accepts.
pub(crate) fn wait_for(address: SocketAddr) {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "nothing listens at {address}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
