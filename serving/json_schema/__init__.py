"""What callers send and read, as JSON Schema: of types in Python and in Avro, in people's words, in a document, and
whether a changed one still serves those who know the one before.

Start reading at `json_type.py` (a type of an endpoint), then `compatibility.py` and `values.py` (what breaks callers).
"""
