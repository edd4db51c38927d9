//! Arrow IPC, batch after batch: streams, and files, which are such messages with a table of contents behind.
//!
//! Messages are taken apart here, so that no length in them is believed before the bytes are there, and those of a file
//! are found by its table of contents, for some writers leave out what a stream wants. What is in them is decoded by
//! the Arrow library (Arrow columnar format, "Serialization and Interprocess Communication").

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Block, Endianness, Message, MessageHeader, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, Schema};
use parquet::file::reader::{ChunkReader as _, Length as _};

use super::ReadOptions;
use super::batches::{self, Batches, Columns};
use super::error::{Place, Problem, ReadError};
use super::guard::{check_cells, check_unpacked, corrupt, decoded};
use super::held::Held;
use super::room::Room;
use super::series::Gather;
use super::source::Source;

/// What a file ends with.
const MAGIC: &[u8] = b"ARROW1";
/// The end of a file: the length of the table of contents before it, and the mark.
const TAIL_BYTES: u64 = 10;
/// What stands before the length of a message since version 0.15.
const CONTINUATION: u32 = u32::MAX;
/// Bytes that describe a message at most: those of a schema grow with its columns.
const METADATA_BYTES_MAX: u64 = 64 << 20;

/// Reads an Arrow IPC stream; without a series column it is the series called `name`.
pub(super) fn read_stream(
    source: Source,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let file = source.file.clone();
    each_batch_of_stream(source, options, |batches, columns| {
        batches::read(batches, columns, &file, name, options, gather)
    })
}

