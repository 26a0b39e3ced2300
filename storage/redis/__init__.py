"""Redis and Redis Cluster. Start reading at `redis.py`, then `writes.py` and `lua/commit.lua`; for a cluster at
`shards.py`, then `sharded.py`."""
