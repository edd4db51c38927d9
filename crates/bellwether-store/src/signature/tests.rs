//! Signatures against the vectors of RFC 8032 and against OpenSSL.

use std::process::Command;

use super::*;
use crate::disk::tests::told;

fn key(first: u8) -> SigningKey {
    SigningKey::from_seed([first; 32])
}

/// RFC 8032, section 7.1, test 1: the seed and its public key.
#[test]
fn a_seed_makes_the_key_of_rfc_8032() {
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let key = SigningKey::from_seed(bytes(seed).unwrap());
    assert_eq!(key.public().to_string(), public);
    // The key never prints.
    assert!(!format!("{key:?}").contains(&seed[..8]));
}

#[test]
fn a_signature_is_of_one_bundle_and_one_key() {
    let (bundle, other) = (Sha256::of(b"bundle"), Sha256::of(b"other"));
    let signature = key(1).sign(&bundle);
    assert!(signature.is_of(&bundle));
    assert!(!signature.is_of(&other));
    let stolen = Signature {
        key: key(2).public(),
        ..signature.clone()
    };
    assert!(!stolen.is_of(&bundle));
    for at in 0..64 {
        let mut bent = signature.clone();
        bent.bytes[at] ^= 1;
        assert!(!bent.is_of(&bundle), "byte {at}");
    }
}

#[test]
fn trust_asks_for_one_of_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pub");
    disk::write_atomic(&path, key(1).public().to_pem().as_bytes()).unwrap();
    let trust = Trust::read([path.as_path()]).unwrap();
    let (bundle, other) = (Sha256::of(b"bundle"), Sha256::of(b"other"));
    let (own, foreign) = (key(1).sign(&bundle), key(2).sign(&bundle));
    assert_eq!(Trust::default().check(&bundle, &[]), Ok(None));
    assert_eq!(
        trust.check(&bundle, &[foreign.clone(), own]),
        Ok(Some(key(1).public()))
    );
    let says = |signatures: &[Signature], expect: &str| {
        let error = trust.check(&bundle, signatures).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    says(&[], "it is not signed");
    says(&[foreign], &format!("signed by {}", key(2).public().id()));
    says(&[key(1).sign(&other)], "not of this bundle");
}

#[test]
fn keys_and_signatures_come_back_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    assert_eq!(key(7).create_files(&at("key")).unwrap(), at("key.pub"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(at("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    disk::write_atomic(&at("text"), b"no key").unwrap();
    assert_eq!(SigningKey::read(&at("key")).unwrap().public(), key(7).public());
    assert_eq!(PublicKey::read(&at("key")).unwrap(), key(7).public());
    assert_eq!(PublicKey::read(&at("key.pub")).unwrap(), key(7).public());
    let says = |error: &dyn std::error::Error, expect: &str| {
        let text = told(error);
        assert!(text.contains(expect), "{text}");
    };
    says(
        &key(8).create_files(&at("key")).unwrap_err(),
        "never written over",
    );
    says(&SigningKey::read(&at("key.pub")).unwrap_err(), "cannot sign");
    says(&SigningKey::read(&at("text")).unwrap_err(), "models keygen");
    says(&PublicKey::read(&at("none")).unwrap_err(), "cannot read");

    let bundle = Sha256::of(b"bundle");
    let signatures = [key(1).sign(&bundle), key(2).sign(&bundle)];
    assert_eq!(read_beside(&at("b")).unwrap(), []);
    write_beside(&at("b"), &bundle, &signatures).unwrap();
    assert_eq!(read_beside(&at("b")).unwrap(), signatures);
    let text = String::from_utf8(disk::read_bounded(&at("b.sig"), 9999).unwrap()).unwrap();
    for (from, to, expect) in [
        (
            "\"format_version\": 1",
            "\"format_version\": 2",
            "newer bellwether",
        ),
        ("\"key\": \"", "\"key\": \"x", "64 hexadecimal digits"),
        ("{", "[", "no file of signatures"),
    ] {
        disk::write_atomic(&at("b.sig"), text.replacen(from, to, 1).as_bytes()).unwrap();
        says(&read_beside(&at("b")).unwrap_err(), expect);
    }
}

/// OpenSSL reads our key files and takes our signature, and we take its.
#[test]
fn openssl_agrees() {
    let Ok(version) = Command::new("openssl").arg("version").output() else {
        eprintln!("openssl_agrees: no openssl on this machine, so it was not asked");
        return;
    };
    assert!(version.status.success());
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let openssl = |args: &[&str]| {
        let run = Command::new("openssl")
            .current_dir(dir.path())
            .args(args)
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
    };
    let bundle = Sha256::of(b"bundle");
    disk::write_atomic(&at("message"), message(&bundle).as_bytes()).unwrap();
    disk::write_atomic(&at("key.pub"), key(3).public().to_pem().as_bytes()).unwrap();
    disk::write_atomic(&at("signature"), &key(3).sign(&bundle).bytes).unwrap();
    openssl(&[
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "key.pub",
        "-rawin",
        "-in",
        "message",
        "-sigfile",
        "signature",
    ]);

    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "theirs"]);
    openssl(&[
        "pkeyutl", "-sign", "-inkey", "theirs", "-rawin", "-in", "message", "-out", "by-them",
    ]);
    let bytes = disk::read_bounded(&at("by-them"), 64).unwrap();
    let theirs = Signature {
        key: PublicKey::read(&at("theirs")).unwrap(),
        bytes: bytes.try_into().unwrap(),
    };
    assert!(theirs.is_of(&bundle));
    assert_eq!(SigningKey::read(&at("theirs")).unwrap().sign(&bundle), theirs);
}
