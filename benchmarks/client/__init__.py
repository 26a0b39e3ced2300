"""What the client costs beside plain httpx."""
