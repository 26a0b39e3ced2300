"""The shop: a live service that shows, asks and tells. It knows `millrace_client` and nothing of the platform."""
