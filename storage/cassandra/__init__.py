"""Cassandra. Start reading at `cassandra.py`."""
