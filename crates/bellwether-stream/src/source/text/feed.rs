//! The threads that read: stdin, a file that grows, and what is read as a whole because it is binary or packed.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bellwether_store::disk::DiskError;
use bellwether_store::read::{Fate, Followed, RawRow, RawTable, ReadError, RowVisitor, Whole, is_whole};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::TextSpec;
use super::position::{Position, read_head};
use crate::source::decode::{Decoded, RawDecoder};
use crate::source::{BATCH_LEN_MAX, SourceError};

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
    /// What follows is read from its beginning to its end, and cannot be gone on with in between.
    Whole,
    /// Bytes behind those before.
    Bytes(Vec<u8>),
    /// Rows behind those before, of an input without lines.
    Rows(Decoded),
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
pub(super) fn stdin(spec: Arc<TextSpec>) -> Result<Receiver<Chunk>, SourceError> {
    spawn(spec, |feed| feed.stdin())
}

/// Follows the file at `path`, from `resume` on where that is in it. One that is read as a whole is read once.
pub(super) fn file(
    spec: Arc<TextSpec>,
    path: &Path,
    resume: Option<&str>,
) -> Result<Receiver<Chunk>, SourceError> {
    let path = path.to_owned();
    let position = resume.and_then(Position::of_json);
    spawn(spec, move |feed| {
        let follower = Follower { path: &path, feed };
        follower.follow(position.as_ref())
    })
}

fn spawn(
    spec: Arc<TextSpec>,
    read: impl FnOnce(&Feed) -> Result<(), Ended> + Send + 'static,
) -> Result<Receiver<Chunk>, SourceError> {
    let (chunks, receive) = mpsc::channel(CHUNKS_MAX);
    let source_name: Arc<str> = spec.name.as_str().into();
    let feed = Feed {
        source_name: Arc::clone(&source_name),
        spec,
        chunks,
    };
    thread::Builder::new()
        .name(format!("read {source_name}"))
        .spawn(move || {
            let last = match read(&feed) {
                Ok(()) => Chunk::End,
                Err(Ended::Failed(error)) => Chunk::Failed(error),
                Err(Ended::Unheard) => return,
            };
            // Nobody may listen any more.
            let _ = feed.chunks.blocking_send(last);
        })
        .map_err(|source| SourceError::Io {
            source_name,
            action: "start the thread that reads",
            source,
        })?;
    Ok(receive)
}

/// Why reading ends before its input does.
enum Ended {
    Failed(SourceError),
    /// Nobody listens any more.
    Unheard,
}

/// The way of a thread's bytes and rows to who waits for them.
struct Feed {
    source_name: Arc<str>,
    spec: Arc<TextSpec>,
    chunks: Sender<Chunk>,
}

impl Feed {
    fn stdin(&self) -> Result<(), Ended> {
        let mut stdin = io::stdin().lock();
        let mut head = Vec::new();
        while is_whole(&head).is_none() {
            let more = self.some(&mut stdin)?;
            if more.is_empty() {
                break;
            }
            head.extend_from_slice(&more);
        }
        if is_whole(&head) == Some(true) {
            let whole = Whole::of(self.spec.file(), head, Box::new(stdin));
            return self.whole(whole);
        }
        self.send(Chunk::Bytes(head))?;
        self.bytes(&mut stdin)
    }

    /// Reads an input from its beginning to its end.
    fn whole(&self, opened: Result<Whole, ReadError>) -> Result<(), Ended> {
        self.send(Chunk::Whole)?;
        let whole = opened.map_err(|error| self.unreadable(&error))?;
        let whole = match whole.into_text() {
            Ok(mut text) => return self.bytes(&mut text),
            Err(whole) => whole,
        };
        let mut rows = Rows {
            feed: self,
            decoder: RawDecoder::new(Arc::clone(&self.source_name)),
            decoded: Decoded::default(),
            is_heard: true,
        };
        let visited = whole.visit(&self.spec.device(), &self.spec.options(), &mut rows);
        // What is wrong comes behind the rows before it.
        rows.send();
        visited.map_err(|error| self.unreadable(&error))
    }

    fn bytes(&self, from: &mut dyn Read) -> Result<(), Ended> {
        loop {
            let bytes = self.some(from)?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.send(Chunk::Bytes(bytes))?;
        }
    }

