"""The weight store as a person handles it: list, pull, verify, import, path, remove."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cnnkit.errors import GateFailed, InputError, UnknownName, WeightsError
from cnnkit.records import WeightsRow
from cnnkit.zoo import ledger
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import (
    CLASS_INDEX,
    Network,
    WeightFile,
    catalog,
    find,
    matching,
    network_files,
    weight_files,
)
from cnnkit.zoo.labels import read_labels
from cnnkit.zoo.tensors import is_layered, tensor_shapes

# The class names are a file like the others, under this name.
LABELS = "labels"

_NOTES = {
    "verified": "the published hash holds",
    "recorded": "no hash is published; equal to what was first seen",
    "unpublished": "not the file that Keras publishes",
    "changed": "not the file that was first seen here",
    "absent": "not here",
}


def list_weights(pattern: str = "*") -> list[WeightsRow]:
    """A row for each file of the networks whose names match a glob, present or not."""
    found = [(n.name, f) for n in matching(pattern) for f in _files(n.name)]
    if pattern in ("*", LABELS):
        found.append((LABELS, CLASS_INDEX))
    if not found:
        raise UnknownName("model", pattern, [*catalog(), LABELS], "cnnkit models")
    return [_listed(name, file) for name, file in found]


def pull_weights(
    models: str | Sequence[str],
    *,
    top: bool = True,
    force: bool = False,
    offline: bool = False,
    reporter: store.Reporter | None = None,
) -> list[WeightsRow]:
    """Fetch the weights of one model or several, and the class names with them; a row per file.

    Raises `WeightsUnavailable` for the first that cannot be had; what was there stays.
    """
    wanted = [(name, _file(name, top)) for name in _several(models)]
    if top and any(file is not CLASS_INDEX and file.fetched for _, file in wanted):
        wanted.append((LABELS, CLASS_INDEX))
    rows = []
    for name, file in dict.fromkeys(wanted):
        here = store.path_of(file).is_file() and not force
        path = store.pull(file, needed_by=name, offline=offline, force=force, reporter=reporter)
        state = "present" if here else "pulled"
        rows.append(WeightsRow(name, file.name, state, path.stat().st_size, str(path)))
    return rows


def verify_weights(models: str | Sequence[str] = (), *, accept: bool = False) -> list[WeightsRow]:
    """Check the files of each model (default: every file that is here); a row per file.

    `state` is verified, recorded, unpublished, changed, damaged or absent. `accept` takes files
    that Keras publishes no hash for as they are now.
    """
    rows = []
    for name, file in _to_verify(_several(models)):
        path = store.path_of(file)
        size = path.stat().st_size if path.is_file() else None
        state, note = _state(file, path, accept)
        rows.append(WeightsRow(name, file.name, state, size, str(path), note))
    return rows


def weights_path(model: str, *, top: bool = True) -> Path:
    """Where the weights of a model are. Raises `WeightsError` where they are not here."""
    path = store.path_of(_file(model, top))
    if not path.is_file():
        raise WeightsError(f"{path} is not here. Type: cnnkit weights pull {model}")
    return path


def remove_weights(models: str | Sequence[str]) -> list[WeightsRow]:
    """Delete the files of each model; a row per file that was there, or one that says absent."""
    rows = []
    for name in _several(models):
        freed = {file: store.remove(file) for file in _files(name)}
        gone = [file for file, size in freed.items() if size is not None]
        for file in gone or _files(name)[:1]:
            state = "removed" if gone else "absent"
            rows.append(WeightsRow(name, file.name, state, freed[file], str(store.path_of(file))))
    return rows


def import_weights(
    source: str | Path, *, model: str | None = None, force: bool = False
) -> list[WeightsRow]:
    """Take a weight file, or every known one in a folder, into the store; a row per file.

    Files are known by the names that Keras gives them. With `model`, a file of any name is taken
    for that model's, with or without top as its tensors' shapes say. Raises `InputError` where
    there is nothing to take, `WeightsError` where the file is not what it should be; one of
    several in a folder is a row in the state refused instead.
    """
    source = Path(source)
    if source.is_dir():
        known = {*weight_files(), CLASS_INDEX.name}
        files = [p for p in sorted(source.iterdir()) if p.name in known and p.is_file()]
        if not files:
            raise InputError(f"No file in {str(source)!r} has a name that Keras gives to weights.")
        return [_import_one_of(path, model, force) for path in files]
    if not source.is_file():
        raise InputError(f"There is no file or folder {str(source)!r}.")
    return [_import(source, model, force)]


def _import_one_of(path: Path, model: str | None, force: bool) -> WeightsRow:
    try:
        return _import(path, model, force)
    except WeightsError as error:
        return WeightsRow(model or "", path.name, "refused", path.stat().st_size, "", str(error))


def _several(models: str | Sequence[str]) -> Sequence[str]:
    return (models,) if isinstance(models, str) else models


def _listed(name: str, file: WeightFile) -> WeightsRow:
    path = store.path_of(file)
    if not path.is_file():
        return WeightsRow(name, file.name, "absent", file.size, str(path), "about this size")
    return WeightsRow(name, file.name, "present", path.stat().st_size, str(path))


def _import(path: Path, model: str | None, force: bool) -> WeightsRow:
    if model == LABELS or path.name == CLASS_INDEX.name:
        read_labels(path)
        return _taken(path, LABELS, CLASS_INDEX, "", force)
    network, file, note = _recognised(path, model)
    return _taken(path, network.name, file, note, force)


def _taken(path: Path, name: str, file: WeightFile, note: str, force: bool) -> WeightsRow:
    target = store.path_of(file)
    if target.is_file() and ledger.digests(target) == ledger.digests(path):
        return WeightsRow(name, file.name, "present", target.stat().st_size, str(target), note)
    if target.is_file() and not force:
        raise WeightsError(f"{target} is here already and differs. Type --force to replace it.")
    target = store.copy_in(path, file)
    return WeightsRow(name, file.name, "imported", target.stat().st_size, str(target), note)


def _recognised(path: Path, model: str | None) -> tuple[Network, WeightFile, str]:
    """Whose file this is: by name and published hash, or else by the shapes of its tensors."""
    known = weight_files().get(path.name)
    if known is None and model is None:
        raise InputError(
            f"{path.name!r} is no name that Keras gives to a weight file. Say whose it is: "
            f"cnnkit weights import --model NAME {path}"
        )
    network = find(model) if model else known[0]  # type: ignore[index]
    digests = ledger.digests(path)
    for file in (network.top, network.no_top):
        if file.hash and file.hash in digests:
            return network, file, _NOTES["verified"]
    file = _by_shapes(path, network)
    return (
        network,
        file,
        "its tensors fit the network"
        + ("; it is not the file that Keras publishes" if file.hash else ""),
    )


def _by_shapes(path: Path, network: Network) -> WeightFile:
    """With or without top, as the tensors say. Raises `WeightsError` where they fit neither."""
    found = sorted(tensor_shapes(path))
    top, no_top = _expected_shapes(network)
    if found in (sorted(top), sorted(no_top)):
        if not is_layered(path):
            raise WeightsError(
                f"{path} has another layout than the files in Keras's cache. It can be used as it "
                f"is: cnnkit classify --model {network.name} --weights {path}"
            )
        return network.top if found == sorted(top) else network.no_top
    strange = [shape for shape in found if shape not in top]
    raise WeightsError(
        f"{path} is not for {network.name}. Expected {len(top)} tensors, or {len(no_top)} "
        f"without top. Received {len(found)}"
        + (f", one of them of shape {strange[0]}, which no tensor of it has." if strange else ".")
    )


def _expected_shapes(network: Network) -> list[list[tuple[int, ...]]]:
    """The shapes of the network's tensors with top, and without."""
    from cnnkit.engines.quiet import quiet

    with quiet():
        from cnnkit.nets.build import build, weight_shapes

        return [weight_shapes(build(network, top=top)) for top in (True, False)]


