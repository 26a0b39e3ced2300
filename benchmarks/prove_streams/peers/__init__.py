"""The same task in other products: a count per user, durable. Each module runs in an environment of its own, and
imports nothing of Millrace."""
