"""Gates: every command has a help text with an example, and the quick ones are quick."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from cnnkit.cli import main


def commands(
    command: click.Command = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in sorted(command.list_commands(context)):
            found = command.get_command(context, name)
            assert found, name
            yield from commands(found, (*path, name))


ALL = list(commands())


@pytest.mark.parametrize(
    ("path", "command"), ALL, ids=lambda each: " ".join(each) if isinstance(each, tuple) else ""
)
def test_every_command_explains_itself_with_an_example(
    path: tuple[str, ...], command: click.Command
) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output
    assert "cnnkit" in result.output.split("Example")[1]
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert all(option.help for option in options)


def test_every_option_in_an_example_exists() -> None:
    for path, command in ALL:
        text = command.help or ""
        for line in text.splitlines():
            words = line.split()
            if "cnnkit" in words and words[words.index("cnnkit") + 1 :][: len(path)] == list(path):
                known = {o for p in command.params for o in p.opts} | {"-", "--"}
                start = words.index("cnnkit") + 1 + len(path)
                stop = words.index("|") if "|" in words else len(words)
                used = {word for word in words[start:stop] if word.startswith("-")}
                if path:
                    assert used <= known, line


def test_help_takes_at_most_three_times_what_importing_click_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def seconds(*arguments: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    rounds = [(seconds("-m", "cnnkit", "--help"), seconds("-c", "import click")) for _ in range(7)]
    ratio = statistics.median(ours / theirs for ours, theirs in rounds)
    with capsys.disabled():
        ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"\ncnnkit --help {ours:.3f} s, import click {theirs:.3f} s, ratio {ratio:.2f}")
    assert ratio <= 3
