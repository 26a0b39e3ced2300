"""External sources: tables and files of other teams, kept as snapshots in the archive, and emitted as events.

Start reading at `declaration.py` (what `[sources.prices]` in product.toml says), then `snapshot.py`.
"""
