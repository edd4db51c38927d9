//! Shapes of messages and what they become.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn decoded(mapping: Mapping, device: Option<&str>, topic: Option<&str>, payload: &[u8]) -> Decoded {
    let mut into = Decoded::default();
    Decoder::new("test".into(), mapping, device).message(topic, payload, NOW, &mut into);
    into
}

/// `pump-1 2023-11-14T22:13:20Z a=1 b=-`, `…` behind the time as it was written, `~` before one channel of a sample;
/// `!reason` for what is in quarantine.
fn told(decoded: &Decoded) -> String {
    let arrivals = decoded.arrivals.iter().map(|arrival| {
        let mut text = format!("{} {}", arrival.series, arrival.time);
        if let Some(written) = &arrival.time_text {
            text.push_str(&format!(" ({written})"));
        }
        for (name, value) in arrival.layout.channels.iter().zip(&arrival.values) {
            let tilde = if arrival.is_whole { "" } else { "~" };
            let value = if value.is_nan() {
                "-".to_owned()
            } else {
                value.to_string()
            };
            text.push_str(&format!(" {tilde}{name}={value}"));
        }
        text
    });
    let quarantined = decoded
        .quarantined
        .iter()
        .map(|entry| format!("!{}", entry.reason));
    arrivals.chain(quarantined).collect::<Vec<_>>().join("; ")
}

#[test]
fn messages_in_the_usual_shapes_need_no_mapping() {
    let check = |payload: &str, expect: &str| {
        let decoded = decoded(Mapping::default(), None, None, payload.as_bytes());
        assert_eq!(told(&decoded), expect, "{payload}");
    };
    let at = "2023-11-14T22:13:20Z";
    // An object of values.
    check(
        r#"{"timestamp":"2023-11-14T22:13:20Z","device":"p","values":{"b":1.5,"a":-2}}"#,
        &format!("p {at} b=1.5 a=-2"),
    );
    check(
        r#"{"ts":1700000000000,"device_id":"p","values":{"a":1}}"#,
        &format!("p {at} (1700000000000) a=1"),
    );
    check(
        r#"{"sensor_id":"p","timestamp":"2023-11-14T22:13:20Z","data":{"a":1},"metadata":{"b":2}}"#,
        &format!("p {at} a=1"),
    );
    check(
        r#"{"values":{"a":1},"time":"2023-11-14T22:13:20Z","series":"p"}"#,
        &format!("p {at} a=1"),
    );
    check(
        r#"{"Timestamp":"2023-11-14T22:13:20Z","Device":"p","Values":{"A":1}}"#,
        &format!("p {at} A=1"),
    );
    // The message itself.
    check(
        r#"{"timestamp":"2023-11-14T22:13:20Z","asset_id":"p","a":1,"b":2}"#,
        &format!("p {at} a=1 b=2"),
    );
    check(
        r#"{"ts":"2023-11-14T22:13:20Z","device":"p","data":7}"#,
        &format!("p {at} data=7"),
    );
    check(
        r#"{"ts":"2023-11-14T22:13:20Z","device":"p","value":7}"#,
        &format!("p {at} value=7"),
    );
    check(
        r#"{"ts":"2023-11-14T22:13:20Z","device":7,"a":1}"#,
        &format!("7 {at} a=1"),
    );
    check(
        "\n {\"ts\" : \"2023-11-14T22:13:20Z\" , \"device\":\"p\",\r\n \"a\" : 1 } \n",
        &format!("p {at} a=1"),
    );
    // A row per value.
    check(
        r#"{"timestamp":"2023-11-14T22:13:20Z","device":"p","channel":"a","value":1}"#,
        &format!("p {at} ~a=1"),
    );
    check(
        r#"{"timestamp":"2023-11-14T22:13:20Z","asset_id":"p","sensor":"a","value":null,"quality":192}"#,
        &format!("p {at} ~a=-"),
    );
    // Arrays.
    check(
        r#"[{"ts":1700000000,"device":"p","values":{"a":1}}, {"ts":1700000001,"device":"q","a":2}]"#,
        &format!("p {at} (1700000000) a=1; q 2023-11-14T22:13:21Z (1700000001) a=2"),
    );
    check(
        r#"[{"ts":"2023-11-14T22:13:20Z","device":"p","a":1},{"device":"p","a":1},5]"#,
        &format!("p {at} a=1; !no-time; !not-json"),
    );
}

