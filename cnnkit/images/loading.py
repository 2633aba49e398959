"""One path → the network's views of the picture."""

from collections.abc import Callable

from cnnkit.images.decode import decode_reduced
from cnnkit.images.geometry import Pixels, render, views, wanted_size
from cnnkit.records import Recipe, Skipped

Load = Callable[[str], Pixels | Skipped]


def loader(recipe: Recipe, crops: int = 1) -> Load:
    """What turns a path into uint8 (views, height, width, 3), or a `Skipped` with the reason."""
    wanted = wanted_size(recipe, crops)

    def load(path: str) -> Pixels | Skipped:
        picture = decode_reduced(path, wanted)
        if isinstance(picture, Skipped):
            return picture
        cuts = views(*picture.size, recipe, crops)
        try:
            return render(picture.image, cuts, recipe, picture.extent)
        except MemoryError:
            return Skipped(path, "too_large", "there is not enough memory for the picture")

    return load
