//! What a bundle must survive, and what it must refuse.

use proptest::prelude::*;

use super::*;
use crate::disk::tests::told;

/// Kept for ever: written by format version 1.
const GOLDEN_V1: &[u8] = include_bytes!("../../tests/bundles/v1.bellwether");

/// Kept for ever: written by format version 2.
const GOLDEN: &[u8] = include_bytes!("../../tests/bundles/v2.bellwether");

/// Of two members.
fn golden() -> Bundle {
    let weights = [golden_v1().weights, golden_v1().weights];
    Bundle {
        manifest: br#"{"format_version":2,"channels":["flow","pressure"]}"#.to_vec(),
        weights: join_weights(&weights).unwrap(),
    }
}

fn golden_v1() -> Bundle {
    // A safetensors file of one tensor `w` = [1.0, -2.5] (f32, little-endian) behind its 8-byte header length.
    let header = br#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let mut weights = (header.len() as u64).to_le_bytes().to_vec();
    weights.extend_from_slice(header);
    weights.extend([1.0_f32, -2.5].iter().flat_map(|value| value.to_le_bytes()));
    Bundle {
        manifest: br#"{"format_version":1,"architecture":"lstm-ae","channels":["flow","pressure"]}"#.to_vec(),
        weights,
    }
}

/// An archive of any entries, for what we would never write ourselves.
fn zip_of(entries: &[(&str, &[u8])], comment: &str) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.set_comment(comment).unwrap();
    writer.finish().unwrap().into_inner()
}

/// The error of reading these bytes, with all of its causes.
fn error_of(bytes: &[u8]) -> String {
    let error = Bundle::from_bytes(bytes).expect_err("must be refused");
    told(&error)
}

#[test]
fn the_golden_bundle_opens_for_ever() {
    assert_eq!(Bundle::from_bytes(GOLDEN).unwrap(), golden());
    assert_eq!(Bundle::from_bytes(GOLDEN_V1).unwrap(), golden_v1());
}

#[test]
fn the_weights_of_the_golden_bundles_are_their_members_for_ever() {
    let of_v1 = Bundle::from_bytes(GOLDEN_V1)
        .unwrap()
        .weights_of_members(1)
        .unwrap();
    assert_eq!(of_v1, [golden_v1().weights]);
    for weights in Bundle::from_bytes(GOLDEN).unwrap().weights_of_members(2).unwrap() {
        // Written by the library, which pads the header: the same tensor all the same.
        assert_eq!(join_weights(&[weights]).unwrap(), join_weights(&of_v1).unwrap());
    }
}

/// Not a promise to users, but a change here must be meant: bundles of equal content would get new checksums.
#[test]
fn equal_contents_give_the_golden_bytes() {
    assert_eq!(golden().to_bytes().unwrap(), GOLDEN);
    assert_eq!(golden_v1().to_bytes().unwrap(), GOLDEN_V1);
}

#[test]
fn files_that_are_no_whole_bundle_say_what_is_wrong() {
    let check = |bytes: &[u8], expect: &str| {
        let error = error_of(bytes);
        assert!(error.contains(expect), "{error:?} does not say {expect:?}");
    };
    let Bundle { manifest, weights } = golden();
    let sums = checksum::list([
        ("manifest.json", &manifest[..]),
        ("weights.safetensors", &weights),
    ]);
    let (m, w, s) = (
        ("manifest.json", &manifest[..]),
        ("weights.safetensors", &weights[..]),
        ("SHA256SUMS", sums.as_bytes()),
    );
    check(b"", "this with nothing (it is empty)");
    check(b"PAR1", "this with 50 41 52 31");
    check(b"PK\x03\x04", "cut short");
    check(&[b"#!/bin/sh\n", GOLDEN].concat(), "not a bellwether bundle");
    check(&[GOLDEN, &[0; 5000]].concat(), "bundle");
    check(&zip_of(&[m, w], ""), "no SHA256SUMS");
    check(&zip_of(&[m, s], ""), "no weights.safetensors");
    check(&zip_of(&[w, s], ""), "no manifest.json");
    check(&zip_of(&[m, w, s, ("../evil.py", b"")], ""), "\"../evil.py\"");
    check(
        &zip_of(&[m, w, s], &"x".repeat(6000)),
        "belong to none of its parts",
    );
    check(
        &zip_of(&[m, w, ("SHA256SUMS", b"")], ""),
        "checksum for manifest.json",
    );
    check(
        &zip_of(&[m, w, ("SHA256SUMS", b"\xff")], ""),
        "checksum for manifest.json",
    );
    check(
        &zip_of(&[m, w, ("SHA256SUMS", &[b'x'; 5000])], ""),
        "at most 4096",
    );
    check(
        &zip_of(&[m, ("weights.safetensors", b"other"), s], ""),
        "weights.safetensors was changed",
    );
}

