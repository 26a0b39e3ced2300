"""`make prove-models`: what the models service costs and keeps, measured against real servers on this machine.

Start reading at `__main__.py`: one function for each part, and the keys that it answers for.
"""
