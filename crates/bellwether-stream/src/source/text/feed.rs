//! The threads that read: stdin, and a file that grows.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bellwether_store::disk::DiskError;
use bellwether_store::read::{Fate, Followed};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::position::{Position, read_head};
use crate::source::SourceError;

/// Bytes read at once.
const CHUNK_BYTES: usize = 1 << 16;

/// Chunks read ahead.
const CHUNKS_MAX: usize = 4;

/// How often a file is looked at.
const POLL: Duration = Duration::from_millis(100);

/// For how many looks a file that was renamed must be quiet until its successor is begun: who writes it may need a
/// moment to notice.
const QUIET_LOOKS: u32 = 10;

/// Bytes of a file that are read again to know what its columns are for.
const HEAD_BYTES_MAX: u64 = 1 << 20;

/// What a thread has read.
#[derive(Debug)]
pub(super) enum Chunk {
    /// A file begins, or is gone on with.
    Begun(Begun),
    /// Bytes behind those before.
    Bytes(Vec<u8>),
    /// There is no more.
    End,
    /// Reading failed.
    Failed(SourceError),
}

/// Where a file begins.
#[derive(Debug)]
pub(super) struct Begun {
    /// The file, as the file system numbers it.
    pub(super) file: u64,
    /// Bytes and lines that were read before.
    pub(super) offset: u64,
    pub(super) line: u64,
    /// The first of these bytes.
    pub(super) head: Vec<u8>,
}

/// Reads stdin to its end.
pub(super) fn stdin(name: &Arc<str>) -> Result<Receiver<Chunk>, SourceError> {
    let source_name = name.clone();
    spawn(name, move |chunks| {
        let mut stdin = io::stdin().lock();
        loop {
            let mut bytes = vec![0; CHUNK_BYTES];
            let chunk = match stdin.read(&mut bytes) {
                Ok(0) => Chunk::End,
                Ok(n_bytes) => {
                    bytes.truncate(n_bytes);
                    Chunk::Bytes(bytes)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => Chunk::Failed(SourceError::Io {
                    source_name: source_name.clone(),
                    action: "read standard input",
                    source,
                }),
            };
            let is_last = !matches!(chunk, Chunk::Bytes(_));
            if chunks.blocking_send(chunk).is_err() || is_last {
                return;
            }
        }
    })
}

/// Follows the file at `path`, from `resume` on where that is in it.
pub(super) fn file(
    name: &Arc<str>,
    path: &Path,
    resume: Option<&str>,
) -> Result<Receiver<Chunk>, SourceError> {
    let (source_name, path) = (name.clone(), path.to_owned());
    let position = resume.and_then(Position::of_json);
    spawn(name, move |chunks| {
        let follower = Follower {
            path: &path,
            chunks: &chunks,
        };
        if let Err(Ended::Failed(error)) = follower.follow(position.as_ref()) {
            // Nobody may listen any more.
            let _ = chunks.blocking_send(Chunk::Failed(SourceError::Io {
                source_name,
                action: "follow its file",
                source: io::Error::new(error.source.kind(), error),
            }));
        }
    })
}

fn spawn(
    name: &Arc<str>,
    read: impl FnOnce(Sender<Chunk>) + Send + 'static,
) -> Result<Receiver<Chunk>, SourceError> {
    let (send, chunks) = mpsc::channel(CHUNKS_MAX);
    thread::Builder::new()
        .name(format!("read {name}"))
        .spawn(move || read(send))
        .map_err(|source| SourceError::Io {
            source_name: name.clone(),
            action: "start the thread that reads",
            source,
        })?;
    Ok(chunks)
}

/// Why following ends.
enum Ended {
    Failed(DiskError),
    /// Nobody listens any more.
    Unheard,
}

impl From<DiskError> for Ended {
    fn from(error: DiskError) -> Self {
        Self::Failed(error)
    }
}

struct Follower<'a> {
    path: &'a Path,
    chunks: &'a Sender<Chunk>,
}

impl Follower<'_> {
    fn follow(&self, position: Option<&Position>) -> Result<(), Ended> {
        let mut file = match position {
            Some(position) => self.take_up(position)?,
            None => None,
        };
        loop {
            let next = match file.take() {
                Some(before) => Some(self.successor(before)?),
                None => Followed::open(self.path)?,
            };
            match &next {
                Some(next) => self.begin(next, 0, Vec::new())?,
                None => self.wait()?,
            }
            file = next;
        }
    }

    /// The file where the last run stopped, as it is called now.
    fn take_up(&self, position: &Position) -> Result<Option<Followed>, Ended> {
        let by_id = Followed::open_by_id(self.path, position.file)?;
        for candidate in [by_id, Followed::open(self.path)?] {
            if let Some(mut file) = candidate
                && position.is_in(&mut file)?
            {
                let n_head = position.offset.min(HEAD_BYTES_MAX) as usize;
                let head = read_head(&mut file, n_head)?;
                file.seek(position.offset)?;
                self.begin(&file, position.line, head)?;
                return Ok(Some(file));
            }
        }
        tracing::warn!(
            path = %self.path.display(),
            "the file that was read last is gone; reading begins at the start of the one that is there"
        );
        Ok(None)
    }

    fn begin(&self, file: &Followed, line: u64, head: Vec<u8>) -> Result<(), Ended> {
        self.send(Chunk::Begun(Begun {
            file: file.id(),
            offset: file.offset(),
            line,
            head,
        }))
    }

    /// Reads `file` until it has ended for good; gives what is to be read after it.
    fn successor(&self, mut file: Followed) -> Result<Followed, Ended> {
        let mut n_quiet = 0;
        loop {
            let mut bytes = vec![0; CHUNK_BYTES];
            let n_bytes = file.read(&mut bytes)?;
            if n_bytes > 0 {
                bytes.truncate(n_bytes);
                self.send(Chunk::Bytes(bytes))?;
                n_quiet = 0;
                continue;
            }
            match file.fate()? {
                Fate::Stays => n_quiet = 0,
                Fate::Cut => {
                    file.seek(0)?;
                    return Ok(file);
                }
                Fate::Moved if n_quiet < QUIET_LOOKS => n_quiet += 1,
                Fate::Moved => {
                    if let Some(next) = Followed::open(self.path)? {
                        return Ok(next);
                    }
                }
            }
            self.wait()?;
        }
    }

    fn wait(&self) -> Result<(), Ended> {
        if self.chunks.is_closed() {
            return Err(Ended::Unheard);
        }
        thread::sleep(POLL);
        Ok(())
    }

    fn send(&self, chunk: Chunk) -> Result<(), Ended> {
        self.chunks.blocking_send(chunk).map_err(|_| Ended::Unheard)
    }
}
