"""`make prove-streams` and `make bench`: what the runtime does beside others on the same topic, and what it keeps.

Start reading at `__main__.py`: one function for each part, and the keys that it answers for.
"""
