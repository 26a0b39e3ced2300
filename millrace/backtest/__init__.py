"""`millrace backtest`: how good learners, or a product's implementations, would have been on past events.

Start reading at `run.py`, then `trial.py` (one pass over the events); `evaluation.py` is how answers are judged.
"""
