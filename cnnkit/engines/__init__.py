"""Stage 4: batches → arrays, on any runtime."""
