//! From chunks of bytes to batches.

use std::collections::VecDeque;
use std::sync::Arc;

use bellwether_store::read::{ReadError, foreign_to_lines};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::TextSpec;
use super::feed::{Begun, Chunk};
use super::form::Form;
use super::lines::Lines;
use super::position::{PRINT_BYTES, Position};
use crate::arrival::{Batch, Inlet, Receipt};
use crate::clock;
use crate::source::decode::Decoded;
use crate::source::{BATCH_LEN_MAX, SourceError, Stop};

/// Batches that may wait for their receipts.
const UNACKNOWLEDGED_MAX: usize = 8;

/// Reads `chunks` to their end, or until `stop` is told.
pub(super) async fn read(
    name: Arc<str>,
    spec: Arc<TextSpec>,
    mut chunks: Receiver<Chunk>,
    inlet: Inlet,
    mut stop: Stop,
) -> Result<(), SourceError> {
    let mut reading = Reading::new(name, spec);
    let mut out = Out {
        inlet,
        stop: stop.clone(),
        unacknowledged: VecDeque::new(),
    };
    loop {
        let chunk = tokio::select! {
            biased;
            () = stop.told() => return Ok(()),
            chunk = chunks.recv() => chunk,
        };
        let is_end = match chunk {
            Some(Chunk::Bytes(bytes)) => {
                reading.bytes(&bytes)?;
                false
            }
            Some(Chunk::Begun(begun)) => {
                reading.begin(begun)?;
                false
            }
            Some(Chunk::Whole) => {
                reading.begin_whole()?;
                false
            }
            Some(Chunk::Rows(rows)) => {
                reading.full.extend(rows.into_batches().map(|rows| (rows, None)));
                false
            }
            Some(Chunk::End) => {
                reading.end()?;
                true
            }
            Some(Chunk::Failed(error)) => return Err(error),
            None => return Ok(()),
        };
        // What is there goes out at once: more may be long in coming.
        if is_end || chunks.is_empty() || reading.has_whole_batch() {
            for (decoded, position) in reading.take() {
                if out.send(&reading.name, decoded, position).await.is_err() {
                    return Ok(());
                }
            }
        }
        if is_end {
            out.all_acknowledged().await;
            return Ok(());
        }
    }
}

/// One input being read.
struct Reading {
    name: Arc<str>,
    spec: Arc<TextSpec>,
    lines: Lines,
    form: Form,
    /// Bytes that ended up in lines, and those not decoded yet among them.
    n_line_bytes: u64,
    /// The file and its first bytes; `None`: it is no file.
    file: Option<(u64, Vec<u8>)>,
    is_looked_at: bool,
    decoded: Decoded,
    /// Batches that are full, each with the position behind it.
    full: Vec<(Decoded, Option<String>)>,
}

impl Reading {
    fn new(name: Arc<str>, spec: Arc<TextSpec>) -> Self {
        Self {
            form: Form::new(name.clone(), spec.clone()),
            name,
            spec,
            lines: Lines::default(),
            n_line_bytes: 0,
            file: None,
            is_looked_at: false,
            decoded: Decoded::default(),
            full: Vec::new(),
        }
    }

    fn begin(&mut self, begun: Begun) -> Result<(), SourceError> {
        // Of a file before this one no more will come: what is left of it is its last line.
        self.end()?;
        self.form = Form::new(self.name.clone(), self.spec.clone());
        self.n_line_bytes = begun.offset;
        self.is_looked_at = begun.offset > 0;
        if begun.offset > 0 {
            self.form.go_on_behind(begun.line, &begun.head);
        }
        let mut head = begun.head;
        head.truncate(PRINT_BYTES);
        self.file = Some((begun.file, head));
        Ok(())
    }

    /// What follows has no place to go on at.
    fn begin_whole(&mut self) -> Result<(), SourceError> {
        self.end()?;
        self.form = Form::new(self.name.clone(), self.spec.clone());
        (self.n_line_bytes, self.is_looked_at, self.file) = (0, false, None);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        if !self.is_looked_at {
            self.is_looked_at = true;
            self.refuse_foreign(bytes)?;
        }
        if let Some((_, head)) = &mut self.file {
            let n_wanted = PRINT_BYTES - head.len();
            head.extend_from_slice(&bytes[..bytes.len().min(n_wanted)]);
        }
        let mut lines = std::mem::take(&mut self.lines);
        let result = lines.cut(bytes, |line| {
            self.n_line_bytes += line.n_bytes() as u64;
            let result = self.form.line(line, &mut self.decoded);
            if self.decoded.n_messages() >= BATCH_LEN_MAX {
                self.cut_batch();
            }
            result
        });
        self.lines = lines;
        result.map_err(|error| self.unreadable(&error))
    }

