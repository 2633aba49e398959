"""A patch cut out of a picture at a drawn place.

It is how AlexNet enlarges its dataset: "extracting random 224 × 224 patches (and their horizontal
reflections) from the 256 × 256 images" (Krizhevsky et al. 2012, section 4.1). With horizontal_flip
in the augmentation the reflections come along.
"""

from __future__ import annotations

from cnnkit.images.augment.draw import NUMBERS, uniform

# (left, top, right, bottom), whole pixels.
Patch = tuple[int, int, int, int]


def draw_patch(
    *, seed: int, content: str, copy: int, height: int, width: int, size: tuple[int, int]
) -> Patch:
    """Draw where a patch lies; every place within the picture is as likely as any other.

    The numbers follow those of `draw` in the same stream: with a patch or without, a copy is
    transformed in the same way.

    Args:
        seed: as for `draw`.
        content: as for `draw`.
        copy: as for `draw`.
        height: of the transformed picture in pixels, at least the patch's.
        width: of the same.
        size: the patch's (width, height) in pixels.
    """
    across, down = uniform(seed, content, copy, NUMBERS + 2)[NUMBERS:]
    left = int(across * (width - size[0] + 1))
    top = int(down * (height - size[1] + 1))
    return (left, top, left + size[0], top + size[1])
