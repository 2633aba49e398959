"""Stage 1: paths → pixels → batches."""
