//! Arrow IPC, batch after batch: streams, and files, which are a stream between two marks and a table of contents.
//!
//! The messages are taken apart here, so that no length in them is believed before the bytes are there; what is in them
//! is decoded by the Arrow library (Arrow columnar format, "Serialization and Interprocess Communication").

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Endianness, Message, MessageHeader, root_as_message};
use arrow_schema::{ArrowError, Schema};

use super::ReadOptions;
use super::batches::{self, Columns};
use super::error::{Place, Problem, ReadError};
use super::guard::{check_cells, check_unpacked, corrupt, decoded};
use super::series::Gather;
use super::source::Source;

/// What a file begins and ends with.
const MAGIC: &[u8] = b"ARROW1";
/// The beginning of a file, padded.
const FILE_HEAD_BYTES: u64 = 8;
/// Words of padding behind it at most.
const PADDING_WORDS_MAX: usize = 16;
/// The end of a file: the length of the table of contents before it, and the mark.
const TAIL_BYTES: u64 = 10;
/// What stands before the length of a message since version 0.15.
const CONTINUATION: u32 = u32::MAX;
/// Bytes that describe a message at most: those of a schema grow with its columns.
const METADATA_BYTES_MAX: u64 = 64 << 20;

/// Reads Arrow IPC; without a series column it is the series called `name`.
pub(super) fn read(
    source: Source,
    is_file: bool,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let file = source.file.clone();
    let in_file = |problem| Place::file(&file).error(problem);
    let mut messages = Messages {
        bytes: source.bytes,
        is_file,
        is_begun: false,
        is_ended: false,
    };
    let schema = messages.schema().map_err(in_file)?;
    let columns = Columns::new(&schema, &file, options)?;
    let mut stream = Stream {
        messages,
        schema: Arc::new(schema),
        dictionaries: HashMap::new(),
    };
    let mut batches = std::iter::from_fn(|| stream.next().transpose());
    batches::read(&mut batches, columns, &file, name, options, gather)
}

/// Messages one after the other.
struct Messages {
    bytes: Box<dyn Read>,
    is_file: bool,
    is_begun: bool,
    is_ended: bool,
}

/// A message: what describes it, and the bytes that it describes.
struct Framed {
    metadata: Vec<u8>,
    body: Buffer,
}

impl Messages {
    /// The schema, which is the first message.
    fn schema(&mut self) -> Result<Schema, Problem> {
        if self.is_file {
            let mut head = Vec::new();
            self.bytes
                .by_ref()
                .take(FILE_HEAD_BYTES)
                .read_to_end(&mut head)
                .map_err(Problem::of_io)?;
        }
        let first = self.advance()?.ok_or(Problem::Empty)?;
        decoded(|| {
            let message = root_as_message(&first.metadata).map_err(|error| error.to_string())?;
            let schema = message.header_as_schema().ok_or("it does not begin with a schema")?;
            if schema.endianness() != Endianness::Little {
                return Err("its numbers are big-endian".to_owned());
            }
            Ok(fb_to_schema(schema))
        })
    }

    /// The next message; `None` behind the last.
    fn advance(&mut self) -> Result<Option<Framed>, Problem> {
        if self.is_ended {
            return Ok(None);
        }
        let Some(mut len) = self.number()? else {
            return self.end(0);
        };
        // Some writers pad the mark of a file further than to eight bytes.
        for _ in 0..PADDING_WORDS_MAX {
            if self.is_file && !self.is_begun && len == 0 {
                len = self.number()?.unwrap_or(0);
            }
        }
        self.is_begun = true;
        if len == CONTINUATION {
            len = self.number()?.ok_or_else(|| corrupt("it breaks off"))?;
        } else if self.is_file && len != 0 {
            // Some writers of files leave the end of the stream out: this is the table of contents.
            return self.end(4);
        }
        if len == 0 {
            return self.end(0);
        }
        if u64::from(len) > METADATA_BYTES_MAX {
            return Err(corrupt(format!("a message begins with {len} bytes about itself")));
        }
        let mut metadata = Vec::new();
        self.fill(len.into(), &mut metadata)?;
        let body_len = decoded(|| root_as_message(&metadata).map(|message| message.bodyLength()))?;
        let body_len = u64::try_from(body_len).map_err(corrupt)?;
        let mut body = Vec::new();
        self.fill(body_len, &mut body)?;
        Ok(Some(Framed {
            metadata,
            body: aligned(body),
        }))
    }

