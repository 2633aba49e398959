"""Measurements → the text of RESULTS.md; nothing in it is written by hand."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.cold_start import ColdStart
from tests.benchmarks.figures import median_balance, median_ratio, spread
from tests.benchmarks.rounds import Measured
from tests.benchmarks.runners import CNNKIT, PEERS, STAGES

# Network → runner's name → its rounds, for one size of pictures.
Table = Mapping[str, Mapping[str, Measured]]
FIRST = CNNKIT[0]


@dataclass(frozen=True, slots=True)
class Results:
    """All that one run measured."""

    machine: Sequence[str]
    command: str
    inputs: int
    rounds: int
    seconds: float
    sizes: Mapping[str, Table]
    starts: Sequence[ColdStart]


def written(results: Results) -> str:
    """The whole page."""
    parts = [_head(results)]
    for size, table in results.sizes.items():
        parts.append(f"## From files to answers, {size} JPEG, pictures a second\n\n{rates(table)}")
    parts.append(f"## Balance\n\n{_BALANCE}\n\n{balances(results.sizes)}")
    if results.starts:
        parts.append(f"## One picture, the whole process\n\n{_STARTS}\n\n{starts(results.starts)}")
    return "\n\n".join(parts) + "\n"


def rates(table: Table) -> str:
    """Rows are runners, columns networks; a cell is the rate and how far it is behind."""
    rows = [["", *table]]
    for runner in (*CNNKIT, *PEERS):
        cells = [rate(by_name.get(FIRST.name), by_name[runner.name]) for by_name in table.values()]
        rows.append([runner.title, *cells])
    return markdown(rows)


def rate(first: Measured | None, row: Measured) -> str:
    """One cell: the median rate, and the first row's as a multiple of it."""
    if row.why_not or not row.rates:
        return row.why_not or "not measured"
    median = f"{statistics.median(row.rates):.3g}"
    if not first or first.why_not or first is row:
        return median
    return f"{median} ({median_ratio(first.rates, row.rates):.2g}×)"


def balances(sizes: Mapping[str, Table]) -> str:
    """One row per network and size of pictures."""
    rows = [["network", "pictures", *(s.title for s in STAGES), "end to end", "share"]]
    for size, table in sizes.items():
        for model, by_name in table.items():
            parts = [by_name[runner.name] for runner in (FIRST, *STAGES)]
            whole, network, decode = (rate(None, part) for part in parts)
            share = "–"
            if not any(part.why_not for part in parts):
                share = f"{median_balance(*(part.rates for part in parts)):.2f}"
            rows.append([model, size, network, decode, whole, share])
    return markdown(rows)


def starts(rows: Sequence[ColdStart]) -> str:
    """One row per network."""
    cells = [["network", "`cnnkit classify`, s", "plain Keras, s", "ratio", "same class"]]
    for row in rows:
        ours, theirs = statistics.median(row.ours), statistics.median(row.theirs)
        ratio = f"{median_ratio(row.theirs, row.ours):.2g}×"
        same = "yes" if row.same else "no"
        cells.append([row.model, f"{ours:.2f}", f"{theirs:.2f}", ratio, same])
    return markdown(cells)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head; the first column is text, the others figures."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
    return "\n".join(lines)


def _head(results: Results) -> str:
    spreads = [
        spread(row.rates)
        for table in results.sizes.values()
        for by_name in table.values()
        for row in by_name.values()
        if row.rates
    ]
    fewer = f", or what a runner answers in about {results.seconds:g} s"
    return _HEAD.format(
        machine="\n".join(f"- {line}" for line in results.machine),
        command=results.command,
        inputs=f"{results.inputs} pictures a round{fewer if results.seconds else ''}",
        rounds=results.rounds,
        spread=f"{100 * statistics.median(spreads):.0f} %" if spreads else "unknown",
        first=FIRST.title,
    )


_HEAD = """# Measured

Written by the program; figures are the median of {rounds} rounds in which the runners take turns.

{machine}
- `{command}`; {inputs}
- largest and least round of a runner lie {spread} apart (the median of all)

In brackets: how many times as fast "{first}" is in the same round.
Every runner may use all cores. Start-up and two batches to warm up are left out.
The weights are random, which does not change the speed. The larger pictures are the smaller ones,
enlarged; a JPEG that large is decoded at a fraction of its size by cnnkit alone."""

_BALANCE = f"""The two stages of "{FIRST.title}", each alone on all cores, in pictures a
second; and end to end as a share of what they allow: 1 / (1 / network + 1 / decoding)."""

_STARTS = """From the start of the process to its end, where all files have been read once before.
mobilenet_0.75 has its real weights, resnet50 random ones from a file."""
