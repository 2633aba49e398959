"""Stage 8: one file per verb: parse, one call, print."""