    /// Some bytes; none at the end.
    fn some(&self, from: &mut dyn Read) -> Result<Vec<u8>, Ended> {
        let mut bytes = vec![0; CHUNK_BYTES];
        loop {
            match from.read(&mut bytes) {
                Ok(n_bytes) => {
                    bytes.truncate(n_bytes);
                    return Ok(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read its input", error)),
            }
        }
    }

    fn send(&self, chunk: Chunk) -> Result<(), Ended> {
        self.chunks.blocking_send(chunk).map_err(|_| Ended::Unheard)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> Ended {
        Ended::Failed(SourceError::Io {
            source_name: Arc::clone(&self.source_name),
            action,
            source,
        })
    }

    fn unreadable(&self, error: &ReadError) -> Ended {
        Ended::Failed(SourceError::Unusable {
            source_name: Arc::clone(&self.source_name),
            problem: error.to_string(),
        })
    }

    fn of_disk(&self, error: DiskError) -> Ended {
        self.failed("follow its file", io::Error::new(error.source.kind(), error))
    }
}

/// Takes rows of an input without lines, and hands them on as they come.
struct Rows<'a> {
    feed: &'a Feed,
    decoder: RawDecoder,
    decoded: Decoded,
    is_heard: bool,
}

impl Rows<'_> {
    fn send(&mut self) {
        if self.is_heard && self.decoded.n_messages() > 0 {
            let rows = Chunk::Rows(std::mem::take(&mut self.decoded));
            self.is_heard = self.feed.send(rows).is_ok();
        }
        self.decoded = Decoded::default();
    }
}

impl RowVisitor for Rows<'_> {
    fn table(&mut self, table: &RawTable<'_>) {
        self.decoder.table(table);
        for note in table.notes {
            tracing::info!(source = %self.feed.source_name, "{note}");
        }
    }

    fn row(&mut self, row: &RawRow<'_>) {
        self.decoder.row(row, &mut self.decoded);
        if self.decoded.n_messages() >= BATCH_LEN_MAX {
            self.send();
        }
    }

    fn pause(&mut self) -> bool {
        self.send();
        self.is_heard
    }
}

struct Follower<'a> {
    path: &'a Path,
    feed: &'a Feed,
}

impl Follower<'_> {
    fn follow(&self, position: Option<&Position>) -> Result<(), Ended> {
        let mut file = match position {
            Some(position) => self.take_up(position)?,
            None => None,
        };
        loop {
            let next = match file.take() {
                Some(before) => match self.successor(before)? {
                    Next::File(next) => Some(next),
                    Next::Whole => return self.feed.whole(Whole::open(self.path)),
                },
                None => self.of_disk(Followed::open(self.path))?,
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
        let by_id = self.of_disk(Followed::open_by_id(self.path, position.file))?;
        for candidate in [by_id, self.of_disk(Followed::open(self.path))?] {
            if let Some(mut file) = candidate
                && self.of_disk(position.is_in(&mut file))?
            {
                let n_head = position.offset.min(HEAD_BYTES_MAX) as usize;
                let head = self.of_disk(read_head(&mut file, n_head))?;
                self.of_disk(file.seek(position.offset))?;
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
        self.feed.send(Chunk::Begun(Begun {
            file: file.id(),
            offset: file.offset(),
            line,
            head,
        }))
    }

    /// Reads `file` until it has ended for good; gives what is to be read after it.
    fn successor(&self, mut file: Followed) -> Result<Next, Ended> {
        let mut n_quiet = 0;
        loop {
            let mut bytes = vec![0; CHUNK_BYTES];
            let is_first = file.offset() == 0;
            let n_bytes = self.of_disk(file.read(&mut bytes))?;
            bytes.truncate(n_bytes);
            if n_bytes > 0 && is_first {
                match is_whole(&bytes) {
                    Some(true) => return Ok(Next::Whole),
                    Some(false) => {}
                    None => {
                        // A few more bytes will say.
                        self.of_disk(file.seek(0))?;
                        bytes.clear();
                    }
                }
            }
            if !bytes.is_empty() {
                self.feed.send(Chunk::Bytes(bytes))?;
                n_quiet = 0;
                continue;
            }
            match self.of_disk(file.fate())? {
                Fate::Stays => n_quiet = 0,
                Fate::Cut => {
                    self.of_disk(file.seek(0))?;
                    return Ok(Next::File(file));
                }
                Fate::Moved if n_quiet < QUIET_LOOKS => n_quiet += 1,
                Fate::Moved => {
                    if let Some(next) = self.of_disk(Followed::open(self.path))? {
                        return Ok(Next::File(next));
                    }
                }
            }
            self.wait()?;
        }
    }

    fn wait(&self) -> Result<(), Ended> {
        if self.feed.chunks.is_closed() {
            return Err(Ended::Unheard);
        }
        thread::sleep(POLL);
        Ok(())
    }

    fn of_disk<T>(&self, result: Result<T, DiskError>) -> Result<T, Ended> {
        result.map_err(|error| self.feed.of_disk(error))
    }
}

/// What is to be read next.
enum Next {
    File(Followed),
    /// The file at the path, which has no lines.
    Whole,
}
