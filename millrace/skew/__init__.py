"""`millrace skew`: features as they were served beside the same features as the archive gives them for that moment.

Start reading at `run.py`; `comparison.py` is what is compared and how, without I/O.
"""
