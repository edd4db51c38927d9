"""Writes the files of this folder: one small series in the formats that other programs write.

    python fixtures.py

Made with pyarrow 26.0.1, pandas 3.1.1, polars 2.1.0 and fastparquet 2026.9.0. `tests/formats.rs` reads every file here
and wants the same two samples: 2024-01-01T00:00:00Z with temp 1.5 and load 2, a minute later temp 1.25 and load missing.
"""

import decimal
import gzip
import pathlib

import fastparquet
import pandas
import polars
import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet

FOLDER = pathlib.Path(__file__).resolve().parent
SECONDS = [1_704_067_200, 1_704_067_260]
TEMP = [1.5, 1.25]
LOAD = [2.0, None]
TEXT = ["2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z"]


def times(unit, zone=None):
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    return pyarrow.array([second * factor for second in SECONDS], pyarrow.timestamp(unit, zone))


def table(time, temp=None, load=None, names=("timestamp", "temp", "load")):
    temp = pyarrow.array(TEMP, pyarrow.float64()) if temp is None else temp
    load = pyarrow.array(LOAD, pyarrow.float64()) if load is None else load
    return pyarrow.table([time, temp, load], names=list(names))


def parquet(name, data, **options):
    pyarrow.parquet.write_table(data, FOLDER / f"{name}.parquet", **options)


def arrow_file(name, data, compression=None):
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with pyarrow.ipc.new_file(FOLDER / name, data.schema, options=options) as out:
        out.write_table(data)


