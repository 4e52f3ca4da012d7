"""Exports: choices as Parquet by date, crash-safe, each run adding what is new."""
