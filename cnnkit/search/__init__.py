"""Vectors → their neighbours: exactly (`exact`), by an index (`ann`), in groups (`duplicates`).

Exact search computes what is near in float32, or faster, and proves with a bound on the rounding
errors what cannot be among the nearest (`bounds`); the few pairs that are left (`candidates`) are
computed again in float64 (`measures`).
"""
