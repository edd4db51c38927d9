//! Versions go there and come back as they were; what was changed there does not.
#![expect(clippy::disallowed_methods, reason = "the tests look at what is on the disk")]

use std::fs;

use super::*;
use crate::signature::SigningKey;

fn name() -> ModelName {
    "pump".parse().unwrap()
}

fn version(number: &str) -> Version {
    number.parse().unwrap()
}

fn bundle(weights: &[u8]) -> Bundle {
    Bundle {
        manifest: br#"{"format_version":1}"#.to_vec(),
        weights: weights.to_vec(),
    }
}

fn open(folder: &std::path::Path) -> Remote {
    Remote::open(folder.to_str().unwrap(), []).unwrap()
}

/// What is in the folder of the model.
fn files(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("pump")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_version_comes_back_as_it_was_with_its_signatures() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("models");
    let remote = Remote::open(&format!("file://{}", place.display()), []).unwrap();
    let of = bundle(&[1, 2, 3]);
    let bytes = of.to_bytes().unwrap();
    let sha256 = Sha256::of(&bytes);
    let keys = [[1; 32], [2; 32]].map(SigningKey::from_seed);
    let signatures = [keys[0].sign(&sha256), keys[1].sign(&sha256)];
    let push = async |signatures: &[Signature]| {
        let pushed = remote
            .push(&name(), version("3"), bytes.clone(), signatures)
            .await;
        pushed.unwrap()
    };
    assert_eq!(push(&signatures[..1]).await, Pushed::Added);
    assert_eq!(push(&[]).await, Pushed::AlreadyThere);
    let pulled = remote.pull(&name(), None).await.unwrap();
    let want = Pulled {
        version: version("3"),
        bundle: of,
        sha256,
        signatures: signatures[..1].to_vec(),
    };
    assert_eq!(pulled, want);
    // A signature that was made later is added to those that are there.
    assert_eq!(push(&signatures[1..]).await, Pushed::AlreadyThere);
    let pulled = remote.pull(&name(), Some(version("3"))).await.unwrap();
    assert_eq!(pulled.signatures, signatures);
    assert_eq!(
        files(&place),
        ["3.json".to_owned(), format!("{sha256}.bellwether")]
    );
}

#[tokio::test]
async fn a_version_is_never_replaced_and_the_newest_is_the_one_of_the_highest_number() {
    let folder = tempfile::tempdir().unwrap();
    let remote = open(folder.path());
    for (number, weights) in [("2", [2]), ("10", [10])] {
        let bytes = bundle(&weights).to_bytes().unwrap();
        remote.push(&name(), version(number), bytes, &[]).await.unwrap();
    }
    let other = bundle(&[3]).to_bytes().unwrap();
    let error = remote.push(&name(), version("2"), other, &[]).await.unwrap_err();
    assert!(error.to_string().contains("another pump@2"), "{error}");
    assert_eq!(remote.pull(&name(), None).await.unwrap().version, version("10"));
    let two = remote.pull(&name(), Some(version("2"))).await.unwrap();
    assert_eq!(two.bundle, bundle(&[2]));
    let error = remote.pull(&name(), Some(version("3"))).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no pump@3") && text.contains("pump@2, pump@10"),
        "{text}"
    );
    let error = remote.pull(&"fan".parse().unwrap(), None).await.unwrap_err();
    assert!(error.to_string().contains("none of that name"), "{error}");
}

#[tokio::test]
async fn what_was_changed_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let remote = open(folder.path());
    let bytes = bundle(&[1, 2, 3]).to_bytes().unwrap();
    let sha256 = Sha256::of(&bytes);
    remote
        .push(&name(), version("1"), bytes.clone(), &[])
        .await
        .unwrap();
    let file = folder.path().join(format!("pump/{sha256}.bellwether"));
    let record = folder.path().join("pump/1.json");
    let check = async |want: &str| {
        let error = remote.pull(&name(), None).await.unwrap_err().to_string();
        assert!(error.contains(want), "{error}\nwant {want}");
    };
    let mut other = bytes.clone();
    other[40] ^= 1;
    fs::write(&file, other).unwrap();
    check("not what was pushed").await;
    fs::write(&file, &bytes[..20]).unwrap();
    check("not what was pushed").await;
    fs::write(&file, &bytes).unwrap();
    let sound = fs::read_to_string(&record).unwrap();
    for (text, want) in [
        ("{}".to_owned(), "cannot be used"),
        (
            sound.replace("\"format_version\": 1", "\"format_version\": 2"),
            "update bellwether",
        ),
        (sound.replace(&sha256.to_string(), "../../secret"), "no SHA-256"),
        (sound.replace("\"bytes\"", "\"code\""), "unknown field"),
    ] {
        assert_ne!(text, sound);
        fs::write(&record, text).unwrap();
        check(want).await;
    }
    fs::write(&record, sound).unwrap();
    fs::remove_file(&file).unwrap();
    check("cannot read").await;
}

#[test]
fn an_address_is_checked_and_holds_no_secret() {
    let check = |url: &str, environment: &[(&str, &str)], want: &str| {
        let environment = environment
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let error = Remote::open(url, environment).unwrap_err().to_string();
        assert!(error.contains(want), "{url}: {error}\nwant {want}");
    };
    check("", &[], "it is empty");
    check("http://store/models", &[], "only s3:// and file://");
    check("s3://", &[], "no store of models");
    check("s3://key:secret@bucket/models", &[], "must hold no key");
    check("s3://bucket/models", &[], "set AWS_ACCESS_KEY_ID");
    check(
        "s3://bucket/models",
        &[("AWS_REGION", "eu-north-1"), ("AWS_ACCESS_KEY_ID", "")],
        "set AWS_ACCESS_KEY_ID",
    );
}
