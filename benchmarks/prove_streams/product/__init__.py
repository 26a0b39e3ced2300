"""The data product that is measured: plays of songs. A copy of it has one of its folds, as `learners.py`."""
