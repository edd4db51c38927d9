//! Delimited text read by several threads: this one takes blocks of whole lines, others read the rows in them, and this
//! one gives those on in their order. Where a block holds something that is not [plain](super::plain), it ends there, and
//! the table goes on from that row.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, scope};

use super::error::ReadError;
use super::piece::Piece;
use super::plain::PlainRows;
use super::table::Table;

/// Bytes of an input before it is worth threads of its own. Few in tests, so that short texts come through here.
pub(super) const FROM_BYTES: u64 = if cfg!(test) { 1 << 7 } else { 4 << 20 };

/// Bytes of a block.
const BLOCK_BYTES: usize = if cfg!(test) { 1 << 6 } else { 1 << 20 };

/// Blocks in work for each thread: one being read, one waiting.
const BLOCKS_EACH: usize = 2;

/// More threads than this wait for the one that gives rows on.
const THREADS_MAX: usize = 16;

/// A block, and what was read of it.
#[derive(Default)]
struct Block {
    lines: Vec<u8>,
    piece: Piece,
    /// Bytes of the lines that are in the piece.
    n_read: usize,
}

/// A thread that reads blocks.
struct Reader {
    to_do: SyncSender<Block>,
    done: Receiver<Block>,
}

/// Reads rows from here on, and hands them to `give` with the table at the first of them: to the end, or to something that
/// is to be read otherwise.
pub(super) fn read(
    table: &mut Table,
    plain: &PlainRows,
    n_threads: usize,
    mut give: impl FnMut(&Table, &Piece) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    scope(|scope| {
        let n_readers = n_threads.min(THREADS_MAX);
        // Where the system has no thread left, there are fewer.
        let readers: Vec<Reader> = (0..n_readers)
            .map_while(|_| reader(scope, plain.clone()))
            .collect();
        // Each reader in its turn: whose block is the next is known.
        let mut in_work = VecDeque::new();
        let mut turns = (0..readers.len()).cycle();
        let mut spare: Vec<Block> = Vec::new();
        let mut input = Ok(());
        let mut is_ended = readers.is_empty();
        loop {
            while !is_ended && in_work.len() < BLOCKS_EACH * readers.len() {
                let mut block = spare.pop().unwrap_or_default();
                input = table.take_lines(BLOCK_BYTES, &mut block.lines);
                is_ended = input.is_err() || block.lines.is_empty();
                if is_ended {
                    break;
                }
                let turn = turns.next().expect("there are readers, or it has ended");
                readers[turn].to_do.send(block).expect("a reader ends after this");
                in_work.push_back(turn);
            }
            let Some(turn) = in_work.pop_front() else { break };
            let block = readers[turn]
                .done
                .recv()
                .expect("a reader gives back what it takes");
            give(table, &block.piece)?;
            table.pass(0, block.piece.heads.n_rows());
            if block.n_read < block.lines.len() {
                let mut left = block.lines[block.n_read..].to_vec();
                for turn in in_work.drain(..) {
                    let block = readers[turn].done.recv().expect("as above");
                    left.extend_from_slice(&block.lines);
                }
                table.put_back(left);
                break;
            }
            spare.push(block);
        }
        input.map_err(|error| table.broken(error))
    })
}

/// A thread for blocks; none where the system gives none.
fn reader<'scope>(scope: &'scope Scope<'scope, '_>, mut plain: PlainRows) -> Option<Reader> {
    let (to_do, blocks) = sync_channel::<Block>(BLOCKS_EACH);
    let (finished, done) = sync_channel(BLOCKS_EACH);
    let read = move || {
        for mut block in blocks {
            block.piece.clear();
            block.n_read = plain.read(&block.lines, &mut block.piece);
            if finished.send(block).is_err() {
                return; // something was wrong with an earlier one
            }
        }
    };
    Builder::new().spawn_scoped(scope, read).ok()?;
    Some(Reader { to_do, done })
}
