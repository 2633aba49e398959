"""`cnnkit augment` as a process: exit codes, lists, and what a kill leaves behind."""

import json
import random
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnnkit.cli import main
from tests.conftest import PATIENCE, ROOT, Run, picture
from tests.tasks.copies import digests, manifest, two_classes

BLOG = ROOT / "configs" / "augment-blog.toml"


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return two_classes(tmp_path / "photos")


def invoke(*arguments: Any, **options: Any) -> Result:
    return CliRunner().invoke(main, ["augment", *map(str, arguments)], **options)


def records(text: str | bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


class TestCommandLine:
    def test_rows_for_people_and_programs(self, photos: Path) -> None:
        wanted = ("photos", "--out", "o", "-n", "2", "--recipe", BLOG)
        told = records(invoke(*wanted, "--format", "jsonl").output)
        assert [each["state"] for each in told] == ["made"] * 8
        assert told[0]["output"] == "o/cats/1__aug-001.png"
        assert told[0]["sha256"] == sha256(Path(told[0]["output"]).read_bytes()).hexdigest()
        rows = invoke(*wanted, "--format", "tsv").output.splitlines()
        assert rows[0].split("\t")[:4] == ["path", "status", "state", "copy"]
        assert rows[8].split("\t")[2:4] == ["present", "2"]

    @pytest.mark.parametrize(
        "options",
        [
            *(["--zoom-range", "-1"], ["--zoom-range", "0.8,oops"], ["--rotation-range", "1e9"]),
            *(["--fill-mode", "mirror", "--shear-range", "3"], ["--rotation-range", "nan"]),
            *(["--rescale", "1/255"], ["--rescale", "0.004"], ["--zca-whitening"]),
            *(["--featurewise-center"], ["--samplewise-std-normalization"], []),
            *(["--size", "7", "--horizontal-flip"], ["--random-crop", "9"], ["--copies", "0"]),
            *(["--horizontal-flip", "--preview", "a.txt"], ["--horizontal-flip", "--boxes", "a"]),
            *(
                ["--horizontal-flip", "-o", "o/.augment-journal.jsonl"],
                ["--random-crop", "1_0x1_0"],
            ),
            *(["--horizontal-flip", "-o", "o/manifest.jsonl"], ["--recipe", "a.toml"]),
        ],
        ids=" ".join,
    )
    def test_nonsense_is_refused_before_anything_is_made(
        self, photos: Path, options: list[str]
    ) -> None:
        Path("a.toml").write_text("rotation_range = 3\nrescale = 0.004")
        done = invoke("photos", "--out", "o", *options)
        assert done.exit_code == 2
        assert not Path("o").exists()
        if any(word in str(options) for word in ("rescale", "wise", "zca", "a.toml")):
            assert "every copy would be black" in done.output
            assert "cnnkit finetune DATA --augment" in done.output

    def test_options_are_stronger_than_the_recipe(self, photos: Path) -> None:
        given = (
            *("--rotation-range", "7", "--zoom-range", "0.9,1.3", "--no-horizontal-flip"),
            *("--width-shift-range", "-3,0,3", "--height-shift-range", "5", "--cval", "9"),
        )
        assert invoke("photos", "--out", "o", "--recipe", BLOG, *given).exit_code == 0
        recipe = manifest(Path("o"))[0]["recipe"]
        assert (recipe["rotation_range"], recipe["zoom_range"]) == (7, [0.9, 1.3])
        assert (recipe["width_shift_range"], recipe["height_shift_range"]) == ([-3, 0, 3], 5)
        assert (recipe["horizontal_flip"], recipe["channel_shift_range"]) == (False, 9)

    def test_in_a_file_and_in_the_environment(self, photos: Path) -> None:
        Path("c.toml").write_text(
            "[augment]\nzoom_range = 0.3\nbrightness_range = [0.8, 1.2]\nvertical-flip = true\n"
            "copies = 1"
        )
        done = CliRunner().invoke(
            main, ["--config", "c.toml", "augment", "photos", "--out", "o"],
            env={"CNNKIT_AUGMENT_ROTATION_RANGE": "11"},
        )  # fmt: skip
        assert done.exit_code == 0
        recipe = manifest(Path("o"))[0]["recipe"]
        assert (recipe["zoom_range"], recipe["vertical_flip"]) == ([0.7, 1.3], True)
        assert (recipe["rotation_range"], len(manifest(Path("o")))) == (11, 4)
        assert recipe["brightness_range"] == [0.8, 1.2]

    @pytest.mark.parametrize("value", ["[]", "['a']", "'0.8,1.2'", "true"])
    def test_what_is_no_number_in_a_file(self, photos: Path, value: str) -> None:
        Path("c.toml").write_text(f"[augment]\nzoom_range = {value}\n")
        done = CliRunner().invoke(main, ["--config", "c.toml", "augment", "photos", "--out", "o"])
        assert done.exit_code == 2
        assert "expected a number, or a list of numbers" in done.output
        assert not Path("o").exists()

    def test_a_bad_picture_is_a_row_and_exit_code_3(self, photos: Path) -> None:
        Path("photos/cats/3.jpg").write_bytes(b"<html>")
        done = invoke("photos", "--out", "o", "--shear-range", "9", "--format", "jsonl")
        assert done.exit_code == 3
        assert "1 of 5 inputs could not be answered" in done.stderr
        statuses = [each["status"] for each in records(done.stdout)]
        assert (statuses.count("error"), statuses.count("ok")) == (1, 20)

    def test_two_pictures_for_one_place(self, photos: Path) -> None:
        two_classes(Path("more"))
        done = invoke("photos/cats", "more/cats", "--out", "o", "--shear-range", "9")
        assert (done.exit_code, Path("o").exists()) == (2, False)
        assert "give each an --out of its own" in done.output

    @pytest.mark.parametrize(
        ("option", "place", "said"),
        [
            ("--preview", "photos/cats/1.png/x.png", "is no folder that takes new files"),
            ("-o", "photos/cats/1.png/x.csv", "'photos/cats/1.png' is no folder"),
            ("-o", "absent folder/x.csv", "Type: mkdir -p 'absent folder'"),
            ("-o", "mine", "'mine' is a folder"),
            ("-o", "p.png", "is also what --preview names"),
        ],
    )
    def test_places_that_cannot_be_written_are_refused_before_anything_is_made(
        self, cnnkit: Run, photos: Path, option: str, place: str, said: str
    ) -> None:
        Path("mine").mkdir()
        wishes = ("photos", "--out", "o", "--shear-range", "9", "--preview", "p.png")
        done = cnnkit("augment", *wishes, option, place)
        assert done.returncode in (1, 2)
        assert said in done.stderr.decode()
        assert not Path("o").exists()

    @pytest.mark.parametrize("out", ["o", "/proc/o"])
    def test_where_nothing_can_be_written(self, cnnkit: Run, photos: Path, out: str) -> None:
        Path("o").write_text("mine")
        done = cnnkit("augment", "photos", "--out", out, "--shear-range", "9")
        assert (done.returncode, done.stdout) == (1, b"")
        assert f"cnnkit: '{out}' cannot be written: ".encode() in done.stderr
        assert Path("o").read_text() == "mine"

    def test_a_sheet_shows_originals_beside_their_copies(self, photos: Path) -> None:
        for seed in range(14):
            picture(40, 30, seed).save(photos / f"z{seed}.png")
        wanted = ("photos", "--out", "o", "--recipe", BLOG, "--preview", "s.png", "-n", "10")
        assert invoke(*wanted).exit_code == 0
        with Image.open("s.png") as sheet:
            # Twelve of them, each with eight copies and a word on the other two.
            assert sheet.width > 9 * 160
            assert 12 * 160 < sheet.height < 14 * 220
        assert invoke(*wanted).exit_code == 0
        picture().save("mine.png")
        before = Path("mine.png").read_bytes()
        assert invoke(
            "photos", "--out", "p", "--shear-range", "3", "--preview", "mine.png"
        ).exit_code
        assert Path("mine.png").read_bytes() == before


class TestLists:
    def test_what_find_prints_and_what_cnnkit_prints(self, photos: Path) -> None:
        names = b"photos/cats/1.png\0photos/dogs/wild/a b.png\0"
        wanted = ("--out", "o", "--shear-range", "9", "-n", "1", "--format", "jsonl")
        done = invoke("-0", "-", *wanted, input=names)
        assert [each["path"] for each in records(done.output)] == names.decode().split("\0")[:2]
        again = invoke("-", *wanted, input=done.output)
        assert [each["state"] for each in records(again.output)] == ["present"] * 2
        # `find .` would list the copies too, the next time.
        listed = names + b"o/photos/cats/1__aug-001.png\0"
        told = CliRunner().invoke(main, ["augment", "-0", "-", *wanted], input=listed)
        assert told.exit_code == 0
        assert [each["state"] for each in records(told.stdout)] == ["present"] * 2
        empty = invoke("-", *wanted, input=b"")
        assert (empty.exit_code, empty.output) == (0, "")

    def test_a_record_comes_before_the_next_path_is_given(self, photos: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "cnnkit",
            "augment",
            "-",
            "--out",
            "o",
            "--format",
            "jsonl",
        ]
        with subprocess.Popen(
            [*command, "--rotation-range", "9", "-n", "1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdin
            assert process.stdout
            for name in ("cats/1.png", "absent.png", "dogs/1.png"):
                process.stdin.write(f"photos/{name}\n".encode())
                process.stdin.flush()
                assert json.loads(process.stdout.readline())["path"] == f"photos/{name}"
            process.stdin.close()
            assert process.wait(PATIENCE) == 3
        assert len(manifest(Path("o"))) == 2

    def test_a_reader_that_goes_away(self, cnnkit: Run, photos: Path) -> None:
        code = f"{sys.executable} -m cnnkit augment photos --out o --recipe {BLOG} -n 40 | head -1"
        done = subprocess.run(["sh", "-c", code], capture_output=True, timeout=PATIENCE, check=True)
        assert (done.stdout.count(b"\n"), done.stderr) == (1, b"")
        assert (
            cnnkit("augment", "photos", "--out", "o", "--recipe", BLOG, "-n", "40").returncode == 0
        )
        assert len(manifest(Path("o"))) == 160


class TestEnds:
    @pytest.fixture
    def many(self, photos: Path) -> list[str]:
        for seed in range(60):
            picture(300, 200, seed).save(photos / f"{seed}.{'png' if seed % 2 else 'jpg'}")
        command = (sys.executable, "-m", "cnnkit", "augment", "photos", "--recipe", str(BLOG))
        return [*command, "-n", "16", "--jobs", "2", "--format", "jsonl"]

    def test_kills_leave_whole_pictures_only(self, many: list[str]) -> None:
        whole = subprocess.run([*many, "--out", "whole"], capture_output=True, check=True)
        right = {each["output"][len("whole/") :]: each["sha256"] for each in records(whole.stdout)}
        dice, seen, killed = random.Random(4), {0}, 0
        for _ in range(6):
            with subprocess.Popen([*many, "--out", "o"], stdout=subprocess.PIPE) as process:
                assert process.stdout
                for _ in range(max(seen) + dice.randrange(1, 160)):
                    process.stdout.readline()
                time.sleep(dice.random() / 20)
                process.send_signal(signal.SIGKILL)
                process.stdout.read()
                killed += process.wait(PATIENCE) == -signal.SIGKILL
            found = [path for path in Path("o").rglob("*__aug*") if not path.name.startswith(".")]
            for path in found:
                with Image.open(path) as image:
                    image.load()
                assert sha256(path.read_bytes()).hexdigest() == right[str(path.relative_to("o"))]
            seen.add(len(found))
        assert killed >= 3
        assert len(seen) >= 4
        done = subprocess.run([*many, "--out", "o"], capture_output=True, check=True)
        states = [each["state"] for each in records(done.stdout)]
        assert set(states) <= {"present", "made"}
        assert states.count("present") == max(seen)
        assert digests(Path("o")) == digests(Path("whole"))  # and no other file

    def test_ctrl_c(self, many: list[str]) -> None:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen([*many, "--out", "o"], **pipes) as process:
            assert process.stdout
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            text, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert b"Traceback" not in errors
        assert text.endswith(b"\n") or not text
        assert not list(Path("o").rglob("*.part"))
        assert not Path("o/manifest.jsonl").exists()
        done = subprocess.run([*many, "--out", "o"], capture_output=True, check=True)
        assert {each["state"] for each in records(done.stdout)} == {"present", "made"}
        assert len(manifest(Path("o"))) == 64 * 16

    def test_answers_that_cannot_be_written_end_the_run_in_order(self, many: list[str]) -> None:
        done = subprocess.run(
            [*many, "--out", "o", "--preview", "s.png", "-o", "/dev/full"],
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert b"No space left" in done.stderr
        assert not list(Path("o").rglob("*.part"))
        assert not Path("o/manifest.jsonl").exists()

    def test_two_at_once(self, many: list[str]) -> None:
        with subprocess.Popen([*many, "--out", "o"], stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            other = subprocess.run([*many, "--out", "o"], capture_output=True, check=False)
            process.stdout.read()
        assert process.returncode == 0
        assert other.returncode == 1
        assert b"Another process writes copies to 'o'" in other.stderr
        assert len(manifest(Path("o"))) == 64 * 16
