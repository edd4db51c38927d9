//! TLS of a server: 1.3, and certificates that are read again when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bellwether_store::disk::{self, DiskError};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::source::Stop;

/// Bytes of a file of certificates at most.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where certificate and key stand, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and an authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// TLS 1.2 is spoken, too, for old clients.
    pub with_tls_1_2: bool,
}

impl TlsFiles {
    /// Looks whether they can be used.
    ///
    /// # Errors
    /// [`TlsError`] where they cannot.
    pub fn check(&self) -> Result<(), TlsError> {
        read(self).map(drop)
    }
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A file is not what it should be.
    #[error("{}: {problem}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Certificate and key do not go together.
    #[error("{} and {} cannot be used together", cert.display(), key.display())]
    Pair {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// What the library says.
        #[source]
        source: rustls::Error,
    },
}

/// The certificate in use; clones see it change.
#[derive(Debug, Clone)]
pub struct Tls(watch::Receiver<Arc<ServerConfig>>);

impl Tls {
    /// Reads the files, and again whenever they change, until `stop` is told. Files that cannot be used leave the old
    /// certificate in place.
    ///
    /// # Errors
    /// [`TlsError`] where the files cannot be used now.
    pub fn start(files: TlsFiles, mut stop: Stop) -> Result<Self, TlsError> {
        // Before they are read: what is written meanwhile is a change.
        let mut seen = changed_at(&files);
        let (set, config) = watch::channel(Arc::new(read(&files)?));
        let mut told = seen;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = stop.told() => return,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                let now = changed_at(&files);
                if now == seen {
                    continue;
                }
                match read(&files) {
                    Ok(config) => {
                        seen = now;
                        set.send_replace(Arc::new(config));
                        tracing::info!(cert = %files.cert.display(), "a new certificate is in use");
                    }
                    // Half of a pair may have been replaced: it is tried again, and told of once.
                    Err(error) if now != told => {
                        told = now;
                        tracing::warn!(error = %crate::chain(&error), "the old certificate stays in use");
                    }
                    Err(_) => {}
                }
            }
        });
        Ok(Self(config))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.borrow()))
    }
}

fn changed_at(files: &TlsFiles) -> [Option<SystemTime>; 2] {
    [&files.cert, &files.key].map(|path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok())
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let (cert, key) = (
        disk::read_bounded(&files.cert, PEM_BYTES_MAX)?,
        disk::read_bounded(&files.key, PEM_BYTES_MAX)?,
    );
    let wrong = |path: &Path, problem: String| TlsError::Pem {
        path: path.to_path_buf(),
        problem,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&cert)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(&files.cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(&files.cert, "there is no certificate in it".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| wrong(&files.key, format!("there is no private key in it: {error}")))?;
    let versions: &[&rustls::SupportedProtocolVersion] = if files.with_tls_1_2 {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    } else {
        &[&rustls::version::TLS13]
    };
    let pair = |source| TlsError::Pair {
        cert: files.cert.clone(),
        key: files.key.clone(),
        source,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
