"""What must outlive the process while nobody takes it: a bounded queue of records in files. Start at `spool.py`."""

from serving.spool.segment import Found, Place
from serving.spool.spool import Spool

__all__ = ["Found", "Place", "Spool"]
