"""Networks written as one line, as in CS231n ("Convolutional Networks: Layer Patterns").

::

    INPUT -> [CONV3-32 -> RELU -> POOL2]*3 -> FC-128 -> RELU -> FC

    pattern  = INPUT, then steps, then FC, with -> or → between them
    steps    = a step, or [steps]*N: N times in a row, also one within the other
    step     = one of the words below, in capitals or not

    INPUT          the picture; INPUT150 and INPUT150x200 (height x width) fix its size
    CONVk-f        convolution, k × k, f filters, padding that keeps the size; CONV-f is CONV3-f
    CONVk-f/s      the same with stride s; CONVk-fv and CONVk-f/sv: without padding (valid)
    RELU           max(0, x)
    BN             batch normalization
    POOLk          maximum over k × k, stride k; POOLk/s with stride s; AVGPOOLk(/s) the mean
    GAP            the mean of each map: a vector
    DROPp          dropout of the share p, as in DROP0.5
    FC-n           fully connected, n units, of all there is: maps are flattened first
    FC             the last one: a unit for each class
"""

import re
from dataclasses import dataclass
from typing import Literal

from cnnkit.errors import UsageError

EXAMPLE = "INPUT -> [CONV3-32 -> RELU -> POOL2]*3 -> FC-128 -> RELU -> FC"
_MOST_STEPS, _DEEPEST, _LONGEST = 1000, 50, 100_000
_AROUND = 40

Kind = Literal["input", "conv", "relu", "bn", "pool", "avgpool", "gap", "drop", "fc"]

_ARROW = re.compile(r"->|→")
_TIMES = re.compile(r"\*\s*(\d{1,9})(?!\d)")
_WORD = re.compile(r"[a-z]+(?:[^\s\[\]*→-]|-(?!>))*", re.IGNORECASE)
_STRIDE = r"(?:/(?P<stride>\d{1,9}))?"
_WORDS: dict[Kind, re.Pattern[str]] = {
    "input": re.compile(r"input(?:(?P<size>\d{1,9})(?:[x×](?P<width>\d{1,9}))?)?", re.IGNORECASE),
    "conv": re.compile(
        rf"conv(?P<size>\d{{1,9}})?-(?P<units>\d{{1,9}}){_STRIDE}(?P<valid>v)?", re.IGNORECASE
    ),
    "relu": re.compile("relu", re.IGNORECASE),
    "bn": re.compile("bn", re.IGNORECASE),
    "pool": re.compile(rf"pool(?P<size>\d{{1,9}}){_STRIDE}", re.IGNORECASE),
    "avgpool": re.compile(rf"avgpool(?P<size>\d{{1,9}}){_STRIDE}", re.IGNORECASE),
    "gap": re.compile("gap", re.IGNORECASE),
    "drop": re.compile(r"drop(?P<rate>0?\.\d{1,9}|0)", re.IGNORECASE),
    "fc": re.compile(r"fc(?:-(?P<units>\d{1,9}))?", re.IGNORECASE),
}
_NUMBERS = ("size", "width", "stride", "units")


@dataclass(frozen=True, slots=True)
class Step:
    """One word of a pattern, as often as it is repeated.

    Attributes:
        kind: which word.
        text: the word as written.
        position: where it begins in the pattern, from 0.
        size: k of a window, or the height of INPUT; 0 where none is given.
        width: the width of INPUT; 0 where none is given.
        stride: s.
        valid: whether a convolution goes without padding.
        units: f or n; 0 for the classes.
        rate: the share that is dropped.
    """

    kind: Kind
    text: str
    position: int
    size: int = 0
    width: int = 0
    stride: int = 1
    valid: bool = False
    units: int = 0
    rate: float = 0.0


def parse(text: str) -> tuple[Step, ...]:
    """The steps of a pattern, INPUT first, repetitions written out.

    Raises `UsageError`, with the place, for anything that the grammar above has not.
    """
    steps = _Reader(text).steps()
    for index, step in enumerate(steps):
        if (step.kind == "input") != (index == 0):
            raise wrong(text, step.position, "INPUT once, as the first step", step.text)
        if (step.kind == "fc" and not step.units) != (index == len(steps) - 1):
            last = index == len(steps) - 1
            wanted = "FC, without a number, as the last step" if last else "FC-n before the last FC"
            raise wrong(text, step.position, wanted, step.text)
    return steps


