"""Every answer as an event, in the topic `decisions`: what it says, how it gets to Kafka, and what is kept meanwhile.

Start reading at `entry.py` (what is said of an answer), then `log.py` (an event loop, two threads, and the spool
between them and Kafka), whose pure parts are `backlog.py` and `tally.py`.
"""
