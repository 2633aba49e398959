"""The README's generated part and its transcripts: written, and checked, by the program itself.

`python -m tests.readme --write` writes both, `--check` fails where the generated part is stale.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from cnnkit.cli import main as program
from tests.conftest import DATA, ROOT

README = ROOT / "README.md"
BEGIN = "<!-- generated from --help: `make docs` -->\n"
END = "<!-- end of what is generated -->\n"
# The photographs that the transcripts speak of, under names that people use.
PHOTOS = {
    "black_swan.jpg": "n01860187_black_swan.JPEG",
    "koala.jpg": "n01882714_koala.JPEG",
    "quail.jpg": "n01806567_quail.JPEG",
}
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def reference(command: click.Command = program, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The help of every command, as Markdown."""
    name = " ".join(("cnnkit", *path))
    environment = {"COLUMNS": "100", "TERMINAL_WIDTH": "100"}
    result = CliRunner(env=environment).invoke(
        program, [*path, "--help"], prog_name="cnnkit", terminal_width=100
    )
    yield f"### {name}\n\n```text\n{result.output.rstrip()}\n```\n"
    if isinstance(command, click.Group):
        context = click.Context(command)
        for verb in sorted(command.list_commands(context)):
            found = command.get_command(context, verb)
            assert found, verb
            yield from reference(found, (*path, verb))


def with_reference(text: str) -> str:
    """The README with its generated part as it should be."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return before + BEGIN + "\n" + "\n".join(reference()) + "\n" + END + after


def prepare(folder: Path) -> None:
    """What the transcripts find: the configurations, and photographs, one of them broken."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    if not (DATA / "photos").is_dir():
        return
    (folder / "photos").mkdir()
    for name, source in PHOTOS.items():
        shutil.copyfile(DATA / "photos" / "imagenet" / source, folder / "photos" / name)
    whole = (folder / "photos" / "quail.jpg").read_bytes()
    (folder / "photos" / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "keras").symlink_to(DATA / "keras_home")


def transcripts(text: str) -> list[list[tuple[str, str]]]:
    """Every console block as (command, expected output) pairs."""
    blocks = []
    for block in CONSOLE.findall(text):
        parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
        blocks.append(list(zip(parts[1::2], parts[2::2], strict=True)))
    return blocks


def needs_photographs(block: list[tuple[str, str]]) -> bool:
    """Whether a block speaks of pictures or weights that cannot come with the project."""
    return any("photos" in command or "mobilenet" in command for command, _ in block)


def run(command: str, folder: Path) -> str:
    """What a person sees who types this: stdout is a terminal, and what stderr says comes last.

    Progress bars, which come and go, are not shown: stderr is a pipe.
    """
    ours, theirs = pty.openpty()
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KERAS_HOME": "keras",
        # What is shown must not hang on what this machine knows of bfloat16.
        "CNNKIT_CLASSIFY_PRECISION": "float32",
        "CNNKIT_EXTRACT_FEATURES_PRECISION": "float32",
        "XDG_STATE_HOME": str(folder / "state"),
        "COLUMNS": "160",
        "TERM": "dumb",
    }
    process = subprocess.Popen(
        ["bash", "-c", command], cwd=folder, stdout=theirs, stderr=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            seen += chunk
    except OSError:  # the other end is closed: the command has ended
        pass
    finally:
        os.close(ours)
    _, told = process.communicate()
    return seen.decode().replace("\r\n", "\n") + told.decode()


def _with_transcripts(text: str, folder: Path) -> str:
    prepare(folder)

    def again(match: re.Match[str]) -> str:
        (block,) = transcripts(match[0])
        return (
            "```console\n"
            + "".join(f"$ {command}\n{run(command, folder)}" for command, _ in block)
            + "```"
        )

    return CONSOLE.sub(again, text)


def main() -> None:
    text = README.read_text()
    if "--write" in sys.argv:
        import tempfile

        if (DATA / "photos").is_dir():
            with tempfile.TemporaryDirectory() as folder:
                text = _with_transcripts(text, Path(folder))
        README.write_text(with_reference(text))
    elif with_reference(text) != text:
        sys.exit("The README's command-line reference is stale. Type: make docs")


if __name__ == "__main__":
    main()
