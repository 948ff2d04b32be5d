use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// What is wrong with these files, without their folder.
    fn faults(&self, files: &ClientFiles<'_>) -> Vec<String> {
        let folder = format!("{}/", self.0.path().display());
        let Err(faults) = load_client(files, &mut SystemRoots::new(open_file)) else {
            return Vec::new();
        };
        let short = |fault: CertificateFault| {
            let what = fault.what.replace(&folder, "");
            let end = what.find("; allowed: ").unwrap();
            what[..end].to_owned()
        };
        faults.into_iter().map(short).collect()
    }
}

fn open_file(path: &Path) -> std::io::Result<std::fs::File> {
    crate::config::open_file(path, crate::config::Purpose::Secret)
}

fn signed(name: &str, key: &KeyPair) -> String {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.self_signed(key).unwrap().pem()
}

fn authority(name: &str) -> String {
    signed(name, &KeyPair::generate().unwrap())
}

#[test]
fn an_own_authority_and_certificate() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let ca = folder.file("ca.pem", authority("ca") + &authority("another"));
    let certificate = folder.file("me.pem", signed("me", &key));
    let key = folder.file("me.key", key.serialize_pem());
    let files = ClientFiles {
        ca: Some(&ca),
        identity: Some((&certificate, &key)),
        verify: true,
        open: &open_file,
    };
    let loaded = load_client(&files, &mut SystemRoots::new(open_file)).unwrap();
    assert_eq!(loaded.chain.len(), 1);
    assert_eq!(loaded.chain[0].names, ["me"]);
    assert!(loaded.config.client_auth_cert_resolver.has_certs());
    assert_eq!(loaded.config.alpn_protocols, [b"http/1.1"]);
}

#[test]
fn every_fault_is_found() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let certificate = folder.file("me.pem", signed("me", &key));
    let other = folder.file("other.key", KeyPair::generate().unwrap().serialize_pem());
    let empty = folder.file("empty.pem", "no section\n");
    let missing = folder.0.path().join("missing.pem");
    let identity = |certificate, key| ClientFiles {
        ca: None,
        identity: Some((certificate, key)),
        verify: false,
        open: &open_file,
    };
    assert_eq!(
        folder.faults(&identity(&certificate, &other)),
        ["private_key: other.key: not the key of the first certificate in me.pem"]
    );
    let files = ClientFiles {
        ca: Some(&empty),
        identity: Some((&missing, &certificate)),
        verify: true,
        open: &open_file,
    };
    assert_eq!(
        folder.faults(&files),
        [
            "ca: empty.pem: no certificate in it",
            "certificate: missing.pem: No such file or directory (os error 2)",
            "private_key: me.pem: no private key in it, but a certificate",
        ]
    );
}

#[test]
fn the_system_is_read_from_where_the_variables_say() {
    let folder = Folder::new();
    let one = authority("one");
    let bundle = folder.file("bundle.pem", one.clone() + &authority("two"));
    let roots = |file: Option<&Path>, folders: Option<&str>| {
        read_system(
            open_file,
            file.map(Path::as_os_str),
            folders.map(OsStr::new),
        )
        .map(|roots| roots.len())
    };
    assert_eq!(roots(Some(&bundle), None), Ok(2));

    let certs = folder.0.path().join("certs");
    fs::create_dir(&certs).unwrap();
    fs::create_dir(certs.join("folder")).unwrap();
    let file = |name: &str, text: &str| fs::write(certs.join(name), text).unwrap();
    file("one.pem", &one);
    file("12345678.0", &one);
    file("three.pem", &authority("three"));
    file("README", "no certificate");
    let folders = certs.to_str().unwrap();
    assert_eq!(roots(None, Some(folders)), Ok(2));
    assert_eq!(roots(None, Some(&format!("{folders}:{folders}"))), Ok(4));
    assert_eq!(roots(Some(&bundle), Some(folders)), Ok(4));

    let missing = folder.0.path().join("missing");
    assert_eq!(
        roots(Some(&missing), None),
        Err(format!(
            "{}: No such file or directory (os error 2)",
            missing.display()
        ))
    );
    let empty = certs.join("folder");
    assert_eq!(
        roots(None, empty.to_str()),
        Err("there are no certificates of authorities on this system".to_owned())
    );
}

#[test]
fn the_system_is_read_once() {
    let mut system = SystemRoots {
        open: open_file,
        read: Some(Err("nothing there".to_owned())),
    };
    let files = ClientFiles {
        ca: None,
        identity: None,
        verify: true,
        open: &open_file,
    };
    let faults = load_client(&files, &mut system).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].which, Which::System);
    assert!(faults[0].what.starts_with("tls: nothing there; allowed: "));
    let unverified = ClientFiles {
        verify: false,
        open: &open_file,
        ..files
    };
    assert!(load_client(&unverified, &mut system).is_ok());
}

proptest! {
    #[test]
    fn every_host_can_be_the_name_of_a_server(text in "[a-zA-Z0-9_.-]{1,20}|[0-9.]{7,15}|[0-9a-f:]{2,12}") {
        if let Ok(host) = Host::parse(&text) {
            prop_assert!(server_name(&host).is_ok(), "{}", host);
        }
    }
}
