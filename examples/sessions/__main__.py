"""Runs the agent until it is told to stop: `python -m examples.sessions`."""

from .app import app

app.run()
