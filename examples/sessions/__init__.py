"""Clicks become sessions, by an agent of Faust."""
