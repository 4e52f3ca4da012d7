"""Print the tokens of a log by model and day."""

import sys

import polars as pl

NAMES = ("prompt_tokens", "completion_tokens", "total_tokens")
SCHEMA = {
    "model": pl.String,
    "created": pl.Int64,
    "usage": pl.Struct(dict.fromkeys(NAMES, pl.Int64)),
}
print(
    pl.scan_ndjson(sys.argv[1], schema=SCHEMA)
    .group_by(pl.from_epoch("created").dt.date().alias("period"), "model")
    .agg(
        pl.len().alias("responses"),
        *(pl.col("usage").struct.field(name).sum() for name in NAMES),
    )
    .sort("period", "model")
    .collect(engine="streaming")
    .write_csv()
)
