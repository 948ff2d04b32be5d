//! Why TLS ends a connection.

use std::fmt;

use rustls::{AlertDescription, Error};

/// Why a connection cannot go on.
#[derive(Clone, Debug, PartialEq)]
pub enum TlsError {
    /// The client began with an HTTP request, not with a handshake (server).
    PlainHttp,
    /// The server began with plain text, not with a handshake (client).
    PlainAnswer,
    /// The peer broke the protocol, or shares no version or cipher suite with us, or has no certificate that we trust. The
    /// alert is in the ciphertext.
    Failed(Error),
    /// The keys are used up (RFC 8446 §5.5).
    Exhausted,
}

impl TlsError {
    /// Whether a certificate was refused: the peer's by us, or ours by the peer. Trying again soon changes nothing.
    #[must_use]
    pub fn is_certificate(&self) -> bool {
        use AlertDescription as Alert;
        match self {
            TlsError::Failed(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => true,
            // RFC 8446 §6.2
            TlsError::Failed(Error::AlertReceived(alert)) => matches!(
                *alert,
                Alert::BadCertificate
                    | Alert::UnsupportedCertificate
                    | Alert::CertificateRevoked
                    | Alert::CertificateExpired
                    | Alert::CertificateUnknown
                    | Alert::UnknownCA
                    | Alert::AccessDenied
                    | Alert::CertificateRequired
            ),
            _ => false,
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::PlainHttp => f.write_str("plain HTTP on a port that speaks TLS"),
            TlsError::PlainAnswer => f.write_str("the server does not speak TLS on this port"),
            TlsError::Failed(error) => error.fmt(f),
            TlsError::Exhausted => f.write_str("the keys are used up"),
        }
    }
}

impl std::error::Error for TlsError {}
