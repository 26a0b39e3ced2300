"""The proof of the storages, on the real parts: what the fences cost."""
