"""Who may ask what: keys with scopes, their rates, sessions of the console, and the record of what was changed.

`Gate` stands before all routes and decides by `rules.py` alone, so that no route needs to know of keys. Pure parts:
`keys.py`, `bucket.py`, `rules.py`, `listening.py`. Start reading at `gate.py`.
"""

from serving.access.access import Access
from serving.access.audit import AuditLog
from serving.access.gate import Gate
from serving.access.key_file import KeyFile
from serving.access.listening import is_here, must_be_guarded

__all__ = ["Access", "AuditLog", "Gate", "KeyFile", "is_here", "must_be_guarded"]
