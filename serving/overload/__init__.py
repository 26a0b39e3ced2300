"""What the service does when more is asked than it can answer: some is refused at once, so that the rest is answered.

Start reading at `admission.py` (who is refused, without I/O), then `admitting.py` (how it hears that the service is
busy) and `busyness.py` (how that is measured).
"""
