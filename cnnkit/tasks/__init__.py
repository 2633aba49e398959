"""Stage 7: one file per verb; the only place where the stages meet."""
