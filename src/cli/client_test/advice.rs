//! What to try when a step has failed.

use rustls::{AlertDescription, CertificateError, Error};

use crate::conn::event::{CloseReason, Refusal};
use crate::conn::tls::TlsError;

use super::report::StepFailure;

/// What to try when the server ends a connection that it had accepted.
pub(super) const LOG: &str =
    "the log of the server, because it accepted the connection and then ended it";

/// The connection ended early.
pub(super) fn of_end(reason: &CloseReason<'_>, tls: bool) -> StepFailure {
    let advice = match reason {
        CloseReason::Refused(refusal) => of_refusal(refusal, tls),
        CloseReason::Tls => "again; the answer was altered on its way, or is not TLS".to_owned(),
        CloseReason::Failed(_) => "another server, because this one breaks the protocol".to_owned(),
        _ => LOG.to_owned(),
    };
    StepFailure {
        cause: reason.to_string(),
        advice,
        timed_out: false,
    }
}

fn of_refusal(refusal: &Refusal<'_>, tls: bool) -> String {
    match refusal {
        Refusal::Status {
            status, location, ..
        } => of_status(*status, *location),
        Refusal::Handshake(_) => {
            "another server or proxy, because this one does not follow RFC 6455".to_owned()
        }
        Refusal::Malformed { .. } if tls => {
            "another port, because no web server answers on this one".to_owned()
        }
        Refusal::Malformed { .. } | Refusal::Eof if !tls => {
            "wss://, if the server wants TLS there; or another port".to_owned()
        }
        Refusal::Tls(error) => of_tls(error),
        _ => LOG.to_owned(),
    }
}

fn of_status(status: u16, location: Option<&str>) -> String {
    match (status, location) {
        (300..=399, Some(location)) => {
            let location = location.escape_debug();
            format!("{location} instead of this URL, with ws for http")
        }
        (401, _) => "another user name and password: user:password@ in the URL, or basic in [[client]]".to_owned(),
        (403, _) => "credentials, if the server has users; another path; or an Origin that it allows, by headers in [[client]]".to_owned(),
        (400..=499, _) if status != 429 && status != 426 => {
            "another path and query (parameters in [[client]])".to_owned()
        }
        (429 | 503, _) => "again, a while later".to_owned(),
        (500..=599, _) => "the log of the server, or of the proxy before it".to_owned(),
        _ => "another path, because the server does not offer a WebSocket on this one".to_owned(),
    }
}

/// What to try after a TLS error.
pub(super) fn of_tls(error: &TlsError) -> String {
    match error {
        TlsError::PlainAnswer => "ws:// instead of wss://, or another port".to_owned(),
        TlsError::Failed(Error::InvalidCertificate(error)) => of_certificate(error),
        TlsError::Failed(Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown,
        )) if error.is_certificate() => {
            "certificate and private_key in [client.trust], issued by an authority that the server trusts".to_owned()
        }
        TlsError::Failed(Error::AlertReceived(AlertDescription::UnrecognisedName)) => {
            "another host, because the server does not know this name".to_owned()
        }
        _ => "another port, or a newer server: TLS 1.2 and 1.3 are spoken here".to_owned(),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "ca in [client.trust], naming the authority of the server's certificate; or verify = false there, which trusts anybody"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "one of the names that the certificate is for as the host"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "a new certificate on the server; or the clock of this machine, if it is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the clock of this machine, if it is wrong"
        }
        CertificateError::Other(_) => {
            "a certificate on the server that is not that of an authority itself; or verify = false in [client.trust], which trusts anybody"
        }
        _ => "a new certificate on the server",
    }
    .to_owned()
}
