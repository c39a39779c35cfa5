//! TLS of this host's own requests: to servers, and to receivers of events.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// A client's side, with the authorities that the system trusts.
pub(crate) fn config() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    // Some systems have certificates that this library cannot read; the others count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "this system trusts no certificate authority: install them (`ca-certificates`)"
                .to_owned(),
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