    fn end(&mut self) -> Result<(), SourceError> {
        let mut lines = std::mem::take(&mut self.lines);
        lines
            .end(|line| {
                self.n_line_bytes += line.n_bytes() as u64;
                self.form.line(line, &mut self.decoded)
            })
            .and_then(|()| self.form.end(&mut self.decoded))
            .map_err(|error| self.unreadable(&error))?;
        if self.decoded.n_messages() > 0 {
            self.cut_batch();
        }
        Ok(())
    }

    fn has_whole_batch(&self) -> bool {
        !self.full.is_empty()
    }

    /// What can be sent, in order.
    fn take(&mut self) -> Vec<(Decoded, Option<String>)> {
        if self.decoded.n_messages() > 0 {
            self.cut_batch();
        }
        std::mem::take(&mut self.full)
    }

    /// Puts what is decoded into batches. Only behind the last of them does the position lie: one line may fill several.
    fn cut_batch(&mut self) {
        let position = self.position();
        let decoded = std::mem::take(&mut self.decoded);
        self.full
            .extend(decoded.into_batches().map(|decoded| (decoded, None)));
        if let Some((_, last)) = self.full.last_mut() {
            *last = position;
        }
    }

    fn position(&self) -> Option<String> {
        let (file, head) = self.file.as_ref()?;
        let n_open = self.form.n_open_bytes() as u64;
        let offset = self.n_line_bytes.saturating_sub(n_open);
        Some(Position::new(*file, offset, self.form.n_lines(), head).to_json())
    }

    fn refuse_foreign(&self, head: &[u8]) -> Result<(), SourceError> {
        let Some(found) = foreign_to_lines(head) else {
            return Ok(());
        };
        let what_to_do = if found.contains("archive") {
            "unpack it in front"
        } else {
            "what `detect` reads is wanted: a table with a header, lines of JSON or line protocol, Parquet or Arrow"
        };
        Err(self.unusable(format!("{} is {found}; {what_to_do}", self.spec.file().display())))
    }

    fn unreadable(&self, error: &ReadError) -> SourceError {
        self.unusable(error.to_string())
    }

    fn unusable(&self, problem: String) -> SourceError {
        SourceError::Unusable {
            source_name: self.name.clone(),
            problem,
        }
    }
}

/// The way out of a source that can wait.
struct Out {
    inlet: Inlet,
    stop: Stop,
    unacknowledged: VecDeque<oneshot::Receiver<Receipt>>,
}

/// There is nobody to send to any more, or the source was told to stop.
struct Over;

impl Out {
    async fn send(
        &mut self,
        name: &Arc<str>,
        decoded: Decoded,
        position: Option<String>,
    ) -> Result<(), Over> {
        let (mut batch, receipt) = Batch::new(
            name.clone(),
            decoded.arrivals,
            decoded.quarantined,
            clock::instant(),
        );
        batch.position = position;
        tokio::select! {
            biased;
            () = self.stop.told() => return Err(Over),
            sent = self.inlet.send(batch) => sent.map_err(|_| Over)?,
        }
        self.unacknowledged.push_back(receipt);
        while self.unacknowledged.len() > UNACKNOWLEDGED_MAX {
            self.oldest_acknowledged().await?;
        }
        Ok(())
    }

    /// Waits until all that was sent is durable, or never will be.
    async fn all_acknowledged(&mut self) {
        while !self.unacknowledged.is_empty() {
            if self.oldest_acknowledged().await.is_err() {
                return;
            }
        }
    }

    async fn oldest_acknowledged(&mut self) -> Result<(), Over> {
        let Some(receipt) = self.unacknowledged.front_mut() else {
            return Ok(());
        };
        tokio::select! {
            biased;
            () = self.stop.told() => return Err(Over),
            told = receipt => told.map_err(|_| Over)?,
        };
        self.unacknowledged.pop_front();
        Ok(())
    }
}
