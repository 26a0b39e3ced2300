"""`millrace rebuild`: a new version of a learner filled from the archive, caught up with the log, and switched to.

Start reading at `run.py` (the course of one), then `rebuild.py` (its steps).
"""
