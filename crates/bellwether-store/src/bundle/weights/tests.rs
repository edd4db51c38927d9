//! What weights of several members must survive in one file, and what is refused.

use proptest::prelude::*;
use safetensors::Dtype;

use super::*;
use crate::disk::tests::told;

/// A safetensors file with this header and so many bytes of data.
fn file(header: &str, n_data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + n_data, 7);
    bytes
}

/// A safetensors file of vectors of numbers.
fn vectors<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a [f32])>) -> Vec<u8> {
    let data: Vec<(&str, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, values)| {
            (
                name,
                values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            )
        })
        .collect();
    let views = data.iter().map(|(name, bytes)| {
        let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).unwrap();
        (*name, view)
    });
    safetensors::serialize(views, None::<HashMap<String, String>>).unwrap()
}

fn parts() -> Vec<Vec<u8>> {
    vec![
        vectors([("w", &[1.0, -2.5][..]), ("head.bias", &[0.5])]),
        vectors([]),
        vectors([("w", &[3.0][..]), ("é.0", &[])]),
    ]
}

#[test]
fn tensors_carry_the_number_of_their_member() {
    let joined = join_weights(&parts()).unwrap();
    let mut names: Vec<String> = tensors(&joined)
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort();
    assert_eq!(names, ["0.head.bias", "0.w", "2.w", "2.é.0"]);
    assert_eq!(split_weights(&joined, 3).unwrap(), parts());
    // A member without tensors at the end is one as well; one that has some cannot be left out.
    assert_eq!(split_weights(&joined, 4).unwrap()[3], vectors([]));
    let error = split_weights(&joined, 2).unwrap_err().to_string();
    assert!(
        error.contains("holds the tensor \"2.") && error.contains("the number of one of 2 members"),
        "{error}"
    );
}