def arrow_stream(name, data, **options):
    with pyarrow.ipc.new_stream(FOLDER / name, data.schema, options=pyarrow.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(data)


def zstd(data):
    return pyarrow.compress(data, codec="zstd", asbytes=True)


def all_parquet():
    for unit in ("ms", "us", "ns"):
        parquet(f"time_{unit}", table(times(unit)))
    parquet("time_utc", table(times("us", "UTC")))
    parquet("time_zone", table(times("us", "Europe/Berlin")))
    parquet("time_int96", table(times("ns")), use_deprecated_int96_timestamps=True)
    parquet("time_text", table(pyarrow.array(TEXT)))
    parquet("time_dictionary", table(pyarrow.array(TEXT).dictionary_encode()))
    parquet("time_counts", table(pyarrow.array(SECONDS, pyarrow.int64())))
    parquet("time_real_counts", table(pyarrow.array(SECONDS, pyarrow.float64())))
    ints = pyarrow.array([2, None], pyarrow.int32())
    decimals = pyarrow.array([decimal.Decimal("1.50"), decimal.Decimal("1.25")], pyarrow.decimal128(9, 2))
    parquet("values_small", table(times("us"), pyarrow.array(TEMP, pyarrow.float32()), ints))
    parquet("values_decimal", table(times("us"), decimals, pyarrow.array([2, None], pyarrow.uint64())))
    parquet("values_half", table(times("us"), pyarrow.array(TEMP, pyarrow.float16())))
    parquet("values_text", table(times("us"), pyarrow.array(["1.5", "1.25"]), pyarrow.array(["2", "NA"])))
    for packing in ("none", "snappy", "gzip", "zstd", "lz4"):
        parquet(f"packed_{packing}", table(times("us")), compression=packing)
    parquet("pages_v2", table(times("us")), data_page_version="2.0", use_dictionary=False)
    parquet("split", table(times("us")), use_dictionary=False, use_byte_stream_split=True)
    parquet("groups", table(times("us")), row_group_size=1)
    name = pyarrow.array(["temp", "load", "temp"])
    time = pyarrow.array([SECONDS[0], SECONDS[0], SECONDS[1]], pyarrow.timestamp("s"))
    long = pyarrow.table([time, name, pyarrow.array([1.5, 2.0, 1.25])], names=["time", "channel", "value"])
    # The second instant has no load: that is how a long table says so.
    parquet("long", long)
    frame = pandas.DataFrame({"temp": TEMP, "load": LOAD}, index=pandas.to_datetime(TEXT))
    frame.to_parquet(FOLDER / "pandas_index.parquet")
    frame = frame.rename_axis("when").reset_index()
    frame.to_parquet(FOLDER / "pandas.parquet")
    fastparquet.write(str(FOLDER / "fastparquet.parquet"), frame)
    polars.DataFrame(table(times("us"))).write_parquet(FOLDER / "polars.parquet")
    data = (FOLDER / "time_us.parquet").read_bytes()
    (FOLDER / "archive.parquet.gz").write_bytes(gzip.compress(data, mtime=0))
    (FOLDER / "archive.parquet.zst").write_bytes(zstd(data))


def all_arrow():
    for unit in ("s", "ms", "us", "ns"):
        arrow_file(f"time_{unit}.arrow", table(times(unit)))
    arrow_file("time_utc.arrow", table(times("ns", "UTC")))
    arrow_file("time_dictionary.arrow", table(pyarrow.array(TEXT).dictionary_encode()))
    arrow_file("packed_lz4.arrow", table(times("us")), "lz4")
    arrow_file("packed_zstd.arrow", table(times("us")), "zstd")
    arrow_file("views.arrow", table(pyarrow.array(TEXT, pyarrow.string_view())))
    arrow_file("large_text.arrow", table(pyarrow.array(TEXT, pyarrow.large_string())))
    arrow_stream("stream.arrows", table(times("ms")))
    arrow_stream("stream_packed.arrows", table(times("ms")), compression="zstd")
    pyarrow.feather.write_feather(table(times("us")), str(FOLDER / "feather.feather"))
    pandas.DataFrame({"ts": pandas.to_datetime(TEXT), "temp": TEMP, "load": LOAD}).to_feather(FOLDER / "pandas.feather")
    polars.DataFrame(table(times("us"))).write_ipc(FOLDER / "polars.arrow", compression="zstd")
    data = (FOLDER / "stream.arrows").read_bytes()
    (FOLDER / "archive.arrows.gz").write_bytes(gzip.compress(data, mtime=0))


def all_text():
    rows = [f'{{"timestamp":"{time}","temp":{temp},"load":{load}}}' for time, temp, load in
            zip(TEXT, ("1.5", "1.25"), ("2", "null"))]
    lines = "\n".join(rows) + "\n"
    frame = pandas.DataFrame({"time": pandas.to_datetime(TEXT), "temp": TEMP, "load": LOAD})
    texts = {
        "lines.jsonl": lines,
        "lines_sparse.jsonl": lines.replace(',"load":null', ""),
        "lines_order.jsonl": lines.replace(f'"timestamp":"{TEXT[1]}","temp":1.25', f'"temp":1.25,"timestamp":"{TEXT[1]}"'),
        "lines_nan.jsonl": lines.replace("null", "NaN"),
        "lines_counts.jsonl": lines.replace(f'"{TEXT[0]}"', "1704067200000").replace(f'"{TEXT[1]}"', "1704067260000"),
        "lines_text.jsonl": lines.replace("1.25", '"1.25"').replace("\n", "\r\n"),
        "lines_bom.jsonl": "\ufeff" + lines,
        "lines_long.jsonl": "".join(
            f'{{"ts":"{time}","channel":"{name}","value":{value}}}\n'
            for time, name, value in [(TEXT[0], "temp", 1.5), (TEXT[0], "load", 2), (TEXT[1], "temp", 1.25)]
        ),
        "pandas.jsonl": frame.to_json(orient="records", lines=True, date_format="iso"),
        "pandas_counts.jsonl": frame.assign(time=SECONDS).to_json(orient="records", lines=True),
        "seconds.lp": "m temp=1.5,load=2i 1704067200\nm temp=1.25 1704067260\n",
        "nanoseconds.lp": "m temp=1.5,load=2u 1704067200000000000\nm temp=1.25 1704067260000000000\n",
        "milliseconds.lp": "# made by hand\n\nm temp=1.5,load=2 1704067200000\r\nm temp=1.25 1704067260000\r\n",
        "apart.lp": "m temp=1.5 1704067200\nm load=2 1704067200\nm temp=1.25 1704067260\n",
        "pandas.csv": frame.to_csv(index=False),
        "pandas_index.csv": frame.to_csv(),
        "pandas_semicolon.csv": frame.to_csv(sep=";", index=False),
        "polars.tsv": polars.DataFrame(frame).write_csv(separator="\t"),
    }
    for name, text in texts.items():
        (FOLDER / name).write_bytes(text.encode())
    (FOLDER / "archive.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    (FOLDER / "archive.lp.zst").write_bytes(zstd(texts["seconds.lp"].encode()))


all_parquet()
all_arrow()
all_text()
