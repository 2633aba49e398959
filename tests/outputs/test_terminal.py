import io
from dataclasses import dataclass
from typing import Any

from cnnkit.outputs.terminal import Terminal
from cnnkit.records import Record


@dataclass(frozen=True, slots=True)
class Sheet(Record):
    """A record of several tables."""

    def to_dict(self) -> dict[str, Any]:
        return {}

    def lines(self) -> list[tuple[str, ...]]:
        return [
            ("a long name", "1"),
            ("b", "2"),
            ("",),
            ("LABEL", "F1"),
            ("x", "0.5"),
            ("",),
            ("TRUE", "x", "y"),
            ("x", "11", "0"),
        ]


def test_each_table_of_a_record_has_its_own_widths() -> None:
    stream = io.BytesIO()
    terminal = Terminal(stream, ())
    terminal.fit([Sheet()])
    terminal.write(Sheet())
    assert stream.getvalue().decode().splitlines() == [
        "a long name  1",
        "b            2",
        "",
        "LABEL  F1",
        "x      0.5",
        "",
        "TRUE  x   y",
        "x     11  0",
    ]
