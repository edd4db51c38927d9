//! Models that several sites share: a folder, or a bucket of an S3-compatible store.
//!
//! ```text
//! <url>/pump/<64 digits>.bellwether   a bundle under its SHA-256, never changed
//! <url>/pump/3.json                   the version: which bundle, and who signed it
//! ```
//!
//! The record of a version is written after its bundle and only where there is none yet, so a push that is cut off leaves at
//! worst a bundle that no record names, and of two sites that push the same version at once one is refused. Only signatures of
//! the same bundle are added later. What comes back is compared with its checksum and read as any bundle is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, RetryConfig,
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::bundle::{self, Bundle, BundleError, Sha256};
use crate::disk::{self, DiskError};
use crate::registry::{ModelName, Version};
use crate::signature::{Signature, SignatureText};

/// The one format of a record.
const FORMAT_VERSION: u32 = 1;

/// Most bytes of a record.
const RECORD_BYTES_MAX: u64 = 1 << 20;

/// How long a request may take: the largest bundle over a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Tries again after what may pass by itself.
const RETRIES_MAX: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// Variables of which one must be there for a bucket: nobody is asked who was not named.
const CREDENTIALS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
];

/// A store of models.
#[derive(Debug)]
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// As it was given.
    url: String,
}

/// A model that came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulled {
    /// Its version where it was pushed.
    pub version: Version,
    /// The model, read and verified.
    pub bundle: Bundle,
    /// Checksum of the bundle file.
    pub sha256: Sha256,
    /// Who signed it, as the store says. Whether they did is not asked here.
    pub signatures: Vec<Signature>,
}

/// What a push has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The version is in the store now.
    Added,
    /// It was there already; signatures may be new.
    AlreadyThere,
}

/// The record of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format_version: u32,
    /// Of the bundle.
    sha256: String,
    bytes: u64,
    signatures: Vec<SignatureText>,
}

