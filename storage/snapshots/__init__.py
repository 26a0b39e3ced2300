"""Trained models as bytes: checksummed values, without pickle, and how a model is taken apart, merged and filled again.

Start reading at `snapshot.py`."""
