//! Ed25519 keys as PEM (RFC 7468) of the structures of RFC 8410: always the same bytes around the 32 that count.

use data_encoding::BASE64;

/// `OneAsymmetricKey` of version 1 around a seed, without attributes.
const PRIVATE: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// `SubjectPublicKeyInfo` around a public key.
const PUBLIC: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

pub(super) fn private(seed: &[u8; 32]) -> String {
    write("PRIVATE KEY", &PRIVATE, seed)
}

pub(super) fn public(key: &[u8; 32]) -> String {
    write("PUBLIC KEY", &PUBLIC, key)
}

pub(super) fn read_private(text: &str) -> Option<[u8; 32]> {
    read("PRIVATE KEY", &PRIVATE, text)
}

pub(super) fn read_public(text: &str) -> Option<[u8; 32]> {
    read("PUBLIC KEY", &PUBLIC, text)
}

fn write(label: &str, prefix: &[u8], key: &[u8; 32]) -> String {
    // 48 bytes at most: one line of base64.
    let body = BASE64.encode(&[prefix, key].concat());
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn read(label: &str, prefix: &[u8], text: &str) -> Option<[u8; 32]> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.split_whitespace().collect();
    let bytes = BASE64.decode(body.as_bytes()).ok()?;
    bytes.strip_prefix(prefix)?.try_into().ok()
}