    /// Behind the last message: of a file, its table of contents and its mark must be there, of which `n_read` bytes
    /// have been read.
    fn end<T>(&mut self, n_read: u64) -> Result<Option<T>, Problem> {
        self.is_ended = true;
        if self.is_file {
            let mut last = Tail::default();
            let n_more = io::copy(&mut self.bytes, &mut last).map_err(Problem::of_io)?;
            let n_contents = last.0.first_chunk::<4>().map(|len| u64::from(u32::from_le_bytes(*len)));
            let is_whole = last.0.ends_with(MAGIC) && n_contents == (n_read + n_more).checked_sub(TAIL_BYTES);
            if !is_whole {
                return Err(corrupt("it breaks off"));
            }
        }
        Ok(None)
    }

    /// A 32-bit number; `None` at the end.
    fn number(&mut self) -> Result<Option<u32>, Problem> {
        let mut bytes = Vec::new();
        self.bytes
            .by_ref()
            .take(4)
            .read_to_end(&mut bytes)
            .map_err(Problem::of_io)?;
        match <[u8; 4]>::try_from(bytes.as_slice()) {
            Ok(number) => Ok(Some(u32::from_le_bytes(number))),
            Err(_) if bytes.is_empty() => Ok(None),
            Err(_) => Err(corrupt("it breaks off")),
        }
    }

    /// Appends the next `n_bytes`; room is made as they come.
    fn fill(&mut self, n_bytes: u64, out: &mut Vec<u8>) -> Result<(), Problem> {
        let n_read = self
            .bytes
            .by_ref()
            .take(n_bytes)
            .read_to_end(out)
            .map_err(Problem::of_io)?;
        if (n_read as u64) < n_bytes {
            return Err(corrupt("it breaks off"));
        }
        Ok(())
    }
}

/// The last bytes of what is written to it.
#[derive(Default)]
struct Tail(Vec<u8>);

impl io::Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES as usize)..]);
        let n_over = self.0.len().saturating_sub(TAIL_BYTES as usize);
        self.0.drain(..n_over);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes where numbers of any width may be read in place.
fn aligned(bytes: Vec<u8>) -> Buffer {
    if bytes.as_ptr().align_offset(16) == 0 {
        return bytes.into();
    }
    let mut buffer = MutableBuffer::new(bytes.len());
    buffer.extend_from_slice(&bytes);
    buffer.into()
}

/// Batches one after the other.
struct Stream {
    messages: Messages,
    schema: Arc<Schema>,
    dictionaries: HashMap<i64, ArrayRef>,
}

impl Stream {
    fn next(&mut self) -> Result<Option<RecordBatch>, Problem> {
        while let Some(framed) = self.messages.advance()? {
            let next = self.decode(&framed);
            if next.is_err() {
                self.messages.is_ended = true;
            }
            if let Some(batch) = next? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// A batch, or what it refers to.
    fn decode(&mut self, framed: &Framed) -> Result<Option<RecordBatch>, Problem> {
        let message = decoded(|| root_as_message(&framed.metadata))?;
        check(&message, &framed.body, self.schema.fields().len())?;
        decoded(|| match message.header_type() {
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or_else(no_header)?;
                read_record_batch(
                    &framed.body,
                    batch,
                    self.schema.clone(),
                    &self.dictionaries,
                    None,
                    &message.version(),
                )
                .map(Some)
            }
            MessageHeader::DictionaryBatch => {
                let batch = message.header_as_dictionary_batch().ok_or_else(no_header)?;
                read_dictionary(
                    &framed.body,
                    batch,
                    &self.schema,
                    &mut self.dictionaries,
                    &message.version(),
                )
                .map(|()| None)
            }
            MessageHeader::NONE => Ok(None),
            other => Err(ArrowError::IpcError(format!("a message is {other:?}"))),
        })
    }
}

fn no_header() -> ArrowError {
    ArrowError::IpcError("a message is not what it says".to_owned())
}

/// Refuses a batch that is small and would fill the memory.
fn check(message: &Message<'_>, body: &Buffer, n_columns: usize) -> Result<(), Problem> {
    let batch = message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch()?.data());
    let Some(batch) = batch else {
        return Ok(());
    };
    let n_rows = u64::try_from(batch.length()).map_err(corrupt)?;
    check_cells(n_rows, n_columns, body.len() as u64)?;
    let mut n_unpacked = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let (Ok(start), Ok(len)) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length())) else {
            return Err(corrupt("a buffer has a negative place"));
        };
        let bytes = start.checked_add(len).and_then(|end| body.get(start..end));
        let bytes = bytes.ok_or_else(|| corrupt("a buffer reaches beyond its message"))?;
        // In front of packed bytes stands how many they are unpacked; -1 where they are not packed after all.
        if let (Some(_), Some(size)) = (batch.compression(), bytes.first_chunk::<8>()) {
            let size = i64::from_le_bytes(*size);
            if size < -1 {
                return Err(corrupt("a buffer has a negative size"));
            }
            n_unpacked = n_unpacked.saturating_add(u64::try_from(size).unwrap_or(0));
        }
    }
    check_unpacked(body.len() as u64, n_unpacked)
}