impl Remote {
    /// The store at `s3://BUCKET/PREFIX`, `file:///FOLDER` or a folder. `environment` says who asks for a bucket (`AWS_…`); no
    /// address holds a secret.
    ///
    /// # Errors
    /// Where the address is none, or nothing says who asks.
    pub fn open(
        url: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, RemoteError> {
        let wrong = |problem: &'static str| RemoteError::Url {
            url: url.to_owned(),
            problem,
        };
        let (store, prefix): (Arc<dyn ObjectStore>, Path) = match url.split_once("://") {
            Some(("s3", _)) => {
                let parsed = Url::parse(url).map_err(|_| wrong("it is no address"))?;
                if !parsed.username().is_empty() || parsed.password().is_some() {
                    return Err(RemoteError::Secret);
                }
                let bucket = parsed.host_str().ok_or_else(|| wrong("it names no bucket"))?;
                let prefix = Path::from_url_path(parsed.path())
                    .map_err(|_| wrong("what stands behind the bucket is no prefix"))?;
                (Arc::new(bucket_of(url, bucket, environment)?), prefix)
            }
            Some(("file", _)) => {
                let folder = Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
                (
                    local(&folder.ok_or_else(|| wrong("it names no folder"))?)?,
                    Path::default(),
                )
            }
            Some(_) => return Err(wrong("only s3:// and file:// are known")),
            None if url.is_empty() => return Err(wrong("it is empty")),
            None => (local(&PathBuf::from(url))?, Path::default()),
        };
        Ok(Self {
            store,
            prefix,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// Puts a version into the store: the bytes of its bundle file, and its signatures.
    ///
    /// # Errors
    /// Where the version is there with another bundle, or the store refuses.
    pub async fn push(
        &self,
        name: &ModelName,
        version: Version,
        bundle: Vec<u8>,
        signatures: &[Signature],
    ) -> Result<Pushed, RemoteError> {
        let sha256 = Sha256::of(&bundle);
        let record = Record {
            format_version: FORMAT_VERSION,
            sha256: sha256.to_string(),
            bytes: bundle.len() as u64,
            signatures: signatures.iter().map(SignatureText::from).collect(),
        };
        // Whoever put an object of that name there put the same bytes.
        self.create(&self.bundle_path(name, &sha256), bundle).await?;
        let path = self.record_path(name, version);
        if self.create(&path, json(&record)).await? {
            return Ok(Pushed::Added);
        }
        let mut there = self.record(name, version).await?;
        if there.sha256 != record.sha256 {
            return Err(RemoteError::Taken {
                name: name.clone(),
                version,
                url: self.url.clone(),
                got: there.sha256,
                want: record.sha256,
            });
        }
        let n_before = there.signatures.len();
        for signature in record.signatures {
            if !there.signatures.contains(&signature) {
                there.signatures.push(signature);
            }
        }
        if there.signatures.len() > n_before {
            let payload = PutPayload::from(json(&there));
            let put = self.store.put(&path, payload).await;
            put.map_err(|source| self.failed("write", &path, source))?;
        }
        Ok(Pushed::AlreadyThere)
    }

    /// Fetches a version, or the newest one.
    ///
    /// # Errors
    /// Where there is none, the store refuses, or what comes back is not what was pushed.
    pub async fn pull(&self, name: &ModelName, version: Option<Version>) -> Result<Pulled, RemoteError> {
        let versions = self.versions(name).await?;
        let wanted = version.or(versions.last().copied());
        let Some(version) = wanted.filter(|version| versions.contains(version)) else {
            return Err(RemoteError::Unknown {
                wanted: version.map_or_else(|| name.to_string(), |version| format!("{name}@{version}")),
                url: self.url.clone(),
                there: versions
                    .iter()
                    .map(|version| format!("{name}@{version}"))
                    .collect(),
            });
        };
        let record = self.record(name, version).await?;
        let damaged = |problem: String| self.damaged(&self.record_path(name, version), problem);
        let want: Sha256 = record
            .sha256
            .parse()
            .map_err(|_| damaged(format!("{:?} is no SHA-256", record.sha256)))?;
        let signatures = record.signatures.iter().map(Signature::try_from);
        let signatures = signatures
            .collect::<Result<_, _>>()
            .map_err(|error| damaged(error.to_string()))?;
        let path = self.bundle_path(name, &want);
        let bytes = self.read(&path, bundle::FILE_BYTES_MAX).await?;
        let got = Sha256::of(&bytes);
        if got != want {
            return Err(RemoteError::Altered {
                place: self.place(&path),
                want,
                got,
            });
        }
        let bundle = Bundle::from_bytes(&bytes).map_err(|source| RemoteError::Bundle {
            place: self.place(&path),
            source,
        })?;
        Ok(Pulled {
            version,
            bundle,
            sha256: want,
            signatures,
        })
    }

    /// The versions of a model in the store, the oldest first.
    ///
    /// # Errors
    /// Where the store refuses.
    pub async fn versions(&self, name: &ModelName) -> Result<Vec<Version>, RemoteError> {
        let folder = self.prefix.clone().join(name.as_str());
        let listed = self.store.list_with_delimiter(Some(&folder)).await;
        let listed = listed.map_err(|source| self.failed("list", &folder, source))?;
        let version = |file: &str| file.strip_suffix(".json")?.parse::<Version>().ok();
        let files = listed
            .objects
            .iter()
            .filter_map(|object| object.location.filename());
        let mut versions: Vec<Version> = files.filter_map(version).collect();
        versions.sort();
        Ok(versions)
    }

    /// Writes an object that is not there yet, and says whether it was not.
    async fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<bool, RemoteError> {
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self.store.put_opts(path, PutPayload::from(bytes), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(self.failed("write", path, source)),
        }
    }

    async fn record(&self, name: &ModelName, version: Version) -> Result<Record, RemoteError> {
        let path = self.record_path(name, version);
        let bytes = self.read(&path, RECORD_BYTES_MAX).await?;
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|error| self.damaged(&path, error.to_string()))?;
        if record.format_version != FORMAT_VERSION {
            let problem = format!(
                "its format_version is {}, this bellwether reads {FORMAT_VERSION}: update bellwether",
                record.format_version
            );
            return Err(self.damaged(&path, problem));
        }
        Ok(record)
    }

    async fn read(&self, path: &Path, bytes_max: u64) -> Result<Vec<u8>, RemoteError> {
        let failed = |source| self.failed("read", path, source);
        let found = self.store.get(path).await.map_err(failed)?;
        if found.meta.size > bytes_max {
            let problem = format!("it is {} bytes, at most {bytes_max} are read", found.meta.size);
            return Err(self.damaged(path, problem));
        }
        Ok(found.bytes().await.map_err(failed)?.to_vec())
    }

    fn bundle_path(&self, name: &ModelName, sha256: &Sha256) -> Path {
        let file = format!("{sha256}.{}", bundle::EXTENSION);
        self.prefix.clone().join(name.as_str()).join(file)
    }

    fn record_path(&self, name: &ModelName, version: Version) -> Path {
        let file = format!("{version}.json");
        self.prefix.clone().join(name.as_str()).join(file)
    }

    /// For people: where an object is.
    fn place(&self, path: &Path) -> String {
        let below: Vec<_> = path.parts().skip(self.prefix.parts_count()).collect();
        let below: Vec<&str> = below.iter().map(AsRef::as_ref).collect();
        format!("{}/{}", self.url, below.join("/"))
    }

    fn failed(&self, doing: &'static str, path: &Path, source: object_store::Error) -> RemoteError {
        RemoteError::Store {
            doing,
            place: self.place(path),
            source,
        }
    }

    fn damaged(&self, path: &Path, problem: String) -> RemoteError {
        RemoteError::Damaged {
            place: self.place(path),
            problem,
        }
    }
}

fn json(record: &Record) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(record).expect("text always has a JSON form");
    bytes.push(b'\n');
    bytes
}

/// A folder, made where it is missing. What is written is synced.
fn local(folder: &std::path::Path) -> Result<Arc<dyn ObjectStore>, RemoteError> {
    disk::create_folder(folder)?;
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|source| RemoteError::Store {
        doing: "open",
        place: folder.display().to_string(),
        source,
    })?;
    Ok(Arc::new(store.with_fsync(true)))
}

