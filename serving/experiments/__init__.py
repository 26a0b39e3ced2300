"""Experiments as they live: written in a shared table, kept on disk, changed over HTTP. `serving.experiment` is what a
product declares, `serving.assignment` who gets which variant.

Start reading at `definition.py` (what is written), then `changes.py` (what may be done), `known.py` (how code and topic
meet), `fitting.py` (what of it this process can serve) and `experiments.py` (all of it together).
"""
