"""Stage 6: where answers go."""
