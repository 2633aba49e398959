"""Probabilities and truths → figures: how right (`accuracy`), how honest (`calibration`), how sure
one can be of either (`bootstrap`).

A truth is the index of a class, or −1 for a class that the model does not know (`truth`). Where
there is nothing to divide by, a figure is None.
"""