/// Gives the batches of an Arrow IPC stream to `read_batches`.
pub(super) fn each_batch_of_stream(
    source: Source,
    options: &ReadOptions,
    read_batches: impl FnOnce(&mut Batches<'_>, Columns) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let file = source.file.clone();
    let mut messages = Messages {
        bytes: source.bytes,
        is_ended: false,
    };
    let schema = messages
        .schema()
        .map_err(|problem| Place::file(&file).error(problem))?;
    let mut next = || messages.advance();
    each_batch(&mut next, schema, &file, options, read_batches)
}

/// The same for an Arrow IPC file.
pub(super) fn read_file(
    source: Source,
    name: &str,
    options: &ReadOptions,
    gather: &mut Gather,
) -> Result<(), ReadError> {
    let file = source.file.clone();
    each_batch_of_file(source, options, |batches, columns| {
        batches::read(batches, columns, &file, name, options, gather)
    })
}

/// Gives the batches of an Arrow IPC file to `read_batches`.
pub(super) fn each_batch_of_file(
    source: Source,
    options: &ReadOptions,
    read_batches: impl FnOnce(&mut Batches<'_>, Columns) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let file = source.file.clone();
    let in_file = |problem| Place::file(&file).error(problem);
    let held = Held::of(source)?;
    let (schema, blocks) = contents(&held).map_err(in_file)?;
    let mut blocks = blocks.into_iter();
    let room = Room::default();
    let mut next = || blocks.next().map(|block| block.framed(&held, &room)).transpose();
    each_batch(&mut next, schema, &file, options, read_batches)
}

fn each_batch(
    next: &mut dyn FnMut() -> Result<Option<Framed>, Problem>,
    schema: Schema,
    file: &Path,
    options: &ReadOptions,
    read_batches: impl FnOnce(&mut Batches<'_>, Columns) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let columns = Columns::new(&schema, file, options)?;
    let mut decoder = Decoder {
        schema: Arc::new(schema),
        dictionaries: HashMap::new(),
    };
    let mut is_broken = false;
    let mut batches = std::iter::from_fn(|| {
        if is_broken {
            return None;
        }
        let batch = decoder.next(next);
        is_broken = batch.is_err();
        batch.transpose()
    });
    read_batches(&mut batches, columns)
}

/// Where a message of a file stands.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: u64,
    n_metadata: u64,
    n_body: u64,
}

/// What the end of a file says is in it: the schema, and its messages, dictionaries first.
fn contents(held: &Held) -> Result<(Schema, Vec<Part>), Problem> {
    let n_bytes = held.len();
    let bytes = |start: Option<u64>, n: u64| {
        let start = start.ok_or_else(|| corrupt("it breaks off"))?;
        held.get_bytes(start, n as usize).map_err(corrupt)
    };
    let tail = bytes(n_bytes.checked_sub(TAIL_BYTES), TAIL_BYTES)?;
    let n_footer = match tail.split_first_chunk::<4>() {
        Some((len, mark)) if mark == MAGIC => u64::from(u32::from_le_bytes(*len)),
        _ => return Err(corrupt("it breaks off")),
    };
    let footer = bytes(n_bytes.checked_sub(TAIL_BYTES + n_footer), n_footer)?;
    let (schema, blocks) = decoded(|| {
        let footer = root_as_footer(&footer).map_err(|error| error.to_string())?;
        let schema = schema_of(footer.schema())?;
        let dictionaries = footer.dictionaries().into_iter().flatten();
        let batches = footer.recordBatches().into_iter().flatten();
        let blocks: Vec<Block> = dictionaries.chain(batches).copied().collect();
        Ok::<_, String>((schema, blocks))
    })?;
    let mut places = Vec::with_capacity(blocks.len());
    let mut n_in_all = 0_u64;
    for block in blocks {
        let number = |number: i64| u64::try_from(number).map_err(corrupt);
        let place = Part {
            start: number(block.offset())?,
            n_metadata: number(block.metaDataLength().into())?,
            n_body: number(block.bodyLength())?,
        };
        // Or a few bytes could be read any number of times.
        n_in_all = n_in_all
            .saturating_add(place.n_metadata)
            .saturating_add(place.n_body);
        if n_in_all > n_bytes {
            return Err(corrupt("its parts are more than the whole"));
        }
        places.push(place);
    }
    Ok((schema, places))
}

impl Part {
    fn framed(self, held: &Held, room: &Room) -> Result<Framed, Problem> {
        let bytes = |start: u64, n: u64| {
            held.part(start, n as usize, |n_bytes| room.of(n_bytes))
                .map_err(corrupt)
        };
        let metadata = bytes(self.start, self.n_metadata)?;
        // Its length stands before it, behind a mark since version 0.15.
        let n_before = match metadata.first_chunk::<4>() {
            Some(mark) if u32::from_le_bytes(*mark) == CONTINUATION => 8,
            _ => 4,
        };
        let metadata = metadata.get(n_before..).ok_or_else(|| corrupt("it breaks off"))?;
        let body = bytes(self.start.saturating_add(self.n_metadata), self.n_body)?;
        Ok(Framed {
            metadata: metadata.to_vec(),
            // Nobody else has the bytes of a file: they are taken over, not copied.
            body: aligned(body.into()),
        })
    }
}

fn schema_of(schema: Option<arrow_ipc::Schema<'_>>) -> Result<Schema, String> {
    let schema = schema.ok_or("it has no schema")?;
    if schema.endianness() != Endianness::Little {
        return Err("its numbers are big-endian".to_owned());
    }
    Ok(fb_to_schema(schema))
}

/// Messages one after the other.
struct Messages {
    bytes: Box<dyn Read>,
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
        let first = self.advance()?.ok_or(Problem::Empty)?;
        decoded(|| {
            let message = root_as_message(&first.metadata).map_err(|error| error.to_string())?;
            schema_of(message.header_as_schema())
        })
    }

    /// The next message; `None` behind the last.
    fn advance(&mut self) -> Result<Option<Framed>, Problem> {
        if self.is_ended {
            return Ok(None);
        }
        let mut len = self.number()?.unwrap_or(0);
        if len == CONTINUATION {
            len = self.number()?.ok_or_else(|| corrupt("it breaks off"))?;
        }
        if len == 0 {
            self.is_ended = true;
            return Ok(None);
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

/// The bytes where numbers of any width may be read in place.
fn aligned(bytes: Vec<u8>) -> Buffer {
    if bytes.as_ptr().align_offset(16) == 0 {
        return bytes.into();
    }
    let mut buffer = MutableBuffer::new(bytes.len());
    buffer.extend_from_slice(&bytes);
    buffer.into()
}

/// Makes batches of messages.
struct Decoder {
    schema: Arc<Schema>,
    dictionaries: HashMap<i64, ArrayRef>,
}

impl Decoder {
    fn next(
        &mut self,
        next: &mut dyn FnMut() -> Result<Option<Framed>, Problem>,
    ) -> Result<Option<RecordBatch>, Problem> {
        while let Some(framed) = next()? {
            if let Some(batch) = self.decode(&framed)? {
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
        let (Ok(start), Ok(len)) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()))
        else {
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