def wrong(text: str, position: int, expected: str, received: str) -> UsageError:
    """The error to raise, with a caret under the place: `position` counts characters from 0."""
    line = "".join(" " if each.isspace() else each for each in text)
    start = max(0, position - _AROUND)
    shown = line[start : position + _AROUND]
    return UsageError(
        f"Expected {expected}. Received: {received:.120} at character {position + 1} of the "
        f"pattern:\n  {shown}\n  {' ' * (position - start)}^\nAn example: {EXAMPLE}"
    )


class _Reader:
    """One walk through the text, from left to right."""

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise UsageError(
                f"Expected a pattern of at most {_LONGEST:,} characters, such as {EXAMPLE}. "
                f"Received: {len(text):,}."
            )
        self._text, self._place = text, 0

    def steps(self) -> tuple[Step, ...]:
        found = self._sequence(0)
        if self._rest():
            raise self._wrong("-> and another step")
        return tuple(found)

    def _sequence(self, depth: int) -> list[Step]:
        found = self._item(depth)
        while arrow := _ARROW.match(self._text, self._skip()):
            self._place = arrow.end()
            found += self._item(depth)
            self._bound(len(found))
        return found

    def _item(self, depth: int) -> list[Step]:
        self._skip()
        if not self._rest().startswith("["):
            return [self._step()]
        if depth >= _DEEPEST:
            raise self._wrong(f"brackets at most {_DEEPEST} deep")
        self._place += 1
        found = self._sequence(depth + 1)
        self._skip()
        if not self._rest().startswith("]"):
            raise self._wrong("-> and another step, or ]")
        self._place += 1
        return self._repeated(found)

    def _repeated(self, found: list[Step]) -> list[Step]:
        self._skip()
        if not self._rest().startswith("*"):
            return found
        times = _TIMES.match(self._text, self._place)
        if times is None or not int(times[1]):
            raise self._wrong("*N, a number of times from 1")
        self._bound(len(found) * int(times[1]))
        self._place = times.end()
        return found * int(times[1])

    def _step(self) -> Step:
        word = _WORD.match(self._text, self._place)
        if word is None:
            raise self._wrong("a step, such as CONV3-32, RELU, POOL2 or FC-128")
        if word[0].endswith("?"):
            raise self._wrong(
                "a network, not a family of them: write the step where you want it, or leave it "
                "out, for ?",
                word[0],
            )
        for kind, pattern in _WORDS.items():
            if match := pattern.fullmatch(word[0]):
                step = self._made(kind, match)
                self._place = word.end()
                return step
        raise self._wrong(
            "INPUT, CONVk-f, RELU, BN, POOLk, AVGPOOLk, GAP, DROPp from 0 to below 1, FC-n or FC",
            word[0],
        )

    def _made(self, kind: Kind, match: re.Match[str]) -> Step:
        given = {key: value for key, value in match.groupdict().items() if value is not None}
        numbers = {key: int(given[key]) for key in _NUMBERS if key in given}
        if not all(numbers.values()):
            raise self._wrong("numbers from 1", match[0])
        if kind == "conv":
            numbers.setdefault("size", 3)
        if kind in ("pool", "avgpool"):
            numbers.setdefault("stride", numbers["size"])
        if kind == "input" and numbers:
            numbers.setdefault("width", numbers["size"])
        return Step(
            kind=kind,
            text=match[0],
            position=self._place,
            valid="valid" in given,
            rate=float(given.get("rate", 0)),
            **numbers,
        )

    def _skip(self) -> int:
        while self._place < len(self._text) and self._text[self._place].isspace():
            self._place += 1
        return self._place

    def _rest(self) -> str:
        self._skip()
        return self._text[self._place : self._place + 1]

    def _bound(self, steps: int) -> None:
        if steps > _MOST_STEPS:
            raise self._wrong(f"at most {_MOST_STEPS:,} steps", f"{steps:,}")

    def _wrong(self, expected: str, received: str = "") -> UsageError:
        self._skip()
        received = received or self._text[self._place : self._place + 12] or "the end"
        return wrong(self._text, self._place, expected, received)
