"""The order in which names are listed, wherever several of them are."""

import re


def natural_key(name: str) -> list[tuple[int, int, str, int]]:
    """Sort key under which `img2` stands before `img10`; of equal numbers the one with zeros first.

    Only equal names have equal keys. Numbers are compared as digits, for Python turns none of more
    than 4,300 into an integer.
    """
    parts = re.split(r"([0-9]+)", name)
    return [_number(part) if i % 2 else (1, 0, part, 0) for i, part in enumerate(parts)]


def _number(part: str) -> tuple[int, int, str, int]:
    digits = part.lstrip("0")
    return (0, len(digits), digits, len(digits) - len(part))
