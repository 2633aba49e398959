"""Gates: who may import whom, and what a quick answer may not load."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.stores import vectors, write_store

PACKAGE = ROOT / "cnnkit"
# Folder or file → what it may import of the house at module top. The most telling key wins.
ALLOWED = {
    "errors": set(),
    "records": {"records"},
    "datasets": {"errors", "records", "datasets"},
    "images": {"errors", "records", "images"},
    "zoo": {"errors", "records", "zoo"},
    "search": {"errors", "records", "search"},
    "metrics": {"errors", "records", "metrics"},
    "outputs": {"errors", "records", "outputs"},
    "nets": {"errors", "records", "images", "zoo", "nets"},
    "engines": {"errors", "records", "zoo", "engines"},
    "engines/keras_engine": {"errors", "records", "zoo", "engines", "nets"},
    "tasks": {
        *("errors", "records", "datasets", "images", "zoo", "engines/base"),
        *("search", "metrics", "outputs", "tasks"),
    },
    # The list of formats lives in outputs/tables, and needs the standard library alone.
    "commands": {"errors", "records", "zoo", "outputs/tables", "commands"},
    "cli": {"errors", "commands"},
    "__main__": {"cli"},
    "__init__": set(),
}
THIRD_PARTY = {
    "errors": set(),
    "records": set(),
    "datasets": {"numpy"},
    "images": {"numpy", "PIL"},
    "zoo": {"platformdirs", "filelock"},
    "search": {"numpy"},
    "metrics": {"numpy"},
    "outputs": {"numpy", "PIL", "h5py"},
    "nets": {"numpy", "keras", "tensorflow"},
    "engines": {"numpy"},
    "engines/openvino_engine": {"numpy", "openvino"},
    "engines/openvino_product": {"numpy", "openvino"},
    "tasks": {"numpy"},
    "commands": {"click"},
    "cli": {"click"},
    "__main__": set(),
    "__init__": set(),
}
HEAVY = (
    *("tensorflow", "keras", "scipy", "sklearn", "pandas", "matplotlib", "cv2", "onnxruntime"),
    *("openvino", "ray", "rich", "h5py", "numpy", "PIL", "jinja2"),
)
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).with_suffix("").as_posix(), path


def rule(table: dict[str, set[str]], name: str) -> set[str]:
    return next(table[key] for key in (name, name.split("/")[0]) if key in table)


def imports_at_top(path: Path) -> Iterator[str]:
    """Dotted names imported when the module is, leaving out those for type checkers alone."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            base = node.module or ""
            # `from cnnkit.zoo import ledger` names a module, not a value in one.
            for alias in node.names:
                inner = PACKAGE.parent / base.replace(".", "/") / f"{alias.name}.py"
                yield f"{base}.{alias.name}" if inner.exists() else base


def test_every_import_follows_the_map() -> None:
    wrong = []
    for name, path in modules():
        for imported in imports_at_top(path):
            top, _, inner = imported.partition(".")
            if top == "cnnkit":
                target = inner.replace(".", "/")
                allowed = rule(ALLOWED, name)
                if target and target not in allowed and target.split("/")[0] not in allowed:
                    wrong.append(f"{name} imports cnnkit.{inner}")
            elif top not in sys.stdlib_module_names and top not in rule(THIRD_PARTY, name):
                wrong.append(f"{name} imports {top}")
    assert not wrong


def test_no_drawer_without_a_name() -> None:
    names = {part for name, _ in modules() for part in name.split("/")}
    assert not names & FORBIDDEN_NAMES


def test_files_are_short() -> None:
    assert not [name for name, path in modules() if len(path.read_text().splitlines()) > 320]


def loaded_by(arguments: list[str], cwd: Path) -> set[str]:
    """The top-level modules that a fresh process holds after running the program."""
    script = (
        "import sys, json, atexit\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        f"sys.argv = ['cnnkit', *{arguments!r}]\n"
        "from cnnkit.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr.decode()
    names = json.loads(done.stderr.splitlines()[-1])
    # Half of the standard library's network comes with the one that has a dot.
    return {name if name == "urllib.request" else name.split(".")[0] for name in names}


QUICK = (
    ["--help"],
    ["--version"],
    ["classify", "--help"],
    ["extract-features", "--help"],
    ["similar", "--help"],
    ["augment", "--help"],
    ["dedupe", "--help"],
    ["export", "--help"],
    ["models", "--help"],
    ["labels", "--help"],
    ["weights", "--help"],
    ["weights", "pull", "--help"],
    ["store", "--help"],
    ["weights", "list"],
)


@pytest.mark.parametrize("arguments", QUICK, ids=" ".join)
def test_a_quick_answer_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    allowed = {"h5py", "numpy", "PIL"} if arguments == ["weights", "list"] else set()
    assert not loaded_by(arguments, tmp_path) & (set(HEAVY) - allowed)


@pytest.mark.parametrize("query", [["photos/1/5.jpg"], ["--row", "5"], []], ids=str)
def test_neighbours_of_what_is_stored_load_no_framework(query: list[str], tmp_path: Path) -> None:
    write_store(tmp_path / "img_emb.h5", vectors(9))
    loaded = loaded_by(["similar", *query], tmp_path)
    assert not loaded & ({*HEAVY, "usearch", "urllib.request"} - {"h5py", "numpy"})
    assert "h5py" in loaded


def test_the_models_are_listed_without_a_framework(tmp_path: Path) -> None:
    assert not loaded_by(["models"], tmp_path) & {"tensorflow", "keras", "scipy", "cv2"}


def test_pictures_that_cannot_be_read_load_no_framework(tmp_path: Path) -> None:
    script = (
        "import sys, cnnkit\n"
        "assert [r.failed for r in cnnkit.classify(['absent.jpg'])] == [True]\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_the_public_names_are_all_there_and_lazy() -> None:
    script = (
        "import sys, cnnkit\n"
        "assert not {'numpy', 'click', 'tensorflow'} & set(sys.modules)\n"
        "assert all(hasattr(cnnkit, name) for name in cnnkit.__all__)\n"
        "assert set(cnnkit._PUBLIC) | {'__version__'} == set(cnnkit.__all__) == set(dir(cnnkit))\n"
        "assert not hasattr(cnnkit, 'nonsense')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_gate_would_notice() -> None:
    assert "numpy" in set(imports_at_top(PACKAGE / "images" / "geometry.py"))
    assert "cnnkit.zoo.ledger" in set(imports_at_top(PACKAGE / "zoo" / "weights.py"))
