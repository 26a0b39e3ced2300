"""The proof of the loop: real Kafka, Redis, workers and service, killed and asked; its last line is JSON.

Run it with `make prove-loop`. Read `__main__.py` first: it is the course of the proof.
"""
