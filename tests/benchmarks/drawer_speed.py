"""How many pictures a second the drawer makes: ``python -m tests.benchmarks.drawer_speed``."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from cnnkit.images.drawn import CLASSES, draw


def draw_some(first: int, count: int, size: int) -> int:
    """Draw ``count`` pictures of every class at training strength and return how many."""
    import cv2

    cv2.setNumThreads(1)
    for name in CLASSES:
        for index in range(first, first + count):
            draw(name, 1, index, size)
    return count * len(CLASSES)


def main() -> int:
    """Print pictures a second on two processes, for a few sizes."""
    print("| size | pictures/s, 2 processes |\n|---|---|")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(draw_some, (0, 0), (1, 1), (112, 112)))
        for size, count in ((112, 30), (224, 12), (512, 3)):
            began = time.perf_counter()
            made = sum(pool.map(draw_some, (0, count), (count, count), (size, size)))
            print(f"| {size} | {made / (time.perf_counter() - began):.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
