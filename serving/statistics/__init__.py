"""The statistics of experiments: pure functions of counts, no I/O, and none that knows what an experiment is.

Each works on one experiment or, with further axes in front, on many at once, as `make prove-models` does. Start reading
at `normal_mixture.py` (why looking often does no harm) and `comparison.py` (two variants, by groups of units).
"""
