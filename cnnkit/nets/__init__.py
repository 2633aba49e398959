"""Stage 3: Keras models. The only folder that imports keras and tensorflow at module top."""