#[test]
fn values_are_numbers_missing_or_passed_over() {
    let check = |value: &str, expect: &str| {
        for [before, after] in [
            [r#"{"ts":"2023-11-14T22:13:20Z","device":"p","b":0,"a":"#, "}"],
            [
                r#"{"ts":"2023-11-14T22:13:20Z","device":"p","values":{"b":0,"a":"#,
                "}}",
            ],
        ] {
            let payload = format!("{before}{value}{after}");
            let decoded = decoded(Mapping::default(), None, None, payload.as_bytes());
            let told = told(&decoded);
            assert_eq!(
                told.strip_prefix("p 2023-11-14T22:13:20Z b=0").unwrap_or(&told),
                expect,
                "{payload}"
            );
            let is_counted = !decoded.arrivals.is_empty() && expect.is_empty();
            assert_eq!(decoded.n_ignored, u64::from(is_counted), "{payload}");
        }
    };
    check("12", " a=12");
    check("-0.5e-3", " a=-0.0005");
    check("0.1", " a=0.1");
    check("0.30000000000000004", " a=0.30000000000000004");
    check("18446744073709551616", " a=18446744073709552000");
    check("true", " a=1");
    check("false", " a=0");
    check("null", " a=-");
    check(r#""""#, " a=-");
    check(r#""NaN""#, " a=-");
    check(r#""n/a""#, " a=-");
    check(r#""21.5""#, " a=21.5");
    check(r#"" 7 ""#, " a=7");
    check(r#""on""#, "");
    check(r#""caf\u00e9 \"x\"""#, "");
    check(r#""\ud800""#, "");
    check(r#"{"x":1}"#, "");
    check("[1,2]", "");
    check("1e999", "!bad-value");
    check("-1e999", "!bad-value");
    check(r#""inf""#, "!bad-value");
    check(r#""3,14""#, "!bad-value");
    check("NaN", "!not-json");
    check("Infinity", "!not-json");
    check("+1", "!not-json");
    check("01", "!not-json");
    check("1 2", "!not-json");
}

#[test]
fn times_are_told_by_their_magnitude_and_kept_as_written() {
    let check = |time: &str, expect: &str| {
        let payload = format!(r#"{{"ts":{time},"device":"p","a":1}}"#);
        let told = told(&decoded(Mapping::default(), None, None, payload.as_bytes()));
        let told = told.strip_prefix("p ").unwrap_or(&told);
        assert_eq!(told.strip_suffix(" a=1").unwrap_or(told), expect, "{payload}");
    };
    check(r#""2023-11-14T22:13:20Z""#, "2023-11-14T22:13:20Z");
    check(
        r#""2023-11-14T23:13:20+01:00""#,
        "2023-11-14T22:13:20Z (2023-11-14T23:13:20+01:00)",
    );
    check(
        r#""2023-11-14 22:13:20""#,
        "2023-11-14T22:13:20Z (2023-11-14 22:13:20)",
    );
    check(
        r#""2023-11-14T22:13:20.5Z""#,
        "2023-11-14T22:13:20.500Z (2023-11-14T22:13:20.5Z)",
    );
    check("1700000000", "2023-11-14T22:13:20Z (1700000000)");
    check("1700000000.25", "2023-11-14T22:13:20.250Z (1700000000.25)");
    check("1700000000123", "2023-11-14T22:13:20.123Z (1700000000123)");
    check(r#""1700000000123""#, "2023-11-14T22:13:20.123Z (1700000000123)");
    check(
        "1700000000123456",
        "2023-11-14T22:13:20.123456Z (1700000000123456)",
    );
    check(
        "1700000000123456789",
        "2023-11-14T22:13:20.123456789Z (1700000000123456789)",
    );
    check("1.7e12", "2023-11-14T22:13:20Z (1.7e12)");
    check("null", "!no-time");
    check("{}", "!no-time");
    check(r#""""#, "!no-time");
    check(r#""noon""#, "!bad-time");
    check(r#""14/11/2023""#, "!bad-time");
    check("1e30", "!bad-time");
    check("99999999999999999999", "!bad-time");
    check(&format!("1700000000.{}", "0".repeat(100)), "!bad-time");
}

#[test]
fn what_is_no_message_is_in_quarantine() {
    let check = |payload: &[u8], expect: &str| {
        let text = String::from_utf8_lossy(&payload[..payload.len().min(80)]);
        assert_eq!(
            told(&decoded(Mapping::default(), None, None, payload)),
            format!("!{expect}"),
            "{text}"
        );
    };
    check(b"", "no-value");
    check(b" \n", "no-value");
    check(b"hello", "not-json");
    check(b"{", "not-json");
    check(b"{}x", "not-json");
    check(b"{\"ts\":1,\"device\":\"p\",\"a\":1}{\"ts\":2}", "not-json");
    check(b"[{\"ts\":1,\"device\":\"p\",\"a\":1},", "not-json");
    check(b"\xff\xfe{", "not-utf8");
    check(b"[]", "no-value");
    check(b"{}", "no-time");
    check(b"5", "no-channel");
    check(b"{\"ts\":1,\"a\":1}", "no-device");
    check(b"{\"ts\":1,\"device\":null,\"a\":1}", "no-device");
    check(b"{\"ts\":1,\"device\":\"\",\"a\":1}", "bad-name");
    check(b"{\"ts\":1,\"device\":\"a\\u0000b\",\"a\":1}", "bad-name");
    check(b"{\"ts\":1,\"device\":\"p\",\"\":1}", "bad-name");
    check(b"{\"ts\":1,\"device\":\"p\",\"a\\u0007\":1}", "bad-name");
    check(
        format!("{{\"ts\":1,\"device\":\"{}\",\"a\":1}}", "p".repeat(256)).as_bytes(),
        "bad-name",
    );
    check(b"{\"ts\":1,\"device\":\"p\"}", "no-value");
    check(b"{\"ts\":1,\"device\":\"p\",\"values\":{}}", "no-value");
    check(
        b"{\"ts\":1,\"device\":\"p\",\"values\":{\"label\":1}}",
        "no-value",
    );
    check(
        b"{\"ts\":1,\"device\":\"p\",\"channel\":\"a\",\"value\":\"on\"}",
        "no-value",
    );
    check(b"{\"ts\":1,\"ts\":2,\"device\":\"p\",\"a\":1}", "duplicate-name");
    check(
        b"{\"ts\":1,\"device\":\"p\",\"values\":{\"a\":1,\"a\":1}}",
        "duplicate-name",
    );
    check(&vec![b' '; MESSAGE_BYTES_MAX + 1], "too-long");
    let deep = format!("{{\"ts\":1,\"device\":\"p\",\"a\":{}", "[".repeat(400_000));
    check(deep.as_bytes(), "not-json");
    let wide = |n: usize| {
        let fields: Vec<_> = (0..n).map(|nth| format!("\"c{nth}\":1")).collect();
        format!(
            "{{\"ts\":1,\"device\":\"p\",\"values\":{{{}}}}}",
            fields.join(",")
        )
    };
    assert_eq!(
        decoded(Mapping::default(), None, None, wide(CHANNELS_MAX).as_bytes()).arrivals[0]
            .values
            .len(),
        CHANNELS_MAX
    );
    check(wide(CHANNELS_MAX + 1).as_bytes(), "too-many-channels");
    check(wide(3 * CHANNELS_MAX).as_bytes(), "too-many-channels");
    check(format!("[{}5]", "5,".repeat(ELEMENTS_MAX)).as_bytes(), "too-long");
}

#[test]
fn a_mapping_says_where_things_are() {
    let field = |path: &str| Some(Place::Field(path.to_owned()));
    let check = |mapping: Mapping, topic: &str, payload: &str, expect: &str| {
        assert_eq!(
            told(&decoded(mapping, None, Some(topic), payload.as_bytes())),
            expect,
            "{payload}"
        );
    };
    let at = "2023-11-14T22:13:20Z (1700000000)";
    check(
        Mapping {
            device: field("meta.id"),
            time: field("meta.at"),
            values: Some("payload.m".to_owned()),
            channel: None,
            timezone: None,
        },
        "x",
        r#"{"meta":{"id":"p","at":1700000000},"payload":{"m":{"a":1}},"values":{"b":2}}"#,
        &format!("p {at} a=1"),
    );
    let of_topic = Mapping {
        device: Some(Place::Topic(1)),
        ..Mapping::default()
    };
    check(
        of_topic.clone(),
        "plant/p/data",
        r#"{"ts":1700000000,"values":{"a":1}}"#,
        &format!("p {at} a=1"),
    );
    check(
        of_topic,
        "plant",
        r#"{"ts":1700000000,"values":{"a":1}}"#,
        "!no-device",
    );
    let dotted = Mapping {
        device: field("a.b"),
        ..Mapping::default()
    };
    check(
        dotted,
        "x",
        r#"{"a.b":"p","ts":1700000000,"c":1}"#,
        &format!("p {at} c=1"),
    );
    let fixed = Mapping {
        device: Some(Place::Fixed("p".to_owned())),
        channel: Some(Place::Topic(0)),
        ..Mapping::default()
    };
    check(
        fixed.clone(),
        "a",
        r#"{"ts":1700000000,"value":1}"#,
        &format!("p {at} ~a=1"),
    );
    check(
        fixed.clone(),
        "a",
        r#"{"ts":1700000000,"reading":1}"#,
        &format!("p {at} ~a=1"),
    );
    check(
        fixed.clone(),
        "a",
        r#"{"ts":1700000000,"b":1,"c":2}"#,
        &format!("p {at} b=1 c=2"),
    );
    check(fixed, "a", "1", "p 2023-11-14T22:13:20Z ~a=1");
    let none = Mapping {
        values: Some("m".to_owned()),
        channel: field("tag"),
        ..Mapping::default()
    };
    check(none.clone(), "x", r#"{"ts":1,"device":"p","a":1}"#, "!no-value");
    check(
        none.clone(),
        "x",
        r#"{"ts":1,"device":"p","value":1}"#,
        "!no-channel",
    );
    check(none, "x/y", "1", "!no-channel");
}

#[test]
fn a_bare_number_is_named_by_its_topic() {
    let check = |topic: &str, payload: &str, expect: &str| {
        let told = told(&decoded(
            Mapping::default(),
            None,
            Some(topic),
            payload.as_bytes(),
        ));
        assert_eq!(
            told.replace(" 2023-11-14T22:13:20Z", ""),
            expect,
            "{topic} {payload}"
        );
    };
    check("plant/p/temp", "21.5", "p ~temp=21.5");
    check("plant/p/temp", " 21.5\n", "p ~temp=21.5");
    check("p/temp", "true", "p ~temp=1");
    check("p/temp", "\"7\"", "p ~temp=7");
    check("p/temp", "null", "p ~temp=-");
    check("p/temp", "nan", "p ~temp=-");
    check("p/temp", "1e999", "!bad-value");
    check("p/temp", "on", "!not-json");
    check("p/", "1", "!no-channel");
    check("/temp", "1", "!bad-name");
    check("temp", "1", "!no-device");
    let of_device = decoded(Mapping::default(), Some("d"), Some("p/temp"), b"1");
    assert_eq!(told(&of_device), "d 2023-11-14T22:13:20Z ~temp=1");
}

#[test]
fn messages_alike_share_their_layout_and_device() {
    let mut decoder = Decoder::new("test".into(), Mapping::default(), None);
    let mut into = Decoded::default();
    for payload in [
        r#"{"ts":1,"device":"p","a":1,"b":2}"#,
        r#"{"ts":1,"device":"p","b":1,"a":2}"#,
        r#"{"ts":2,"device":"p","values":{"a":1,"b":2}}"#,
    ] {
        decoder.message(None, payload.as_bytes(), NOW, &mut into);
    }
    let [first, other, again] = into.arrivals.as_slice() else {
        panic!("{:?}", into.quarantined)
    };
    assert!(Arc::ptr_eq(&first.layout, &again.layout) && !Arc::ptr_eq(&first.layout, &other.layout));
    assert!(Arc::ptr_eq(&first.series, &again.series));
}

/// Pieces of messages: random text alone would seldom get past the first byte.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 28] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\"ts\":",
        "\"timestamp\":",
        "\"device\":",
        "\"values\":",
        "\"p\"",
        "\"a\":",
        "\"b\":",
        "1",
        "-1.5",
        "1e999",
        "null",
        "true",
        "\"on\"",
        "\"\"",
        " ",
        "\n",
        "1700000000",
        "\"value\":",
        "\"channel\":",
        "\u{e9}",
    ];
    let piece = prop_oneof![
        9 => (0..PIECES.len()).prop_map(|idx| PIECES[idx].as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_arrives_is_an_arrival_or_in_quarantine(payload in pieces(), topic in "[a-z/]{0,8}") {
        let decoded = decoded(Mapping::default(), None, Some(&topic), &payload);
        prop_assert!(!decoded.arrivals.is_empty() || !decoded.quarantined.is_empty());
        for arrival in &decoded.arrivals {
            prop_assert_eq!(arrival.values.len(), arrival.layout.channels.len());
            prop_assert!(!arrival.values.is_empty() && !arrival.values.iter().any(|value| value.is_infinite()));
        }
        for entry in &decoded.quarantined {
            prop_assert!(Reason::ALL.iter().any(|reason| reason.word() == entry.reason));
            prop_assert!(!entry.detail.contains('\0'));
        }
    }

    #[test]
    fn a_number_has_the_bits_it_has_in_a_table(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let payload = format!(r#"{{"ts":1,"device":"p","a":{value:?}}}"#);
        let decoded = decoded(Mapping::default(), None, None, payload.as_bytes());
        prop_assert_eq!(decoded.arrivals[0].values[0].to_bits(), bits);
    }
}
