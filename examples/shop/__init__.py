"""A data product: what goes together in a small shop. `live/` is the shop, which knows only `millrace_client`."""
