//! Archives: cut, flipped, lying, and made to fill a machine.

use std::io::Write as _;

use super::{File, csv, file, places};

pub(crate) fn all() -> Vec<File> {
    let text = csv(3000, 4);
    let (gz, zst) = (gzip(text.as_bytes()), zstd(text.as_bytes()));
    let rows = "timestamp,temp\n".to_owned() + &"2024-01-01,1\n".repeat(10_000_000);
    let mut lying = gz.clone();
    let n_bytes = lying.len();
    lying[n_bytes - 4..].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut files = vec![
        file("good.csv.gz", gz.clone(), "read: 3000"),
        file("good.csv.zst", zst.clone(), "read: 3000"),
        file("named_wrong.csv", zst.clone(), "read: 3000"),
        file("plain.csv.gz", text.as_bytes(), "read: 3000"),
        file("magic.csv.gz", &b"\x1f\x8b"[..], "cut short or damaged"),
        file("magic.csv.zst", &b"\x28\xb5\x2f\xfd"[..], "cut short or damaged"),
        file("twice.csv.gz", gzip(&gz), "archive within an archive"),
        file("twice.csv.zst", zstd(&gz), "archive within an archive"),
        file(
            "two_members.csv.gz",
            [gz.clone(), gzip(b"1700003000,1,2,3,4\n")].concat(),
            "read: 3001",
        ),
        file("tail.csv.gz", [&gz[..], b"tail"].concat(), "cut short or damaged"),
        file("lying_size.csv.gz", lying, "cut short or damaged"),
        file(
            "lying_window.csv.zst",
            &b"\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00"[..],
            "cut short or damaged",
        ),
        file("bomb_zeros.csv.gz", gzip(&vec![0; 64 << 20]), "a binary file"),
        file("bomb_zeros.csv.zst", zstd(&vec![0; 256 << 20]), "a binary file"),
        file(
            "bomb_lines.csv.gz",
            gzip(&vec![b'\n'; 128 << 20]),
            "the file is empty",
        ),
        file("bomb_field.csv.zst", zstd(&vec![b'x'; 256 << 20]), ""),
        file("bomb_rows.csv.gz", gzip(rows.as_bytes()), "unpacks to far more"),
        file("bomb_rows.csv.zst", zstd(rows.as_bytes()), "unpacks to far more"),
        file(
            "bomb_rows.parquet.zst",
            zstd(&[b"PAR1".to_vec(), vec![0; 256 << 20]].concat()),
            "unpacks to far more",
        ),
    ];
    for (name, bytes) in [("csv.gz", &gz), ("csv.zst", &zst)] {
        for at in places(bytes.len(), 6) {
            files.push(file(&format!("cut_{at}.{name}"), &bytes[..at], ""));
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            files.push(file(&format!("flipped_{at}.{name}"), flipped, ""));
        }
    }
    files
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}
