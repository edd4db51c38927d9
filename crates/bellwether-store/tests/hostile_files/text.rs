//! Text: encodings, cells, rows, times, JSON, line protocol.

use super::{File, csv, file};

const NOT_UTF_8: &str = "not UTF-8";

pub(crate) fn all() -> Vec<File> {
    let mut files = encodings();
    files.extend(shapes());
    files.extend(cells());
    files.extend(json());
    files.extend(line_protocol());
    files
}

fn utf_16(text: &str, is_big: bool) -> Vec<u8> {
    let unit = |unit: u16| {
        if is_big {
            unit.to_be_bytes()
        } else {
            unit.to_le_bytes()
        }
    };
    text.encode_utf16().flat_map(unit).collect()
}

fn encodings() -> Vec<File> {
    let text = "timestamp,temp\n2024-01-01,1\n2024-01-02,2\n";
    let utf_32: Vec<u8> = text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
    let twice = [b"\xef\xbb\xbf\xef\xbb\xbf", text.as_bytes()].concat();
    vec![
        file(
            "utf16_le_mark.csv",
            utf_16(&format!("\u{feff}{text}"), false),
            "UTF-16",
        ),
        file(
            "utf16_be_mark.csv",
            utf_16(&format!("\u{feff}{text}"), true),
            "UTF-16",
        ),
        file("utf16_le.csv", utf_16(text, false), "UTF-16"),
        file("utf16_be.csv", utf_16(text, true), "UTF-16"),
        file("utf32.csv", utf_32, "save it as UTF-8"),
        file(
            "latin1_name.csv",
            &b"timestamp,temp\xe9rature\n2024-01-01,1\n"[..],
            NOT_UTF_8,
        ),
        file(
            "latin1_cell.csv",
            &b"timestamp,temp\n2024-01-01,1\n2024-01-02,\xb0\n"[..],
            "not a number",
        ),
        file(
            "shift_jis.csv",
            &b"\x8e\x9e\x8d\x8f,\x89\xb7\x93x\n2024-01-01,1\n"[..],
            NOT_UTF_8,
        ),
        file(
            "ebcdic.csv",
            &b"\xa3\x89\x94\x85k\xa3\x85\x94\x97\x25\xf2\xf0\xf2\xf4k\xf1\x25"[..],
            NOT_UTF_8,
        ),
        file(
            "overlong.csv",
            &b"time\xc0\xafstamp,temp\n2024-01-01,1\n"[..],
            NOT_UTF_8,
        ),
        file("marks_twice.csv", twice, ""),
        file("mark_only.csv", &b"\xef\xbb\xbf"[..], "the file is empty"),
        file("zeros.csv", vec![0; 1 << 20], "a binary file"),
        file(
            "zero_in_cell.csv",
            &b"timestamp,temp\n2024-01-01,\x001\n"[..],
            "a binary file",
        ),
        file(
            "zero_late.csv",
            [csv(60_000, 3).as_bytes(), b"1700100000,\0,1,2\n"].concat(),
            "not a number",
        ),
        file("escapes.csv", &b"timestamp,\x1b[31mtemp\n2024-01-01,1\n"[..], ""),
        file(
            "random.csv",
            (0..50_000_u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect::<Vec<_>>(),
            "",
        ),
    ]
}

fn shapes() -> Vec<File> {
    let many_names = |n: usize| (0..n).fold("timestamp".to_owned(), |text, c| text + ",c" + &c.to_string());
    let wide = csv(3, 100_000);
    let late_short = csv(20_000, 3) + "1700100000,1\n";
    let late_long = csv(20_000, 3) + "1700100000,1,2,3,4\n";
    let megabytes = |n: usize| "x".repeat(n << 20);
    vec![
        file("empty.csv", "", "the file is empty"),
        file("empty.parquet", "", "the file is empty"),
        file("blank.csv", " \n\t\n \n", ""),
        file("line_feeds.csv", "\n".repeat(1 << 20), "the file is empty"),
        file("carriage_returns.csv", "\r".repeat(1 << 20), "the file is empty"),
        file("comments.csv", "# no\n".repeat(1000), "the file is empty"),
        file("delimiters.csv", ",,,\n".repeat(1000), ""),
        file("delimiters_only.csv", ",".repeat(1 << 20), ""),
        file("quotes_only.csv", "\"".repeat((1 << 20) + 1), ""),
        file("header.csv", "timestamp,temp", "a header but no row"),
        file("header_end.csv", "timestamp,temp\n", "a header but no row"),
        file("one_row.csv", "timestamp,temp\n2024-01-01,1", "read: 1 samples"),
        file(
            "one_row.jsonl",
            "{\"timestamp\":\"2024-01-01\",\"temp\":1}",
            "read: 1 samples",
        ),
        file("one_row.lp", "m a=1 1", "read: 1 samples"),
        file("no_header.csv", "2024-01-01,1\n2024-01-02,2\n", "not names"),
        file("short_row.csv", late_short, "line 20002: 2 cells"),
        file("long_row.csv", late_long, "line 20002: 5 cells"),
        file("columns_100000.csv", wide.as_bytes(), "read: 3 samples"),
        file(
            "columns_100000_alike.csv",
            "timestamp".to_owned() + &",a".repeat(100_000) + "\n1,2\n",
            "both called",
        ),
        file(
            "columns_100000_nameless.csv",
            "timestamp".to_owned() + &",".repeat(100_000) + "\n1,2\n",
            "",
        ),
        file(
            "columns_1000000_header.csv",
            many_names(1_000_000) + "\n",
            "a header but no row",
        ),
        file(
            "columns_100000_short.csv",
            many_names(100_000) + "\n2024-01-01,1\n",
            "",
        ),
        file(
            "field_8_mib.csv",
            format!("timestamp,temp\n2024-01-01,{}\n", megabytes(8)),
            "holds text",
        ),
        file(
            "field_8_mib_quoted.csv",
            format!("timestamp,temp\n2024-01-01,\"{}\"\n", megabytes(8)),
            "holds text",
        ),
        file(
            "field_40_mib.csv",
            format!("timestamp,temp\n2024-01-01,{}\n", megabytes(40)),
            "goes on for more than",
        ),
        file(
            "field_40_mib_quoted.csv",
            format!("timestamp,temp\n2024-01-01,\"{}", megabytes(40)),
            "goes on for more",
        ),
        file(
            "name_8_mib.csv",
            format!("timestamp,{}\n2024-01-01,1\n", megabytes(8)),
            "",
        ),
        file(
            "open_quote.csv",
            csv(1000, 2) + "1700100000,\"1,2\n" + &csv(1000, 2),
            "never closed",
        ),
        file(
            "quote_inside.csv",
            "timestamp,temp\n2024-01-01,1\"2\n",
            "holds text",
        ),
        file(
            "same_time.csv",
            "timestamp,temp\n".to_owned() + &"2024-01-01,1\n".repeat(500_000),
            "read: 1 samples",
        ),
        file(
            "series_100000.csv",
            (0..100_000).fold("timestamp,device,a\n".to_owned(), |t, n| {
                t + &format!("2024-01-01,d{n},1\n")
            }),
            "read: 100000",
        ),
        file(
            "long_sparse.csv",
            (0..60_000).fold("timestamp,channel,value\n".to_owned(), |t, n| {
                t + &format!("{},c{n},1\n", 1_700_000_000 + n)
            }),
            "too many to hold",
        ),
    ]
}

fn cells() -> Vec<File> {
    let with = |time: &str, value: &str| format!("timestamp,temp\n2024-01-01T00:00:00Z,1\n{time},{value}\n");
    let time = "2024-01-01T00:01:00Z";
    vec![
        file(
            "year_9999.csv",
            with("9999-12-31T23:59:59Z", "1"),
            "is not a time",
        ),
        file(
            "year_0000.csv",
            with("0000-01-01T00:00:00Z", "1"),
            "is not a time",
        ),
        file(
            "year_12024.csv",
            with("12024-01-01T00:00:00Z", "1"),
            "is not a time",
        ),
        file(
            "year_2262.csv",
            with("2262-05-01T00:00:00Z", "1"),
            "is not a time",
        ),
        file(
            "february_30.csv",
            with("2024-02-30T00:00:00Z", "1"),
            "is not a time",
        ),
        file("hour_24.csv", with("2024-01-01T24:00:00Z", "1"), "is not a time"),
        file("leap_second.csv", with("2024-01-01T00:00:60Z", "1"), "read: 2"),
        file(
            "offset_99.csv",
            with("2024-01-01T00:00:00+99:00", "1"),
            "is not a time",
        ),
        file(
            "fraction_long.csv",
            with(&format!("2024-01-01T00:01:00.{}Z", "9".repeat(100_000)), "1"),
            "",
        ),
        file(
            "count_huge.csv",
            "timestamp,temp\n99999999999999999999999,1\n",
            "",
        ),
        file("count_last.csv", "timestamp,temp\n9223372036854775807,1\n", ""),
        file("count_first.csv", "timestamp,temp\n-9223372036854775808,1\n", ""),
        file(
            "counts_of_two_units.csv",
            "timestamp,temp\n1700000000,1\n1700000060000,2\n",
            "",
        ),
        file("exponent.csv", with(time, "1e999"), "is infinite"),
        file(
            "exponent_long.csv",
            with(time, &format!("1e{}", "9".repeat(100_000))),
            "is infinite",
        ),
        file("digits.csv", with(time, &"9".repeat(100_000)), "is infinite"),
        file(
            "decimals.csv",
            with(time, &format!("0.{}1", "0".repeat(100_000))),
            "read: 2",
        ),
        file("infinite.csv", with(time, "-Infinity"), "is infinite"),
        file("hex.csv", with(time, "0x1p3"), "not a number"),
        file("comma.csv", with(time, "\"1.234,5\""), "comma inside a number"),
        file("formula.csv", with(time, "=1+1"), "not a number"),
        file("digits_of_elsewhere.csv", with(time, "١٢٣"), "not a number"),
        file("minus_zero.csv", with(time, "-0"), "read: 2"),
    ]
}

fn json() -> Vec<File> {
    let line = |value: &str| format!("{{\"timestamp\":\"2024-01-01\",\"temp\":{value}}}\n");
    let two = |value: &str| line("1") + &line(value);
    let wide = (0..100_000).fold("{\"timestamp\":\"2024-01-01\"".to_owned(), |text, c| {
        text + &format!(",\"c{c}\":1")
    });
    let new_keys = (0..100_000).fold(String::new(), |text, c| {
        text + &format!("{{\"timestamp\":{c},\"c{c}\":1}}\n")
    });
    vec![
        file(
            "deep_list.jsonl",
            line(&("[".repeat(1_000_000) + &"]".repeat(1_000_000))),
            "",
        ),
        file(
            "deep_object.jsonl",
            "{\"a\":".repeat(1_000_000) + "1" + &"}".repeat(1_000_000),
            "",
        ),
        file("deep_open.jsonl", "[".repeat(5_000_000), "JSON list"),
        file("nested.jsonl", two("{\"a\":1}"), "holds an object or a list"),
        file(
            "text_8_mib.jsonl",
            line(&format!("\"{}\"", "x".repeat(8 << 20))),
            "",
        ),
        file(
            "line_40_mib.jsonl",
            "{\"a\":\"".to_owned() + &"x".repeat(40 << 20),
            "goes on for more than",
        ),
        file(
            "open_text.jsonl",
            "{\"timestamp\":\"2024-01-01\",\"temp",
            "not a JSON object",
        ),
        file("keys_100000.jsonl", wide + "}\n", "read: 1 samples"),
        file("keys_new.jsonl", new_keys, "each but few"),
        file("key_twice.jsonl", two("1,\"temp\":2"), "stands twice"),
        file("key_empty.jsonl", two("1,\"\":2"), ""),
        file(
            "key_late.jsonl",
            line("1").repeat(40_000) + &line("1,\"late\":1"),
            "first appears here",
        ),
        file("nan.jsonl", two("NaN"), "read: 1 samples"),
        file("infinity.jsonl", two("Infinity"), "not a JSON object"),
        file("number_huge.jsonl", two("1e400"), "is infinite"),
        file("number_long.jsonl", two(&"1".repeat(300)), "read: 1"),
        file("surrogate.jsonl", two("\"\\ud800\""), ""),
        file("escape.jsonl", two("\"\\x41\""), "not a JSON object"),
        file(
            "utf8.jsonl",
            b"{\"timestamp\":\"2024-01-01\",\"te\xffmp\":1}\n".to_vec(),
            NOT_UTF_8,
        ),
        file(
            "scalars.jsonl",
            "{\"timestamp\":1,\"temp\":1}\n1\n2\n",
            "not a JSON object",
        ),
        file("trailing_comma.jsonl", two("1,"), "not a JSON object"),
        file(
            "two_in_a_line.jsonl",
            line("1").trim().to_owned() + &line("2"),
            "not a JSON object",
        ),
        file("empty_objects.jsonl", "{}\n".repeat(1000), ""),
        file(
            "pretty.jsonl",
            "{\n\"timestamp\": 1,\n\"temp\": 2\n}\n",
            "not a JSON object",
        ),
        file("list.json", "[{\"timestamp\":1,\"temp\":2}]", "JSON list"),
    ]
}

fn line_protocol() -> Vec<File> {
    let two = |line: &str| format!("m a=1 1700000000\n{line}\n");
    let wide = (0..100_000).fold("m a=1".to_owned(), |text, c| text + &format!(",c{c}=1"));
    let tags = (0..10_000).fold("m".to_owned(), |text, c| text + &format!(",t{c}=1"));
    vec![
        file("no_field.lp", two("m 1700000001"), "not InfluxDB line protocol"),
        file("no_time.lp", two("m a=1"), "the row has no time"),
        file("backslash.lp", two("m\\"), ""),
        file(
            "quote.lp",
            two("m a=\"x 1700000001"),
            "not InfluxDB line protocol",
        ),
        file(
            "quote_long.lp",
            two(&("m a=\"".to_owned() + &"x\n".repeat(500_000))),
            "",
        ),
        file("fields_100000.lp", wide + " 1700000000\n", "read: 1 samples"),
        file("tags_10000.lp", tags + " a=1 1700000000\n", "read: 1 samples"),
        file("tag_twice.lp", two("m,t=1,t=2 a=1 1700000001"), ""),
        file("field_twice.lp", two("m a=1,a=2 1700000001"), ""),
        file(
            "time_huge.lp",
            two("m a=1 99999999999999999999"),
            "not InfluxDB line protocol",
        ),
        file("time_last.lp", "m a=1 9223372036854775807\n", "read: 1"),
        file("time_negative.lp", "m a=1 -1\n", "read: 1"),
        file("number_huge.lp", two("m a=1e999 1700000001"), ""),
        file(
            "integer_huge.lp",
            two("m a=99999999999999999999i 1700000001"),
            "not InfluxDB line protocol",
        ),
        file(
            "utf8.lp",
            [b"m a=1 1700000000\nm \xff=1 1700000001\n".as_slice()].concat(),
            NOT_UTF_8,
        ),
    ]
}