def _to_verify(models: Sequence[str]) -> Iterator[tuple[str, WeightFile]]:
    if models:
        for name in models:
            files = _files(name)
            here = [f for f in files if store.path_of(f).is_file()]
            yield from ((name, file) for file in here or files[:1])
        return
    for name in (*catalog(), LABELS):
        yield from ((name, file) for file in _files(name) if store.path_of(file).is_file())


def _state(file: WeightFile, path: Path, accept: bool) -> tuple[str, str]:
    if not path.is_file():
        return "absent", _NOTES["absent"]
    ledger_verdict = ledger.check(path, file.hash, anew=True)
    if file is not CLASS_INDEX:
        try:
            tensor_shapes(path)
        except WeightsError as error:
            return "damaged", str(error)
    if accept and ledger_verdict == "changed":
        ledger.trust(path)
        return "recorded", "taken as it is now"
    return ledger_verdict, _NOTES[ledger_verdict]


def _files(name: str) -> tuple[WeightFile, ...]:
    if name == LABELS:
        return (CLASS_INDEX,)
    return network_files(find(name))


def _file(name: str, top: bool) -> WeightFile:
    return _files(name)[0 if top else -1]


def raise_if_wrong(rows: Sequence[WeightsRow]) -> None:
    """Raise `GateFailed`, which owns exit code 4, where a verified file is not right."""
    wrong = [row.file for row in rows if row.state not in ("verified", "recorded")]
    if wrong:
        raise GateFailed(f"{len(wrong)} of {len(rows)} files are not right: {', '.join(wrong)}.")
