"""Data products that are sent to a running service and to its workers.

Start reading at `archive.py` (what is sent), `store.py` (what is shared by a compacted topic, and what is on this
machine's disk), then `receiver.py` (the service: checks, and takes up) and `crews.py` (the workers).
"""
