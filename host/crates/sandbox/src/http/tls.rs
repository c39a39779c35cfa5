//! TLS: which authorities are trusted, and the handshake.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use hardstop_domain::capability::http::Host;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wasmtime_wasi_http::Error;

use crate::config::SandboxError;

/// The only protocol that is spoken.
const PROTOCOL: &[u8] = b"http/1.1";

/// The client's side of TLS.
pub(super) struct Tls {
    extra: Vec<CertificateDer<'static>>,
    /// The system's certificates take milliseconds to read: read when the first request needs them.
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Tls {
    /// Reads the operator's certificates.
    pub(super) fn new(files: &[PathBuf]) -> Result<Self, SandboxError> {
        let mut extra = Vec::new();
        for path in files {
            let bad = |reason: String| SandboxError::Roots {
                path: path.clone(),
                reason,
            };
            let read = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| bad(error.to_string()))?;
            if read.is_empty() {
                return Err(bad("it holds no certificate".to_owned()));
            }
            for certificate in &read {
                RootCertStore::empty()
                    .add(certificate.clone())
                    .map_err(|error| bad(error.to_string()))?;
            }
            extra.extend(read);
        }
        Ok(Self {
            extra,
            config: OnceLock::new(),
        })
    }

    /// Shakes hands with a server that must have a certificate for this host.
    pub(super) async fn connect(
        &self,
        host: &Host,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let config = self
            .config
            .get_or_init(|| configure(&self.extra))
            .clone()
            .map_err(|reason| Error::InternalError(Some(reason)))?;
        let name = match host {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?
            }
        };
        TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(|error| refused(&error))
    }
}

fn configure(extra: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    // Some systems have certificates that this library cannot read; the others count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(extra.iter().cloned());
    if roots.is_empty() {
        return Err(
            "the host trusts no certificate authority: install the system's (`ca-certificates`)"
                .to_owned(),
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Arc::new(config))
}

/// What a failed handshake is to the guest.
fn refused(error: &io::Error) -> Error {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => Error::TlsAlertReceived {
            alert_id: Some(u8::from(*alert)),
            alert_message: Some(format!("{alert:?}")),
        },
        Some(_) => Error::TlsProtocolError,
        None => super::error::of_io(error),
    }
}
