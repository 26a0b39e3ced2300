"""SQLite and PostgreSQL. Start reading at `relational.py`; `sqlite.py` and `postgresql.py` are its two databases."""
