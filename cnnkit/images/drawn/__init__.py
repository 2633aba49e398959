"""Procedural pictures: describable textures and shapes under strong variety.

``draw("zigzag", seed=0, index=7)`` returns a picture; ``CLASSES`` lists what can be drawn.
A formula in ``tilings``, ``organic``, ``shapes`` or ``fractals`` gives a field, ``colours`` paints
it, ``scenes`` puts light, things in the way, a lens and a JPEG file between it and the viewer.
``studio`` hangs it on the wall of a room instead.
"""

from cnnkit.images.drawn.draw import CLASSES, draw

__all__ = ["CLASSES", "draw"]
