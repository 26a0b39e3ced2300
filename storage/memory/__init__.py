"""The whole protocol without a server, in one process: for trying, for tests and for replays."""
