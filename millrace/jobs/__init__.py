"""Jobs of data products wired to a platform: read from their folder, run by hand or by the schedule, looked at.

Start reading at `product_jobs.py`, then `around.py` (what a run is given) and `schedule.py` (the process that runs
them by themselves). `location.py` is what Dagster's processes load.
"""