#[test]
fn manifests_are_checked_for_their_format_when_read_and_when_written() {
    let check = |manifest: &str, expect: &str| {
        let written = Bundle {
            manifest: manifest.into(),
            weights: vec![],
        };
        // A newer format may have other parts: its manifest alone decides.
        for error in [
            written.to_bytes().unwrap_err().to_string(),
            error_of(&zip_of(
                &[("manifest.json", manifest.as_bytes()), ("new", b"")],
                "",
            )),
        ] {
            assert!(error.contains(expect), "{error:?} does not say {expect:?}");
        }
    };
    check(r#"{"format_version":3,"new":[]}"#, "made by a newer bellwether");
    check(
        r#"{"format_version":18446744073709551615}"#,
        "made by a newer bellwether",
    );
    check(r#"{"format_version":0}"#, "formats count from 1");
    check(r#"{"format_version":-1}"#, "whole number");
    check(r#"{"format_version":"1"}"#, "whole number");
    check("{}", "whole number");
    check("[", "whole number");
    check(&"[".repeat(100_000), "whole number");
}

#[test]
fn oversize_parts_are_refused_before_they_are_read_or_written() {
    let mut bundle = golden();
    bundle.manifest.resize((16 << 20) + 1, b' ');
    let error = bundle.to_bytes().unwrap_err().to_string();
    assert!(error.contains("manifest.json has 16777217 bytes"), "{error}");
    assert!(error_of(&zip_of(&[("manifest.json", &bundle.manifest)], "")).contains("at most 16777216"));
}

#[test]
fn compressed_parts_are_refused() {
    // Method 8 (deflate) in both headers: offset 8 of the local one, 10 of the directory's.
    let mut bytes = GOLDEN.to_vec();
    let directory = bytes.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
    bytes[8] = 8;
    bytes[directory + 10] = 8;
    assert!(
        error_of(&bytes).contains("manifest.json is compressed"),
        "{}",
        error_of(&bytes)
    );
}

#[test]
fn every_truncation_is_noticed() {
    for len in 0..GOLDEN.len() {
        error_of(&GOLDEN[..len]);
    }
}

/// Flips each bit of the whole file: where it is in a part's content it must be noticed; in the frame (a timestamp,
/// say) it may pass, but then the contents are as they were.
#[test]
fn every_flipped_bit_is_noticed_or_harmless() {
    let bundle = golden();
    let sums = checksum::list([
        ("manifest.json", &bundle.manifest[..]),
        ("weights.safetensors", &bundle.weights),
    ]);
    let contents = [&bundle.manifest[..], &bundle.weights, sums.as_bytes()].map(|content| {
        let start = GOLDEN
            .windows(content.len())
            .position(|at| at == content)
            .unwrap();
        start..start + content.len()
    });
    let mut bytes = GOLDEN.to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            if let Ok(got) = Bundle::from_bytes(&bytes) {
                assert!(
                    !contents.iter().any(|content| content.contains(&at)),
                    "byte {at}, bit {bit}"
                );
                assert_eq!(got, bundle);
            }
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn a_file_round_trips_and_its_errors_name_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pump.bellwether");
    golden().write(&path).unwrap();
    assert_eq!(Bundle::read(&path).unwrap(), golden());
    disk::write_atomic(&path, &GOLDEN[..GOLDEN.len() / 2]).unwrap();
    let error = told(&Bundle::read(&path).unwrap_err());
    assert!(
        error.contains("pump.bellwether") && error.contains("cut short"),
        "{error}"
    );
    assert!(
        Bundle::read(&dir.path().join("none"))
            .unwrap_err()
            .to_string()
            .contains("none")
    );
}

proptest! {
    #[test]
    fn any_contents_come_back_from_equal_bytes(note in ".*", weights: Vec<u8>) {
        let manifest = serde_json::to_vec(&serde_json::json!({ "format_version": 1, "note": note })).unwrap();
        let bundle = Bundle { manifest, weights };
        let bytes = bundle.to_bytes().unwrap();
        prop_assert_eq!(&bytes, &bundle.clone().to_bytes().unwrap());
        prop_assert_eq!(Bundle::from_bytes(&bytes).unwrap(), bundle);
    }

    #[test]
    fn a_flip_in_the_contents_of_any_bundle_is_noticed(
        weights in prop::collection::vec(any::<u8>(), 16..2000),
        at: prop::sample::Index,
        bit in 0..8_u32,
    ) {
        let bundle = Bundle { weights, ..golden() };
        let mut bytes = bundle.to_bytes().unwrap();
        let start = bytes.windows(bundle.weights.len()).position(|part| part == bundle.weights).unwrap();
        bytes[start + at.index(bundle.weights.len())] ^= 1 << bit;
        let error = error_of(&bytes);
        prop_assert!(error.contains("weights.safetensors is damaged"), "{}", error);
    }

    #[test]
    fn damage_of_any_kind_never_panics_and_never_changes_contents(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        tail in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = GOLDEN.to_vec();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.extend(tail);
        if let Ok(bundle) = Bundle::from_bytes(&bytes) {
            prop_assert_eq!(bundle, golden());
        }
    }

    #[test]
    fn foreign_bytes_never_panic(mut bytes: Vec<u8>) {
        prop_assert!(Bundle::from_bytes(&bytes).is_err());
        bytes.splice(0..0, *b"PK\x03\x04");
        prop_assert!(Bundle::from_bytes(&bytes).is_err());
    }
}
