"""The proof of the storages: real workers and servers, killed at every step, and figures of speed.

Run it with `make prove-storage`. Read `__main__.py` first, then `faults.py`: what is done to each technology.
"""
