//! How much the pages of a Parquet column say they unpack to, before anybody makes room for it.
//!
//! The library believes the size in front of each page. A page header is a Thrift structure in compact form: its
//! fields 1 to 3 are the type, the unpacked and the packed size, all 32-bit numbers
//! (parquet-format, `parquet.thrift`, `PageHeader`; Thrift compact protocol specification).

use std::io::Read;

use parquet::file::reader::ChunkReader;

use super::error::Problem;
use super::guard::{check_unpacked, corrupt};

/// Bytes of a page header at most: it may hold the least and the greatest value, which may be long text.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// Structures within structures at most.
const DEPTH_MAX: usize = 16;

/// Refuses the column whose pages fill the `n_packed` bytes from `start` on, if one of them unpacks out of proportion.
pub(super) fn check(input: &impl ChunkReader, start: u64, n_packed: u64) -> Result<(), Problem> {
    let end = start + n_packed;
    let mut at = start;
    while at < end {
        let reader = input.get_read(at).map_err(corrupt)?;
        let mut header = Header {
            bytes: reader,
            n_bytes: 0,
        };
        let sizes = header.sizes(0).ok_or_else(|| corrupt("a page has no header"))?;
        let [Some(n_unpacked), Some(n_page)] = sizes else {
            return Err(corrupt("a page does not say its size"));
        };
        let (Ok(n_unpacked), Ok(n_page)) = (u64::try_from(n_unpacked), u64::try_from(n_page)) else {
            return Err(corrupt("a page has a negative size"));
        };
        check_unpacked(n_page, n_unpacked)?;
        at += header.n_bytes as u64 + n_page;
    }
    Ok(())
}

/// A Thrift structure being read; what is not asked for is passed over.
struct Header<R> {
    bytes: R,
    n_bytes: usize,
}

impl<R: Read> Header<R> {
    /// The fields 2 and 3 of the structure that begins here, up to its end.
    fn sizes(&mut self, depth: usize) -> Option<[Option<i64>; 2]> {
        let mut sizes = [None, None];
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(sizes);
            }
            field = match head >> 4 {
                0 => self.signed()?,
                delta => field + i64::from(delta),
            };
            match (head & 0x0f, field) {
                (5, 2) => sizes[0] = Some(self.signed()?),
                (5, 3) => sizes[1] = Some(self.signed()?),
                (kind, _) => self.skip(kind, depth, false)?,
            }
        }
    }

    fn skip(&mut self, kind: u8, depth: usize, in_list: bool) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match kind {
            1 | 2 if !in_list => {} // a boolean is its own value
            1..=3 => drop(self.byte()?),
            4..=6 => drop(self.unsigned()?),
            7 => self.pass(8)?,
            8 => {
                let n_bytes = self.unsigned()?;
                self.pass(usize::try_from(n_bytes).ok()?)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let len = match head >> 4 {
                    15 => self.unsigned()?,
                    len => len.into(),
                };
                for _ in 0..len {
                    self.skip(head & 0x0f, depth + 1, true)?;
                }
            }
            12 => drop(self.sizes(depth + 1)?),
            _ => return None, // a map, or nothing: page headers have none
        }
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.n_bytes += 1;
        (self.n_bytes <= HEADER_BYTES_MAX && self.bytes.read_exact(&mut byte).is_ok()).then_some(byte[0])
    }

    fn pass(&mut self, n_bytes: usize) -> Option<()> {
        (0..n_bytes).try_for_each(|_| self.byte().map(drop))
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A number in zigzag form.
    fn signed(&mut self) -> Option<i64> {
        let number = self.unsigned()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}
