"""Storages as those who use the service look at them and change them, over HTTP and in the console.

Start reading at `storages.py` (the work behind the addresses), then `routes.py` (the addresses) and `document.py` (what
they give).
"""
