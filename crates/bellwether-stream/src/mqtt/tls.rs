//! Whom we trust and who we are, on an encrypted line to a broker.

use std::path::Path;
use std::sync::Arc;

use bellwether_store::disk::read_bounded;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{Broker, BrokerError};

/// Bytes of a file of certificates at most: all public authorities together are a quarter of it.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// TLS 1.2 or 1.3, by ring, with the broker's certificate checked against `ca_file` or the system's authorities.
///
/// # Errors
/// Where a file cannot be read or does not hold what its option says.
pub(super) fn client_config(broker: &Broker) -> Result<Arc<ClientConfig>, BrokerError> {
    let roots = match &broker.ca_file {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the ciphers of TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let config = match &broker.client_cert {
        None => builder.with_no_client_auth(),
        Some((cert_path, key_path)) => {
            let certs = certificates("client_cert", cert_path)?;
            let key = PrivateKeyDer::from_pem_slice(&bytes("client_key", key_path)?)
                .map_err(|_| content("client_key", key_path, "it holds no private key (PEM)"))?;
            builder
                .with_client_auth_cert(certs, key)
                .map_err(|error| content("client_cert", cert_path, &error.to_string()))?
        }
    };
    Ok(Arc::new(config))
}

fn roots_of(path: &Path) -> Result<RootCertStore, BrokerError> {
    let mut roots = RootCertStore::empty();
    let (_, n_unusable) = roots.add_parsable_certificates(certificates("ca_file", path)?);
    if roots.is_empty() {
        let problem = format!("none of its {n_unusable} certificates can be used");
        return Err(content("ca_file", path, &problem));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, BrokerError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // One broken file among a hundred and fifty is no reason to trust nobody.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let problem = match found.errors.first() {
            Some(error) => error.to_string(),
            None => "none found".to_owned(),
        };
        return Err(BrokerError::NoSystemRoots { problem });
    }
    Ok(roots)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BrokerError> {
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(key, path)?).collect();
    match certs {
        Ok(certs) if !certs.is_empty() => Ok(certs),
        Ok(_) => Err(content(key, path, "it holds no certificate (PEM)")),
        Err(error) => Err(content(key, path, &error.to_string())),
    }
}

fn bytes(key: &'static str, path: &Path) -> Result<Vec<u8>, BrokerError> {
    read_bounded(path, PEM_BYTES_MAX).map_err(|source| BrokerError::File { key, source })
}

fn content(key: &'static str, path: &Path, problem: &str) -> BrokerError {
    BrokerError::Content {
        key,
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}
