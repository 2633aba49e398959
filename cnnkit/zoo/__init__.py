"""Stage 2: which networks exist, where their files are, and what their classes are called."""
