"""A chain of learners under attack: what is emitted, and what is passed on under another key, counts once."""
