"""What rows mean: counters, rankings, records, vectors, parameters and documents; each with its writer and its reader.

Knows no technology: a format is written once over the primitives of `technology.py`. Start reading at `counters.py`;
`window.py` has the windows of event time that counters and rankings may be kept by."""
