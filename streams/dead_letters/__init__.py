"""Events that were refused: kept in a topic of their own, listed, shown and put back.

Start reading at `letter.py`, then `dead_letters.py` (how they are sent) and `letters.py` (how they are looked at).
"""
