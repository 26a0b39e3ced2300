"""`millrace erase`: one person's events and rows found everywhere, removed, and looked for again.

Start reading at `erasure.py`, then `storages.py`, `archives.py` and `logs.py`, the three kinds of places; `report.py`
is what is said of them.
"""