#[test]
fn the_order_of_tensors_and_notes_beside_them_leave_no_trace() {
    let entry = |name: &str, start: usize| {
        format!(
            r#""{name}":{{"dtype":"U8","shape":[1],"data_offsets":[{start},{}]}}"#,
            start + 1
        )
    };
    let (a, b) = (entry("a", 0), entry("b", 1));
    let plain = file(&format!("{{{a},{b}}}"), 2);
    let noted = file(&format!(r#"{{{b},"__metadata__":{{"made by":"x"}},{a}}}"#), 2);
    assert_ne!(plain, noted);
    assert_eq!(join_weights(&[plain]).unwrap(), join_weights(&[noted]).unwrap());
}

#[test]
fn names_that_are_of_no_member_are_refused() {
    let long = "x".repeat(1000);
    for name in [
        "w",
        "",
        "3.w",
        "01.w",
        "+1.w",
        "-1.w",
        " 1.w",
        "1_w",
        ".w",
        "0.__metadata__",
        &long,
    ] {
        let error = split_weights(&vectors([(name, &[1.0][..])]), 3).unwrap_err();
        let WeightsError::Foreign { name: told, .. } = &error else {
            panic!("{name:?}: {error}");
        };
        assert!(name.starts_with(told) && told.len() <= 80, "{error}");
    }
}

#[test]
fn a_bundle_knows_whose_its_weights_are() {
    let bundle = |format_version: u64, weights: Vec<u8>| Bundle {
        manifest: serde_json::json!({ "format_version": format_version })
            .to_string()
            .into(),
        weights,
    };
    let joined = join_weights(&parts()).unwrap();
    assert_eq!(bundle(2, joined).weights_of_members(3).unwrap(), parts());
    let of_one = parts().remove(0);
    let v1 = bundle(1, of_one.clone());
    assert_eq!(v1.weights_of_members(1).unwrap(), std::slice::from_ref(&of_one));
    let check = |bundle: Bundle, n_members: usize, expect: &str| {
        let error = told(&bundle.weights_of_members(n_members).unwrap_err());
        assert!(error.contains(expect), "{error:?} does not say {expect:?}");
    };
    check(
        v1,
        2,
        "of 2 members were asked for, a bundle of format version 1 has those of one",
    );
    check(bundle(2, of_one), 1, "the number of one of 1 members");
    check(bundle(3, Vec::new()), 1, "newer bellwether");
}

#[test]
fn a_number_of_members_that_no_bundle_has_is_refused() {
    let empty = vectors([]);
    assert_eq!(join_weights(&vec![empty.clone(); 64]).unwrap(), empty);
    assert!(matches!(
        join_weights(&[]),
        Err(WeightsError::Members { n_members: 0 })
    ));
    assert!(matches!(
        join_weights(&vec![empty.clone(); 65]),
        Err(WeightsError::Members { n_members: 65 })
    ));
    for n_members in [0, 65, usize::MAX] {
        let error = split_weights(&empty, n_members).unwrap_err().to_string();
        assert!(error.contains("1 to 64"), "{error}");
    }
}

#[test]
fn what_is_no_sound_file_is_refused_with_the_reason() {
    let check = |bytes: Vec<u8>, expect: &str| {
        let joined = told(&split_weights(&bytes, 1).unwrap_err());
        let part = told(&join_weights(&[vectors([]), bytes]).unwrap_err());
        assert!(
            joined.starts_with("weights.safetensors is not a sound"),
            "{joined}"
        );
        assert!(
            part.starts_with("the weights of member 1 are not a sound"),
            "{part}"
        );
        for error in [joined, part] {
            assert!(error.contains(expect), "{error:?} does not say {expect:?}");
        }
    };
    let tensor = |shape: &str, start: u64, end: u64| {
        format!(r#"{{"dtype":"U8","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    let one = |tensor: &str| format!(r#"{{"0.w":{tensor}}}"#);
    check(vec![], "header too small");
    check(vec![0; 7], "header too small");
    check(vec![0xff; 9], "invalid header length");
    check(vec![1, 0, 0, 0, 0, 0, 0, 0], "invalid header length");
    check(file("", 0), "EOF");
    check(file("[]", 0), "invalid");
    check(file(&one(&tensor("[2]", 0, 2)), 1), "not fully covered");
    check(file(&one(&tensor("[2]", 0, 2)), 3), "not fully covered");
    check(file(&one(&tensor("[2]", 1, 3)), 3), "invalid offset");
    check(file(&one(&tensor("[2]", 2, 0)), 2), "invalid offset");
    check(file(&one(&tensor("[3]", 0, 2)), 2), "invalid shape");
    check(file(&one(&tensor("[-1]", 0, 2)), 2), "-1");
    check(
        file(&one(&tensor("[4294967296,4294967296]", 0, 0)), 0),
        "overflow",
    );
    check(file(&one(&tensor("[2]", 0, 2).replace("U8", "U9")), 2), "U9");
    // Ends that grow beyond what a number holds: eight tensors of almost 2^61 bytes each.
    let step = (1_u64 << 61) - 1;
    let huge: Vec<String> = (0..8)
        .map(|idx| {
            format!(
                r#""0.{idx}":{}"#,
                tensor(&format!("[{step}]"), idx * step, (idx + 1) * step)
            )
        })
        .collect();
    check(file(&format!("{{{}}}", huge.join(",")), 8), "not fully covered");
}

/// Files of a few tensors, as a library would write them.
fn any_part() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::btree_map("[a-z.0-9é]{0,6}", prop::collection::vec(any::<f32>(), 0..5), 0..5).prop_map(
        |tensors| {
            vectors(
                tensors
                    .iter()
                    .map(|(name, values)| (name.as_str(), values.as_slice())),
            )
        },
    )
}

proptest! {
    #[test]
    fn parts_come_back_bit_for_bit_from_equal_bytes(parts in prop::collection::vec(any_part(), 1..14)) {
        let joined = join_weights(&parts).unwrap();
        prop_assert_eq!(&join_weights(&parts).unwrap(), &joined);
        prop_assert_eq!(split_weights(&joined, parts.len()).unwrap(), parts);
    }

    #[test]
    fn damage_of_any_kind_never_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        n_members in 0..5_usize,
    ) {
        let mut bytes = join_weights(&parts()).unwrap();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(parts) = split_weights(&bytes, n_members) {
            prop_assert_eq!(parts.len(), n_members);
            let again = join_weights(&parts).unwrap();
            prop_assert_eq!(split_weights(&again, n_members).unwrap(), parts);
        }
    }
}
