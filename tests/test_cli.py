"""The contracts of the command line: exit codes, configuration, stdout and stderr."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, Run, picture

# The program; what it leaves takes a while to put away.
SLOW_TO_GO = """
import atexit, time
atexit.register(lambda: (print("going", flush=True), time.sleep(0.5)))
from cnnkit.__main__ import run
run()
"""
RANDOM = ("--model", "mobilenet_0.25", "--weights", "none", "--format", "jsonl")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    picture().save(tmp_path / "a.png")
    return tmp_path / "a.png"


def records(output: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.network
def test_zero_where_every_input_was_answered_and_nothing_on_stderr(
    cnnkit: Run, photo: Path
) -> None:
    done = cnnkit("classify", *RANDOM, "a.png")
    assert (done.returncode, done.stderr) == (0, b"")
    assert [r["status"] for r in records(done.stdout)] == ["ok"]


def test_one_where_the_command_could_not_do_its_job(cnnkit: Run, photo: Path) -> None:
    done = cnnkit("--offline", "classify", "a.png")
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"resnet50" in done.stderr
    assert b"cnnkit weights import" in done.stderr
    assert b"Traceback" not in done.stderr


def test_one_for_a_folder_without_pictures(cnnkit: Run, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = cnnkit("classify", "none")
    assert done.returncode == 1
    assert b"No picture in the folder 'none'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["classify", "--model", "resnet49", "a.png"], b"Did you mean resnet50"),
        (["classify", "--crops", "144", "--fit", "pad", "a.png"], b"Expected fit 'crop'"),
        (["classify", "--top", "0", "a.png"], b"--top"),
        (["classify", "-0", "a.png"], b"-0 is about the list on stdin"),
        (["classify", "--nonsense"], b"No such option"),
        (["--config", "absent.toml", "models"], b"cannot be read"),
        ([], b"Usage: cnnkit"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_two_where_the_command_line_makes_no_sense(
    cnnkit: Run, photo: Path, arguments: list[str], told: bytes
) -> None:
    done = cnnkit(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert b"Traceback" not in done.stderr


def test_three_where_an_input_failed_even_the_only_one(cnnkit: Run) -> None:
    done = cnnkit("classify", "absent.jpg", "--format", "jsonl")
    assert done.returncode == 3
    assert records(done.stdout) == [
        {
            "path": "absent.jpg",
            "status": "error",
            "error": {"kind": "missing", "message": "no such file"},
        }
    ]


def test_four_where_a_check_did_not_hold(cnnkit: Run) -> None:
    done = cnnkit("weights", "verify", "vgg16")
    assert done.returncode == 4
    assert b"absent" in done.stdout


def test_an_empty_list_on_stdin_is_no_error(cnnkit: Run) -> None:
    for arguments in (["classify", "-"], ["classify"], ["classify", "-0", "-"]):
        done = cnnkit(*arguments)
        assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.network
def test_what_one_command_prints_the_next_one_reads(cnnkit: Run, photo: Path) -> None:
    first = cnnkit("classify", *RANDOM, "a.png", "absent.png")
    second = cnnkit("classify", *RANDOM, stdin=first.stdout)
    assert records(second.stdout) == records(first.stdout)
    assert len(records(second.stdout)) == 2


@pytest.mark.network
def test_ctrl_c_ends_with_130_and_whole_records(tmp_path: Path, photo: Path) -> None:
    command = [sys.executable, "-m", "cnnkit", "classify", *RANDOM, "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b"a.png\n")
        process.stdin.flush()
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, told = process.stdout.read(), process.stderr.read()
        assert process.wait(PATIENCE) == 130
    assert json.loads(first)["status"] == "ok"
    assert rest == b""
    assert told == b"cnnkit: interrupted\n"


@pytest.mark.network
def test_a_slow_producer_gets_each_answer_within_a_second(tmp_path: Path, photo: Path) -> None:
    command = [sys.executable, "-m", "cnnkit", "classify", *RANDOM, "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdin
        assert process.stdout
        waits = []
        for _ in range(6):
            start = time.monotonic()
            process.stdin.write(b"a.png\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["status"] == "ok"
            waits.append(time.monotonic() - start)
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
    # The first one waits for TensorFlow to load, the second perhaps for a busy machine.
    assert sorted(waits)[3] < 1, waits


@pytest.mark.network
def test_a_reader_that_leaves_is_no_error(tmp_path: Path, photo: Path) -> None:
    shell = (
        f"yes a.png | head -500 | {sys.executable} -m cnnkit classify {' '.join(RANDOM)} - "
        "2>told | head -1; echo ${PIPESTATUS[2]}"
    )
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, cwd=tmp_path, timeout=PATIENCE, check=True
    )
    first, code = done.stdout.splitlines()
    assert json.loads(first)["status"] == "ok"
    assert (tmp_path / "told").read_bytes() == b""
    assert code == b"141"


@pytest.mark.network
def test_configuration_environment_and_flags_in_their_order_of_strength(
    cnnkit: Run, tmp_path: Path, photo: Path
) -> None:
    (tmp_path / "c.toml").write_text(
        '[classify]\nmodel = "mobilenet_0.25"\nweights = "none"\ntop = 4\nbatch_size = 2\n'
        'format = "jsonl"\n'
    )

    def predictions(*flags: str, **environment: str) -> int:
        done = cnnkit(
            *("--config", "c.toml", "classify", "a.png", *flags), env=os.environ | environment
        )
        assert done.returncode == 0, done.stderr
        (record,) = records(done.stdout)
        return len(record["predictions"])  # type: ignore[arg-type]

    assert predictions() == 4
    assert predictions(CNNKIT_CLASSIFY_TOP="3") == 3
    assert predictions("--top", "2", CNNKIT_CLASSIFY_TOP="3") == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[classify]\nmodle = 'vgg16'\n", b"Did you mean model"),
        ("[clasify]\ntop = 1\n", b"Did you mean classify"),
        ("[weights.pul]\nforce = true\n", b"Did you mean pull"),
        ("[classify]\ntop = 'many'\n", b"expected a whole number. Received: 'many'"),
        ("[classify]\ntop = 2.9\n", b"expected a whole number"),
        ("[classify]\noutput = true\n", b"expected a string"),
        ("[classify]\nexclude = 'tmp'\n", b'such as ["a", "b"]'),
        ("quiet = [1]\n", b"expected true or false"),
        ("version = true\n", b"No key"),
        ("classify = 3\n", b"Expected a table"),
        ("not toml", b"no TOML"),
    ],
)
def test_unknown_keys_are_errors_with_the_nearest_name(
    cnnkit: Run, tmp_path: Path, text: str, told: bytes
) -> None:
    (tmp_path / "c.toml").write_text(text)
    done = cnnkit("--config", "c.toml", "classify", "a.png")
    assert done.returncode == 2
    assert told in done.stderr


def test_the_suffix_of_the_output_names_the_format(cnnkit: Run, tmp_path: Path) -> None:
    assert cnnkit("models", "vgg*", "-o", "out.csv").returncode == 0
    assert (tmp_path / "out.csv").read_text().startswith("name,height,width")
    assert cnnkit("models", "vgg*", "-o", "out.json").returncode == 0
    assert [m["name"] for m in json.loads((tmp_path / "out.json").read_text())] == [
        "vgg16",
        "vgg19",
    ]


@pytest.mark.network
def test_an_interrupted_run_is_continued(cnnkit: Run, tmp_path: Path, photo: Path) -> None:
    picture(seed=1).save(tmp_path / "b.png")
    options = ("-o", "answers.jsonl", "--skip-done", "answers.jsonl")
    assert cnnkit("classify", *RANDOM, *options, "a.png").returncode == 0
    with (tmp_path / "answers.jsonl").open("a") as file:
        file.write('{"path": "b.pn')  # what a kill leaves
    assert cnnkit("classify", *RANDOM, *options, "a.png", "b.png").returncode == 0
    done = records((tmp_path / "answers.jsonl").read_bytes())
    assert [r["path"] for r in done] == ["a.png", "b.png"]


@pytest.mark.network
def test_a_name_that_is_no_utf_8_comes_through(cnnkit: Run, tmp_path: Path) -> None:
    name = b"odd \xff\n name.png"
    picture().save(tmp_path / "plain.png")
    os.rename(os.fsencode(tmp_path / "plain.png"), os.path.join(os.fsencode(tmp_path), name))
    done = cnnkit("classify", *RANDOM, "-0", "-", stdin=name + b"\0")
    (record,) = records(done.stdout)
    assert os.fsencode(str(record["path"])) == name
    only = cnnkit("classify", *RANDOM, "--print0", "-0", "-", "absent.png", stdin=name + b"\0")
    assert only.stdout == name + b"\0"
    assert only.returncode == 3


def test_shell_completion_is_there_for_three_shells(cnnkit: Run) -> None:
    for shell in ("bash", "zsh", "fish"):
        environment = os.environ | {"_CNNKIT_COMPLETE": f"{shell}_source"}
        command = [str(Path(sys.executable).with_name("cnnkit"))]
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        assert b"_CNNKIT_COMPLETE" in done.stdout


def test_a_fault_of_our_own_is_one_line_and_a_traceback_with_v(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from click.testing import CliRunner

    from cnnkit.cli import main

    def broken(pattern: str) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("cnnkit.tasks.models.models", broken)
    quiet = CliRunner().invoke(main, ["models"])
    assert quiet.exit_code == 1
    assert "internal error: ZeroDivisionError: oops" in quiet.stderr
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in CliRunner().invoke(main, ["-v", "models"]).stderr


def test_a_list_is_never_read_while_it_is_written(cnnkit: Run, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("absent.jpg\n" * 100)
    command = [sys.executable, "-m", "cnnkit", "classify", "-", "-o", "list.txt"]
    with (tmp_path / "list.txt").open("rb") as stdin:
        done = subprocess.run(
            command, stdin=stdin, capture_output=True, cwd=tmp_path, timeout=PATIENCE, check=False
        )
    assert done.returncode == 2
    assert b"also the list on stdin" in done.stderr
    assert (tmp_path / "list.txt").read_text() == "absent.jpg\n" * 100


@pytest.mark.network
def test_another_name_for_the_same_file_is_continued_too(
    cnnkit: Run, tmp_path: Path, photo: Path
) -> None:
    assert cnnkit("classify", *RANDOM, "a.png", "-o", "real.jsonl").returncode == 0
    (tmp_path / "link.jsonl").symlink_to("real.jsonl")
    picture(seed=1).save(tmp_path / "b.png")
    options = ("-o", "link.jsonl", "--skip-done", "real.jsonl")
    assert cnnkit("classify", *RANDOM, "a.png", "b.png", *options).returncode == 0
    done = records((tmp_path / "real.jsonl").read_bytes())
    assert [r["path"] for r in done] == ["a.png", "b.png"]
    refused = cnnkit("classify", "a.png", "-o", "x.csv", "--skip-done", "x.csv")
    assert refused.returncode == 2
    assert b"Only jsonl can be continued" in refused.stderr


@pytest.mark.network
def test_ctrl_c_never_tears_a_record(tmp_path: Path, photo: Path) -> None:
    command = [sys.executable, "-m", "cnnkit", "classify", *RANDOM, "-k", "1000", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"a.png\n" * 64)
        process.stdin.flush()
        first = process.stdout.read(1)
        time.sleep(2)  # the pipe is full now, and a record half written
        process.send_signal(signal.SIGINT)
        lines = (first + process.stdout.read()).splitlines(keepends=True)
        assert process.wait(PATIENCE) == 130
    assert lines
    assert all(line.endswith(b"\n") and json.loads(line)["status"] == "ok" for line in lines)


def test_ctrl_c_after_all_is_done_makes_no_other_exit_code_of_it() -> None:
    command = [sys.executable, "-c", SLOW_TO_GO, "models"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        while process.stdout.readline() != b"going\n":
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 0


def test_closed_streams_and_full_disks_are_told_clearly(cnnkit: Run, tmp_path: Path) -> None:
    def shell(redirection: str) -> "subprocess.CompletedProcess[bytes]":
        command = f"{sys.executable} -m cnnkit classify absent.jpg {redirection}"
        return subprocess.run(
            ["bash", "-c", command],
            capture_output=True,
            cwd=tmp_path,
            timeout=PATIENCE,
            check=False,
        )

    closed = shell("<&-")
    assert closed.returncode == 3
    assert b"absent.jpg" in closed.stdout
    for redirection in (">&-", ">/dev/full"):
        done = shell(redirection)
        assert done.returncode == 1, redirection
        assert b"cannot be written" in done.stderr
        assert b"internal error" not in done.stderr
    mute = shell("2>&-")
    assert mute.returncode == 3
    assert b"absent.jpg" in mute.stdout


def test_a_version_in_the_environment_is_no_order(cnnkit: Run) -> None:
    done = cnnkit("models", "vgg16", env=os.environ | {"CNNKIT_VERSION": "1"})
    assert done.returncode == 0
    assert done.stdout.startswith(b"vgg16")


INTERRUPTED_IMPORT = """
import os, signal, sys
from cnnkit.cli import main
from cnnkit.tasks import models

def broken(pattern):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as interrupt:
        cause = interrupt
    error = ImportError("initialization failed")
    error.__cause__ = cause if os.environ["KEEPS_THE_CAUSE"] else None
    raise error

models.models = broken
sys.argv = ["cnnkit", "models"]
main()
"""


@pytest.mark.parametrize("keeps", ["yes", ""])
def test_ctrl_c_while_modules_load_is_an_interruption(keeps: str) -> None:
    """A module in C makes another error of it, and may drop what it came from."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT],
        env=os.environ | {"KEEPS_THE_CAUSE": keeps},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (130, b"cnnkit: interrupted\n")
