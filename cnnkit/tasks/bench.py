"""How fast a network runs here: on each engine, from memory and from files, and against the peak.

    peak      a product of matrices with nothing around it, in each precision
    network   pixels in memory → answers: one picture at a time, and batches as `classify` runs them
    decode    files → pixels, on all threads
    files     files → answers, decoding and network at once: what `classify` does

The first three alternate in rounds, so that whatever else this machine does strikes all alike; each
speed is the median over its rounds. The files are in memory by then.
"""

import logging
import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from itertools import chain, cycle, islice, takewhile
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from cnnkit.engines.base import ENGINES, Answers, Engine
from cnnkit.errors import InputError, UsageError
from cnnkit.images.batches import batched
from cnnkit.images.decode import decode_reduced
from cnnkit.images.geometry import Pixels, wanted_size
from cnnkit.images.loading import loader
from cnnkit.records import BenchRow, Recipe, Skipped
from cnnkit.tasks.inputs import Images, Inputs
from cnnkit.tasks.network import Job
from cnnkit.tasks.peak import FLOPS, SIDE, multiply_adds, on_graphics, peak_work
from cnnkit.tasks.pipeline import answered
from cnnkit.zoo import weights as store
from cnnkit.zoo.bundles import find
from cnnkit.zoo.catalog import DEFAULT_MODEL

log = logging.getLogger(__name__)
_ROUNDS, _MOST_PICTURES = 5, 100
# The share of the time that goes to whole pipelines; they need a while to be in full swing.
_TO_FILES = 1 / 3
# What is drawn where no pictures are named: about as many bytes a file as a photograph has.
_DRAWN, _SIZE = ("brick", "leafy", "marbled", "mosaic", "scribbled", "woven"), 512
# Works for about so many seconds, at least once; the seconds that each unit of work took.
_Measure = Callable[[float], list[float]]


