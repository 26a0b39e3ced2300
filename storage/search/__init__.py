"""OpenSearch. Start reading at `search.py`."""
