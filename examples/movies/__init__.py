"""A data product: films recommended from the ratings of MovieLens 100K. Start reading at `learners.py`."""