@dataclass(slots=True)
class _Case:
    row: BenchRow
    measure: _Measure
    turns: list[list[float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Units per second."""
        return statistics.median(len(turn) / sum(turn) for turn in self.turns)

    @property
    def latency(self) -> float:
        """Seconds for one unit alone."""
        return statistics.median(chain(*self.turns))


def bench(
    model: str = DEFAULT_MODEL,
    *,
    images: Images | None = None,
    engines: str | Sequence[str] = "all",
    weights: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    seconds: float = 30.0,
    offline: bool = False,
    reporter: store.Reporter | None = None,
) -> Iterator[BenchRow]:
    """Measure, and yield a row for each speed.

    Args:
        model: a name from the catalog.
        images: up to 100 of them are what decoding is measured on; by default, drawn ones.
        engines: "all" that can run the network, or which; each in every precision that it can.
        weights: as `classify` takes them; by default those here, or random ones, just as fast.
        threads: cores to use; by default all that this process may.
        seconds: how long to measure, besides opening and warming up.
        offline: never try to fetch weights.
        reporter: is told how downloads go.

    Raises `UsageError` at once for arguments that make no sense, `InputError` where no picture can
    be read, `RuntimeUnfit` where an engine that was named cannot run the network.
    """
    network = find(model)
    if not 0 < seconds < float("inf"):
        raise UsageError(f"Expected seconds as a number above 0. Received: {seconds!r}.")
    if weights is None:
        here = store.path_of(network.top).is_file()
        weights = "imagenet" if here else "none"
        if not here:
            log.warning("The weights of %s are not here; random ones are as fast.", model)
    job = partial(Job.of, model, weights=weights, threads=threads, offline=offline)
    jobs = [
        job(engine=name, precision=precision, reporter=reporter)  # type: ignore[arg-type]
        for name in _named(engines)
        for precision in (("float32",) if name == "keras" else ("float32", "bfloat16"))
    ]
    if engines == "all":  # nobody has asked for one that cannot run this network
        jobs = [replace(each, only=False) for each in jobs]
    return _rows(jobs, None if images is None else Inputs.of(images).paths(), seconds)


def _named(engines: str | Sequence[str]) -> list[str]:
    """The engines that are wanted; all that are installed."""
    if engines == "all":
        return [name for name in ENGINES if name == "keras" or find_spec(name)]
    named = [engines] if isinstance(engines, str) else list(dict.fromkeys(engines))
    if not named:
        raise UsageError(f"Expected engines: all, or some of {', '.join(ENGINES)}.")
    return named


def _rows(jobs: list[Job], paths: Iterable[str] | None, seconds: float) -> Iterator[BenchRow]:
    job = jobs[0]
    with ExitStack() as stack:
        files, told = _pictures(paths, stack.enter_context(TemporaryDirectory()), job)
        engines = _opened(jobs)
        for engine in engines:
            stack.callback(engine.close)
        pixels = _pixels(files, job.recipe, max(engine.batch_size for engine in engines))
        precisions = dict.fromkeys(engine.precision for engine in engines)
        cases = [
            *(case for precision in precisions for case in _peak(job, precision)),
            *(case for engine in engines for case in _networks(job, engine, pixels)),
            _Case(_row(job, "decode", note=told), partial(_decoded, files, job)),
        ]
        _alternate(cases, seconds * (1 - _TO_FILES))
        yield from _judged(cases, multiply_adds(job, engines[0]))
        for engine in engines:
            row = _row(job, "files", note=told, **_run_by(engine, engine.batch_size))
            rate = _answered(files, job, engine, seconds * _TO_FILES / len(engines))
            yield replace(row, images_per_second=rate)


def _row(job: Job, measure: str, **more: Any) -> BenchRow:
    row = BenchRow(measure, job.network.name, job.weights, "", "", None, job.threads)
    return replace(row, **more)


def _run_by(engine: Engine, batch: int) -> dict[str, Any]:
    return {"engine": engine.name, "precision": engine.precision, "batch": batch}


# ---- what is measured on


def _pictures(paths: Iterable[str] | None, folder: str, job: Job) -> tuple[list[str], str]:
    """The files that can be read, and a word on them; drawn into `folder` where none are named."""
    from cnnkit.tasks.sample_images import sample_images

    drawn = paths is None
    if paths is None:
        rows = sample_images(folder, classes=_DRAWN, per_class=1, size=_SIZE, style="room")
        paths = [row.path for row in rows]
    some = list(islice(paths, _MOST_PICTURES))
    wanted = wanted_size(job.recipe)
    with ThreadPoolExecutor(job.threads) as pool:
        seen = zip(some, pool.map(lambda path: decode_reduced(path, wanted), some), strict=True)
        sizes = {path: p.size for path, p in seen if not isinstance(p, Skipped)}
    if not sizes:
        raise InputError(f"None of {len(some)} pictures can be read. Expected pictures to decode.")
    width, height = (round(statistics.median(sides)) for sides in zip(*sizes.values(), strict=True))
    kilobytes = statistics.median(os.path.getsize(path) for path in sizes) / 1e3
    kind = "drawn pictures" if drawn else "pictures"
    return list(sizes), f"{len(sizes)} {kind}, {width} × {height}, {kilobytes:.0f} kB"


def _pixels(files: list[str], recipe: Recipe, number: int) -> Pixels:
    """As many pictures as the largest batch takes: uint8 (n, H, W, 3)."""
    loaded = map(loader(recipe), islice(cycle(files), number))
    return np.concatenate([pixels for pixels in loaded if not isinstance(pixels, Skipped)])


def _opened(jobs: list[Job]) -> list[Engine]:
    """Every engine in each precision that this processor computes in; each at most once."""
    engines: dict[tuple[str, str], Engine] = {}
    wanted, unfit = {job.engine for job in jobs}, set[str]()
    for job in jobs:
        # Unfit in one precision, unfit in the other, and it has been said.
        engine = None if job.engine in unfit else _possible(job)
        if engine is None:
            continue
        # Keras, come in the place of an unfit runtime, is perhaps measured by itself anyway.
        instead = engine.name != job.engine
        unfit |= {job.engine} if instead else set()
        spare = instead and engine.name in wanted
        if spare or engines.setdefault((engine.name, engine.precision), engine) is not engine:
            engine.close()
    return list(engines.values())


def _possible(job: Job) -> Engine | None:
    """The engine; None for bfloat16 on a processor that has none."""
    try:
        return job.open()
    except UsageError:
        if job.precision == "bfloat16":
            return None
        raise


# ---- measuring


def _alternate(cases: list[_Case], seconds: float) -> None:
    """Fill in the rates: all warm up, then take turns until the time is over."""
    for case in cases:
        case.measure(0)
    end = time.perf_counter() + seconds
    for turn in range(_ROUNDS):
        if turn and time.perf_counter() > end:
            return
        for case in cases:
            case.turns.append(case.measure(seconds / _ROUNDS / len(cases)))


def _repeated(work: Callable[[], object], seconds: float) -> list[float]:
    took: list[float] = []
    while not took or sum(took) < seconds:
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return took


def _networks(job: Job, engine: Engine, pixels: Pixels) -> list[_Case]:
    one, batch = pixels[:1], pixels[: engine.batch_size]
    return [
        _Case(
            _row(job, "network", **_run_by(engine, 1)), partial(_repeated, lambda: engine.run(one))
        ),
        _Case(
            _row(job, "network", **_run_by(engine, len(batch))), partial(_together, engine, batch)
        ),
    ]


def _together(engine: Engine, batch: Pixels, seconds: float) -> list[float]:
    """Batches as many at once as the engine takes; seconds per picture."""
    begun: deque[Future[Answers]] = deque()
    start, done = time.perf_counter(), 0
    while not done or time.perf_counter() - start < seconds:
        begun.append(engine.start(batch))
        done += len(batch)
        if len(begun) > engine.in_flight:
            begun.popleft().result()
    for future in begun:
        future.result()
    return [(time.perf_counter() - start) / done]


def _decoded(files: list[str], job: Job, seconds: float) -> list[float]:
    """Until the time is over, and then what was begun; seconds per picture."""
    start = time.perf_counter()
    more = takewhile(lambda _: time.perf_counter() < start + seconds, cycle(files))
    paths = chain(files[:1], more)
    batches = batched(paths, loader(job.recipe), size=4 * job.threads, threads=job.threads)
    done = sum(len(batch.paths) for batch in batches)
    return [(time.perf_counter() - start) / done]


def _answered(files: list[str], job: Job, engine: Engine, seconds: float) -> float:
    """Pictures per second of the pipeline in full swing; the engine is closed then."""
    batches = batched(cycle(files), loader(job.recipe), size=engine.batch_size, threads=job.threads)
    stream = (each for each in answered(batches, lambda: engine) if each[0].paths)
    # What was decoded and begun ahead of the clock must not count.
    for _ in islice(stream, engine.in_flight + 3):
        pass
    start, done = time.perf_counter(), 0
    while not done or time.perf_counter() - start < seconds:
        done += len(next(stream)[0].paths)
    rate = done / (time.perf_counter() - start)
    batches.close()
    for _ in stream:  # what is still at work
        pass
    return rate


def _peak(job: Job, precision: str) -> list[_Case]:
    try:
        engine, work = peak_work(precision, job.threads)
    except Exception as error:  # half an installation fails in any way it likes
        log.warning("The peak in %s cannot be measured: %s", precision, error)
        return []
    note = f"products of {SIDE} × {SIDE} matrices"
    row = _row(job, "peak", engine=engine, precision=precision, note=note)
    return [_Case(row, partial(_repeated, work))]


# ---- what it comes to


def _judged(cases: list[_Case], operations: int) -> Iterator[BenchRow]:
    note = f"{operations / 1e6:.4g} million multiply-adds a picture"
    peaks: dict[str, float] = {}
    for case in cases:
        row = replace(case.row, images_per_second=case.rate)
        if row.measure == "peak":
            peaks[row.precision] = case.rate * FLOPS / 1e9
            row = replace(case.row, gflops=peaks[row.precision])
        elif row.measure == "network":
            gflops = 2 * operations * case.rate / 1e9
            peak = None if on_graphics(row.engine) else peaks.get(row.precision)
            share = None if peak is None else gflops / peak
            latency = 1000 * case.latency if row.batch == 1 else None
            row = replace(row, latency_ms=latency, gflops=gflops, share_of_peak=share, note=note)
        yield row