/// A bucket. It is asked with what the environment says, as the tools of AWS do; only those variables are looked at.
fn bucket_of(
    url: &str,
    bucket: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<AmazonS3, RemoteError> {
    let mut client = ClientOptions::new()
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT);
    let mut keys = Vec::new();
    let mut has_credentials = false;
    for (name, value) in environment {
        if !name.starts_with("AWS_") || value.is_empty() {
            continue;
        }
        if name == "AWS_ALLOW_HTTP" {
            client = client.with_allow_http(value == "true");
            continue;
        }
        has_credentials |= CREDENTIALS.contains(&name.as_str());
        // Others are for other programs.
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            keys.push((key, value));
        }
    }
    if !has_credentials {
        return Err(RemoteError::NoCredentials { url: url.to_owned() });
    }
    let builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_client_options(client)
        .with_retry(RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIMEOUT,
            ..RetryConfig::default()
        });
    let builder = keys
        .into_iter()
        .fold(builder, |builder, (key, value)| builder.with_config(key, value));
    builder.build().map_err(|source| RemoteError::Store {
        doing: "open",
        place: url.to_owned(),
        source,
    })
}

/// A store of models cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The address is none.
    #[error("{url:?} is no store of models: {problem}; give a folder, file:///FOLDER or s3://BUCKET/PREFIX")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The address holds a key.
    #[error(
        "an address must hold no key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and give s3://BUCKET/PREFIX alone"
    )]
    Secret,
    /// Nothing says who asks.
    #[error(
        "{url}: nothing says who asks: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_REGION; for a store that is not \
         of AWS also AWS_ENDPOINT_URL)"
    )]
    NoCredentials {
        /// The store.
        url: String,
    },
    /// The folder cannot be made.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The store refuses.
    #[error("cannot {doing} {place}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// To what.
        place: String,
        /// Why it failed.
        source: object_store::Error,
    },
    /// There is no such version.
    #[error("there is no {wanted} in {url}; there {}", if there.is_empty() { "is none of that name".to_owned() } else { format!("are {}", there.join(", ")) })]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// The store.
        url: String,
        /// What it has.
        there: Vec<String>,
    },
    /// The version is another model there.
    #[error(
        "{url} has another {name}@{version}: {got} there, {want} here; versions are never replaced: push under another name"
    )]
    Taken {
        /// The model.
        name: ModelName,
        /// Its version.
        version: Version,
        /// The store.
        url: String,
        /// The checksum there.
        got: String,
        /// The checksum here.
        want: String,
    },
    /// The bundle is not what was pushed.
    #[error(
        "{place} is not what was pushed: its SHA-256 is {got}, wanted {want}; push the model again from where it is sound"
    )]
    Altered {
        /// The object.
        place: String,
        /// The checksum of the record.
        want: Sha256,
        /// The checksum of what came.
        got: Sha256,
    },
    /// A record or its size is not as it should be.
    #[error("{place} cannot be used: {problem}")]
    Damaged {
        /// The object.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// The bundle cannot be read.
    #[error("{place} is no sound bundle")]
    Bundle {
        /// The object.
        place: String,
        /// What is wrong.
        source: BundleError,
    },
}

#[cfg(test)]
mod tests;
