//! What must be said of each file of `tests/bad`.

/// File or folder under `tests/bad`, and what its message must say.
pub(crate) const CASES: &[(&str, &[&str])] = &[
    ("empty.csv", &[": the file is empty"]),
    ("blank.csv", &[": the file is empty"]),
    ("header_only.csv", &["line 1: there is a header but no row"]),
    (
        "no_header.csv",
        &["line 1: the first row holds values (\"2024-01-01T00:00:00Z\")"],
    ),
    (
        "no_header_numbers.csv",
        &["line 1: the first row holds values (\"1\")"],
    ),
    (
        "commented_header.csv",
        &["line 2: the first row holds values", "is a comment, not a header"],
    ),
    (
        "duplicate_column.csv",
        &["line 1, column \"temp\": columns 2 and 4"],
    ),
    (
        "nameless_column.csv",
        &["line 1: column 2 has values but no name"],
    ),
    (
        "half_nameless_column.csv",
        &["line 1: column 3 has values but no name"],
    ),
    (
        "late_nameless_value.csv",
        &["line 122: column 3 has values but no name"],
    ),
    ("one_column.csv", &["line 1: only one column (\"value\")"]),
    ("spaces.csv", &["only one column"]),
    (
        "no_time.csv",
        &[
            "no column reads as time among \"temp\", \"load\"",
            "--time-column",
        ],
    ),
    (
        "ambiguous_date.csv",
        &["line 1, column \"date\": \"03/04/2024 10:00\" is not a time"],
    ),
    (
        "impossible_date.csv",
        &["line 3, column \"timestamp\": \"2024-02-30\" is not a time"],
    ),
    ("named_zone.csv", &["\"2024-02-29T00:00:00 CET\" is not a time"]),
    (
        "changed_time_format.csv",
        &["line 3, column \"timestamp\": \"1704067260\" is not a time as the rows before"],
    ),
    (
        "missing_time.csv",
        &["line 3, column \"timestamp\": the row has no time"],
    ),
    (
        "time_runs_back.csv",
        &[
            "line 4, column \"timestamp\": time runs backwards: 2024-01-01T00:01:00Z comes after 2024-01-01T00:02:00Z",
        ],
    ),
    ("clock_change.csv", &["line 3", "clock change"]),
    ("counts_fall.csv", &["line 1, column \"time\": these counts fall"]),
    (
        "text_column.csv",
        &[
            "column \"status\": holds text (\"RUN\")",
            "--ignore-column \"status\"",
        ],
    ),
    ("second_time_column.csv", &["column \"received\": holds text"]),
    (
        "text_cell.csv",
        &["line 3, column \"temp\": \"I/O Timeout\" is not a number"],
    ),
    (
        "unit_in_cell.csv",
        &["line 2, column \"temp\": \"1 V\" is not a number"],
    ),
    (
        "two_points.csv",
        &["line 3, column \"temp\": \"1.2.3\" is not a number"],
    ),
    ("infinite.csv", &["line 3, column \"load\": \"inf\" is infinite"]),
    (
        "overflow.csv",
        &["line 3, column \"temp\": \"1e999\" is infinite"],
    ),
    (
        "decimal_comma.csv",
        &["line 2, column \"temp\": \"3,14\" has a comma inside a number"],
    ),
    (
        "quoted_decimal_comma.csv",
        &["line 2, column \"temp\": \"3,14\" has a comma"],
    ),
    (
        "thousands.csv",
        &["line 3, column \"temp\": \"1,234.5\" has a comma"],
    ),
    (
        "short_row.csv",
        &["line 3: 2 cells where the header has 3 columns"],
    ),
    (
        "long_row.csv",
        &["line 3: 3 cells where the header has 2 columns"],
    ),
    ("unquoted_decimal_comma.csv", &["line 3: 3 cells"]),
    ("cut_last_row.csv", &["line 3: 2 cells"]),
    ("ragged_after_breaks.csv", &["line 6: 1 cells"]),
    (
        "open_quote.csv",
        &[
            "line 3: 1 cells where the header has 2",
            "quotation mark never closed",
        ],
    ),
    (
        "latin1.csv",
        &["line 1: the text is not UTF-8", "save the file as UTF-8"],
    ),
    (
        "latin1_series.csv",
        &["line 3, column \"device\": the text is not UTF-8"],
    ),
    ("latin1_cell.csv", &["line 3, column \"temp\"", "is not a number"]),
    ("utf16.csv", &["this is UTF-16 text (save it as UTF-8)"]),
    (
        "label_text.csv",
        &["line 3, column \"label\": \"attack\" is not a label"],
    ),
    (
        "label_empty.csv",
        &["line 3, column \"is_anomaly\": \"\" is not a label"],
    ),
    (
        "changepoint_two.csv",
        &["line 3, column \"changepoint\": \"2\" is not a label"],
    ),
    ("only_labels.csv", &["no channel: at least one numeric column"]),
    (
        "two_series_columns.csv",
        &[
            "\"device\" and \"asset_id\" could both name the series",
            "--series-column",
        ],
    ),
    (
        "empty_series.csv",
        &["line 3, column \"device\": the row names no series"],
    ),
    (
        "series_runs_back.csv",
        &["line 4, column \"timestamp\": time runs backwards"],
    ),
    (
        "long_text.csv",
        &["line 3, column \"value\": \"on\" is not a number"],
    ),
    (
        "long_no_channel.csv",
        &["line 3, column \"channel\": the row names no channel"],
    ),
    (
        "long_beside.csv",
        &["column \"temp\": a table with the columns channel and value"],
    ),
    (
        "long_value_reads_as_time.csv",
        &["line 1, column \"timestamp\": \"x\" is not a time"],
    ),
    (
        "long_runs_back.csv",
        &["line 4, column \"timestamp\": time runs backwards"],
    ),
    ("cut.parquet", &["the file is damaged or cut short"]),
    ("cut.arrow", &["the file is damaged or cut short (it breaks off)"]),
    ("array.json", &["this is a JSON list (write one object a line"]),
    (
        "nested.jsonl",
        &[
            "line 2, column \"temp\": holds an object or a list",
            "\"temp.part\": 1",
            "--ignore-column",
        ],
    ),
    (
        "pretty.jsonl",
        &[
            "line 1: the line is not a JSON object",
            "a whole object on each line",
        ],
    ),
    (
        "duplicate_key.jsonl",
        &["line 2, column \"temp\": the key stands twice"],
    ),
    (
        "text_cell.jsonl",
        &["line 2, column \"temp\": \"on\" is not a number"],
    ),
    (
        "cut.jsonl",
        &["line 2: the line is not a JSON object (EOF while parsing"],
    ),
    (
        "no_time.jsonl",
        &["no column reads as time among \"temp\"", "--time-column"],
    ),
    ("bad_line.lp", &["line 2: the line is not InfluxDB line protocol"]),
    ("no_time.lp", &["line 2: the row has no time"]),
    (
        "text_field.lp",
        &[
            "line 1, column \"status\": holds text (\"RUN\")",
            "--ignore-column \"status\"",
        ],
    ),
    ("time_runs_back.lp", &["line 2: time runs backwards"]),
    (
        "two_series_tags.lp",
        &["could both name the series", "--series-column"],
    ),
    (
        "label_missing.lp",
        &["line 2, column \"is_anomaly\": \"\" is not a label"],
    ),
    ("utf16_no_mark.csv", &["this is UTF-16 text (save it as UTF-8)"]),
    (
        "list_column.parquet",
        &["column \"parts\": holds a list", "--ignore-column \"parts\""],
    ),
    (
        "infinite.parquet",
        &["row 2, column \"temp\": \"inf\" is infinite"],
    ),
    (
        "time_runs_back.parquet",
        &["row 2, column \"timestamp\": time runs backwards"],
    ),
    (
        "missing_time.parquet",
        &["row 2, column \"timestamp\": the row has no time"],
    ),
    (
        "text_column.parquet",
        &[
            "column \"status\": holds text (\"a\")",
            "--ignore-column \"status\"",
        ],
    ),
    ("year_9999.parquet", &["253402300799000 of a time type"]),
    ("no_row.parquet", &["there is a header but no row"]),
    ("struct_column.feather", &["column \"parts\": holds an object"]),
    (
        "v1.feather",
        &["a Feather file of version 1 (write it as version 2)"],
    ),
    ("spreadsheet.csv", &["zip archive (or a spreadsheet)"]),
    ("binary.csv", &["this is a binary file"]),
    ("cut.csv.gz", &["the file is cut short or damaged"]),
    ("twice.csv.gz", &["archive within an archive"]),
    ("bytes_after.csv.gz", &["the file is cut short or damaged"]),
    ("cut.csv.zst", &["the file is cut short or damaged"]),
    ("no_data", &["no_data: no data file in this folder"]),
    ("spreadsheets_only", &["no data file in this folder"]),
    ("not_there.csv", &["not_there.csv: cannot be opened"]),
];
