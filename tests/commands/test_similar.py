"""`similar`, `dedupe` and `classify --knn` as processes: what comes out, when, and how they end."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnkit as package
from tests.conftest import PATIENCE, Run, picture
from tests.stores import brute_force, names, vectors, write_plain, write_store

ROWS = 40
VALUES = vectors(ROWS)
PROGRAM = [sys.executable, "-m", "cnnkit"]
# A program that has no module of that name, whatever is installed.
WITHOUT = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "usearch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
from cnnkit.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_store(Path("img_emb.h5"), VALUES)


@pytest.fixture
def drawn() -> list[str]:
    """Six pictures of which four are stored, by patternnet."""
    for kind in ("one", "two"):
        Path("in", kind).mkdir(parents=True)
    paths = [f"in/{kind}/{i}.png" for i in range(3) for kind in ("one", "two")]
    for i, path in enumerate(paths):
        picture(160, 120, seed=i).save(path)
    made = package.extract_features(
        paths[:4], store="drawn.h5", model="patternnet", precision="float32", threads=2
    )
    assert not any(record.failed for record in made)
    return paths


def records(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def rows_of(record: dict[str, Any]) -> list[int]:
    return [each["row"] for each in record["neighbours"]]


class TestRecords:
    @pytest.mark.parametrize(("metric", "value"), [("l2", "distance"), ("cosine", "similarity")])
    def test_they_are_what_the_contract_says(self, metric: str, value: str, cnnkit: Run) -> None:
        query = names(ROWS)[3]
        done = cnnkit("similar", query, "-k", "2", "--metric", metric, "--format", "jsonl")
        assert (done.returncode, done.stderr) == (0, b"")
        expected = brute_force(VALUES, VALUES[3], metric, leave_out=3)[:2]
        (record,) = records(done.stdout)
        assert record == {
            "query": query,
            "status": "ok",
            "metric": metric,
            "neighbours": [
                {"rank": i, "path": names(ROWS)[row], "row": row, value: pytest.approx(v, abs=1e-6)}
                for i, (row, v) in enumerate(expected, 1)
            ],
        }

    def test_tables_have_a_row_for_each_neighbour(self, cnnkit: Run) -> None:
        query = names(ROWS)[0]
        for form, delimiter in (("csv", ","), ("tsv", "\t")):
            done = cnnkit("similar", query, "absent.jpg", "-k", "3", "--format", form,
                          "--store", write_plain(Path("a.h5"), VALUES, names(ROWS)))  # fmt: skip
            assert done.returncode == 3
            head, *table = csv.reader(io.StringIO(done.stdout.decode()), delimiter=delimiter)
            assert head == ["query", "status", "rank", "path", "row", "distance", "error"]
            assert [row[:3] for row in table[:3]] == [[query, "ok", str(i)] for i in (1, 2, 3)]
            assert [row[:6] for row in table[3:]] == [["absent.jpg", "error", "", "", "", ""]]
            assert table[3][6].startswith("not_stored: not in a.h5")

    def test_text_json_and_a_file(self, cnnkit: Run) -> None:
        query = names(ROWS)[0]
        text = cnnkit("similar", query, "-k", "1").stdout.decode()
        assert text.split("\t")[:2] == [query, "ok"] and text.count("\n") == 1
        (whole,) = json.loads(cnnkit("similar", query, "--format", "json").stdout)
        done = cnnkit("similar", query, "-o", "out.jsonl")
        assert done.stdout == b""
        assert records(Path("out.jsonl").read_bytes()) == [whole]
        write_store(Path("b.h5"), VALUES[:9], [f"b/{i}.jpg" for i in range(9)])
        two = ("--store", "img_emb.h5", "--store", "b.h5")
        head, *table = cnnkit("similar", query, *two, "--format", "csv").stdout.split(b"\n")
        assert head == b"query,status,rank,path,row,distance,store,error"
        assert table[0].split(b",")[3:7] == [b"b/0.jpg", b"0", b"0.0", b"b.h5"]

    def test_an_unreadable_query_is_a_record_and_exit_code_3(self, cnnkit: Run) -> None:
        write_plain(Path("a.h5"), VALUES, names(ROWS))
        asked = [names(ROWS)[1], "absent.jpg", names(ROWS)[2]]
        done = cnnkit("similar", *asked, "--store", "a.h5", "--format", "jsonl")
        assert done.returncode == 3
        found = records(done.stdout)
        assert [record["query"] for record in found] == asked
        assert found[1]["status"] == "error"
        assert found[1]["error"]["kind"] == "not_stored"

    def test_rows_and_numbers_of_a_store_without_paths(self, cnnkit: Run) -> None:
        write_plain(Path("a.h5"), VALUES)
        done = cnnkit("similar", "7", "--row", "5", "--store", "a.h5", "--format", "jsonl")
        assert [record["query"] for record in records(done.stdout)] == [5, 7]
        assert {n["path"] for r in records(done.stdout) for n in r["neighbours"]} == {None}

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (["--row", "40"], 2, "row from 0 to 39. Received: 40"),
            (["--row", "-1"], 2, "--row"),
            (["--metric", "l1"], 2, "l1"),
            (["--threshold", "nan"], 2, "nan"),
            (["-k", "0"], 2, "--top-n"),
            (["--print0"], 2, "--print0"),
            (["--exclude", "*.jpg"], 2, "QUERIES"),
            (["-0"], 2, "QUERIES"),
            (["-0", "a.jpg"], 2, "Expected `-`"),
            (["--gallery", "a.png"], 2, "ends in .html"),
            (["--store", "absent.h5"], 1, "cnnkit extract-features PICTURES --store absent.h5"),
            (["--store", "img_emb.h5", "--store", "img_emb.h5"], 2, "named twice"),
        ],
    )
    def test_what_makes_no_sense_is_told(
        self, arguments: list[str], code: int, message: str, cnnkit: Run
    ) -> None:
        done = cnnkit("similar", *arguments)
        assert (done.returncode, done.stdout) == (code, b"")
        assert message in done.stderr.decode()

    def test_the_environment_names_one_store_even_with_spaces(self, cnnkit: Run) -> None:
        Path("my photos").mkdir()
        write_plain(Path("my photos/a.h5"), VALUES)
        variables = os.environ | {"CNNKIT_STORE": "my photos/a.h5"}
        done = cnnkit("similar", "--row", "0", env=variables)
        assert done.returncode == 0, done.stderr


class TestStreams:
    def test_stdin_is_read_only_where_that_is_asked_for(self) -> None:
        for arguments in ([], names(ROWS)[:1], ["--row", "3"]):
            command = [*PROGRAM, "similar", *arguments]
            # Nobody writes to this stdin, and nobody closes it.
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
                assert one.stdout and one.stdin
                assert len(one.stdout.read().splitlines()) == 5 * (1 if arguments else ROWS)
                assert one.wait(PATIENCE) == 0

    @pytest.mark.parametrize("plain", [True, False])
    def test_a_query_in_a_list_is_answered_before_the_next_is_written(self, plain: bool) -> None:
        write = write_plain if plain else write_store
        more: dict[str, Any] = {} if plain else {"model": "a-network-of-tomorrow"}
        write(Path("a.h5"), VALUES, names(ROWS), **more)
        command = [*PROGRAM, "similar", "-", "--store", "a.h5", "--format", "jsonl"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin and process.stdout
            for row in (4, 2, 4):
                process.stdin.write(names(ROWS)[row].encode() + b"\n")
                process.stdin.flush()
                found = json.loads(process.stdout.readline())
                assert found["query"] == names(ROWS)[row]
            process.stdin.close()
            assert process.wait(PATIENCE) == 0

    def test_a_list_may_hold_any_name(self, cnnkit: Run) -> None:
        odd = [b"new\nline.jpg", b"odd \xff.jpg", b"-.jpg", b"*.jpg"]
        write_plain(Path("a.h5"), VALUES[:4], odd)
        done = cnnkit("similar", "-0", "-", "--store", "a.h5", "--format", "jsonl",
                      stdin=b"\0".join(odd))  # fmt: skip
        assert done.returncode == 0
        assert [os.fsencode(record["query"]) for record in records(done.stdout)] == odd
        assert cnnkit("similar", "-", "--store", "a.h5", stdin=b"").stdout == b""

    def test_a_reader_that_leaves_is_no_error(self) -> None:
        write_plain(Path("a.h5"), vectors(3000))
        command = " ".join(PROGRAM) + " similar --store a.h5 --format jsonl 2>told | head -1"
        shell = ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"]
        done = subprocess.run(shell, capture_output=True, timeout=PATIENCE, check=True)
        first, code = done.stdout.splitlines()
        assert rows_of(json.loads(first)) and code == b"141"
        assert Path("told").read_bytes() == b""

    def test_ctrl_c_ends_with_130_and_whole_records(self) -> None:
        write_plain(Path("a.h5"), vectors(20_000))
        command = [*PROGRAM, "similar", "--store", "a.h5", "--format", "jsonl"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen([*command, "--gallery", "a.html"], **pipes) as process:
            assert process.stdout and process.stderr
            first = process.stdout.readline()
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            lines = [first, *process.stdout.read().splitlines(keepends=True)]
            assert process.wait(PATIENCE) == 130
            assert process.stderr.read() == b"cnnkit: interrupted\n"
        assert [json.loads(line)["query"] for line in lines] == list(range(len(lines)))
        assert all(line.endswith(b"\n") for line in lines) and len(lines) < 20_000
        assert sorted(os.listdir()) == ["a.h5", "img_emb.h5"]


def test_without_the_extra_the_error_names_it() -> None:
    command = [sys.executable, "-c", WITHOUT, "similar", "--index", "usearch", "--row", "0"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"pip install 'cnnkit[ann]'" in done.stderr
    assert os.listdir() == ["img_emb.h5"]


@pytest.mark.network
class TestPictures:
    def test_stored_new_and_unreadable_ones_in_order(self, drawn: list[str], cnnkit: Run) -> None:
        asked = [drawn[1], drawn[5], "absent.png", drawn[1], drawn[4]]
        options = ("--store", "drawn.h5", "--format", "jsonl", "--top-n", "9")
        listed = cnnkit("similar", *options, "-", stdin="\n".join(asked).encode())
        named = cnnkit("similar", *options, *asked)
        for done in (listed, named):
            assert done.returncode == 3, done.stderr
            found = records(done.stdout)
            assert [record["query"] for record in found] == asked
            assert [record["status"] for record in found] == ["ok", "ok", "error", "ok", "ok"]
            lengths = [len(r["neighbours"]) for r in found if r["status"] == "ok"]
            assert lengths == [3, 4, 3, 4]
        assert records(listed.stdout)[0] == found[0]

    @pytest.mark.skipif(find_spec("usearch") is None, reason="the extra `ann` is not installed")
    def test_an_index_and_a_compiled_network_in_one_process(
        self, drawn: list[str], cnnkit: Run
    ) -> None:
        pytest.importorskip("openvino", reason="the compiled runtime is not installed")
        options = ("--store", "drawn.h5", "--format", "jsonl", "--engine", "openvino")
        exact = cnnkit("similar", *options, *drawn)
        found = cnnkit("similar", *options, *drawn, "--index", "usearch")
        assert (found.returncode, found.stderr) == (0, b"")
        assert records(found.stdout) == records(exact.stdout)
        assert Path("drawn.h5.l2.usearch").exists()

    def test_the_nearest_name_the_class(self, drawn: list[str], cnnkit: Run) -> None:
        asked = (drawn[5], "absent.png", drawn[0])
        options = ("--knn", "drawn.h5", "--neighbours", "1", "--format", "jsonl")
        done = cnnkit("classify", *options, *asked)
        assert done.returncode == 3
        found = records(done.stdout)
        assert [record["path"] for record in found] == list(asked)
        assert [record["status"] for record in found] == ["ok", "error", "ok"]
        assert found[0]["model"] == "knn:drawn.h5"
        chosen = cnnkit("classify", "--knn", "drawn.h5", "--print0", *asked)
        assert chosen.stdout.split(b"\0") == [drawn[5].encode(), drawn[0].encode(), b""]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--knn", "img_emb.h5", "--model", "vgg16"], "--model"),
        (["--knn", "img_emb.h5", "--crops", "10"], "--crops"),
        (["--knn", "img_emb.h5", "--annotate", "out"], "--annotate"),
        (["--knn", "img_emb.h5", "--seed", "1"], "--seed"),
        (["--neighbours", "3"], "--neighbours"),
        (["--labels", "a.csv"], "--labels"),
    ],
)
def test_options_of_networks_and_of_neighbours_stay_apart(
    arguments: list[str], named: str, cnnkit: Run
) -> None:
    done = cnnkit("classify", *arguments, names(ROWS)[0])
    assert (done.returncode, done.stdout) == (2, b"")
    assert named in done.stderr.decode() and "--knn" in done.stderr.decode()


def test_labels_are_taken_from_a_file(cnnkit: Run) -> None:
    Path("labels.csv").write_text("".join(f"{path},all alike\n" for path in names(ROWS)))
    done = cnnkit("classify", "--knn", "img_emb.h5", "--labels", "labels.csv", names(ROWS)[0])
    assert done.stdout.decode().split("\t")[2] == "all alike"
    assert cnnkit("classify", "--knn", "img_emb.h5", "--labels", "no.csv", "a").returncode == 1


class TestDedupe:
    NAMES = (b"first\nline.png", b"odd \xff.png", b"-r.png", b"a b.png", b"'q'.png")

    @pytest.fixture
    def twins(self) -> list[bytes]:
        """Two pictures of each of two kinds and one of a third, under hostile names."""
        for i, name in enumerate(self.NAMES):
            with open(name, "wb") as file:  # noqa: PTH123
                picture(20 + i, 20).save(file, "PNG")
        values = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2]]
        write_store(Path("twins.h5"), values, [os.fsdecode(name) for name in self.NAMES])
        return list(self.NAMES)

    def test_print0_feeds_xargs(self, twins: list[bytes]) -> None:
        program = " ".join(PROGRAM)
        command = f"{program} dedupe --store twins.h5 --print0 | xargs -0 rm --"
        subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, timeout=PATIENCE)
        left = {name for name in os.listdir(b".") if name.endswith(b".png")}
        assert left == {twins[1], twins[3], twins[4]}

    def test_formats(self, twins: list[bytes], cnnkit: Run) -> None:
        run = ("dedupe", "--store", "twins.h5", "--keep", "first", "--threads", "2")
        first, last = records(cnnkit(*run, "--format", "jsonl").stdout)
        assert first == {
            "group": 1, "status": "ok", "path": "first\nline.png", "row": 0,
            "redundant": [{"path": "odd \udcff.png", "row": 1, "similarity": 1.0}],
        }  # fmt: skip
        assert (last["group"], last["path"]) == (2, "-r.png")
        assert json.loads(cnnkit(*run, "--format", "json").stdout) == [first, last]
        text = cnnkit(*run, "--format", "csv").stdout.decode("utf-8", "surrogateescape")
        head, *table = csv.reader(io.StringIO(text))
        assert head == ["group", "status", "keep", "path", "row", "similarity"]
        assert table[2] == ["2", "ok", "True", "-r.png", "2", ""]
        assert table[3] == ["2", "ok", "False", "a b.png", "3", "1.0"]
        assert len(cnnkit(*run).stdout.splitlines()) == 4
        assert sorted(os.listdir(b".")) == sorted([*twins, b"twins.h5", b"img_emb.h5"])

    def test_nothing_alike_is_nothing_said(self, cnnkit: Run) -> None:
        done = cnnkit("dedupe", "--threshold", "1", "--print0")
        assert (done.returncode, done.stdout) == (0, b"")
        assert done.stderr == b"cnnkit: 40 of 40 stored pictures are gone.\n"
        assert cnnkit("dedupe", "--threshold", "1", "-q").stderr == b""
        assert cnnkit("dedupe", "--threshold", "1.5").returncode == 2
        write_plain(Path("a.h5"), VALUES)
        assert cnnkit("dedupe", "--store", "a.h5").returncode == 1
