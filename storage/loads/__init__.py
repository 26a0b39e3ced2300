"""Models from files: Parquet, Arrow, CSV and NDJSON become a new version of a storage.

Start reading at `load.py`."""
