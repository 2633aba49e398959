"""Every way of naming pictures comes out as the paths that were meant, in order and unharmed."""

import io
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.errors import InputError, UsageError
from cnnkit.images.paths import expand, listed
from cnnkit.records import PICTURE_SUFFIXES


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, so that names stay short."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def touch(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def named(*arguments: str, stdin: bytes | None = None, **options: object) -> list[str]:
    stream = None if stdin is None else io.BytesIO(stdin)
    return list(expand(arguments, stdin=stream, **options))  # type: ignore[arg-type]


class TestFolders:
    def test_natural_order_and_nesting(self) -> None:
        touch("p/img10.jpg", "p/img2.jpg", "p/b/1.png", "p/a9/x.gif", "p/a10/x.gif", "p/c.WEBP")
        expected = ["p/a9/x.gif", "p/a10/x.gif", "p/b/1.png", "p/c.WEBP", "p/img2.jpg"]
        assert named("p") == [*expected, "p/img10.jpg"]

    def test_only_pictures_are_taken(self) -> None:
        touch("p/a.jpg", "p/notes.txt", "p/jpg", "p/x.jpg.part")
        assert named("p") == ["p/a.jpg"]

    def test_every_suffix_in_either_case(self) -> None:
        names = {f"p/x{s}" for s in PICTURE_SUFFIXES} | {
            f"p/y{s.upper()}" for s in PICTURE_SUFFIXES
        }
        touch(*names)
        assert set(named("p")) == names

    def test_hidden_ones_are_passed_over(self) -> None:
        touch("p/.hidden.jpg", "p/.cache/a.jpg", "p/a.jpg")
        assert named("p") == ["p/a.jpg"]

    def test_hidden_ones_are_taken_when_named(self) -> None:
        touch(".p/a.jpg", ".b.jpg")
        assert named(".p", ".b.jpg") == [".p/a.jpg", ".b.jpg"]

    @pytest.mark.parametrize("name", ["p", "p/", "./p"])
    def test_the_name_is_kept_as_it_was_given(self, name: str) -> None:
        touch("p/a.jpg")
        assert named(name) == [os.path.join(name, "a.jpg")]

    def test_a_folder_named_like_a_picture(self) -> None:
        touch("p/folder.jpg/a.jpg")
        assert named("p") == ["p/folder.jpg/a.jpg"]

    def test_no_picture_is_an_error_at_once(self) -> None:
        Path("empty").mkdir()
        touch("texts/a.txt", "full/a.jpg")
        for folder in ("empty", "texts"):
            with pytest.raises(InputError, match=f"No picture in the folder '{folder}'"):
                expand(["full", folder])

    def test_all_excluded_is_an_error_too(self) -> None:
        touch("p/a.jpg")
        with pytest.raises(InputError):
            expand(["p"], exclude=["*.jpg"])

    def test_links_that_lead_back_are_not_followed(self) -> None:
        touch("p/q/a.jpg")
        Path("p/q/up").symlink_to("..")
        Path("p/q/self").symlink_to(".")
        Path("p/elsewhere").symlink_to("../other")
        touch("other/b.jpg")
        assert named("p") == ["p/elsewhere/b.jpg", "p/q/a.jpg"]

    def test_a_link_to_nowhere_is_still_an_input(self) -> None:
        touch("p/a.jpg")
        Path("p/gone.jpg").symlink_to("nowhere")
        assert named("p") == ["p/a.jpg", "p/gone.jpg"]

    def test_a_folder_that_cannot_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        touch("p/a.jpg")

        def refuse(folder: str) -> list[str]:
            raise PermissionError(13, "Permission denied", folder)

        monkeypatch.setattr(os, "listdir", refuse)
        with pytest.raises(InputError, match="'p' cannot be read: Permission denied"):
            named("p")

    def test_odd_bytes_in_names(self) -> None:
        Path("p").mkdir()
        for name in (b"\xff.jpg", b"new\nline.jpg", b"a b.jpg"):
            Path(os.fsdecode(b"p/" + name)).touch()
        assert {os.fsencode(p) for p in named("p")} == {
            b"p/\xff.jpg",
            b"p/new\nline.jpg",
            b"p/a b.jpg",
        }


class TestExclude:
    @pytest.mark.parametrize(
        ("pattern", "left"),
        [
            ("a.jpg", ["p/b.png", "p/sub/c.jpg"]),
            ("*.jpg", ["p/b.png"]),
            ("sub", ["p/a.jpg", "p/b.png"]),
            ("s*b", ["p/a.jpg", "p/b.png"]),
            ("p/sub/*", ["p/a.jpg", "p/b.png"]),
            ("p/sub", ["p/a.jpg", "p/b.png"]),
            ("[ab].*", ["p/sub/c.jpg"]),
            ("A.JPG", ["p/a.jpg", "p/b.png", "p/sub/c.jpg"]),
        ],
    )
    def test_names_paths_and_folders(self, pattern: str, left: list[str]) -> None:
        touch("p/a.jpg", "p/b.png", "p/sub/c.jpg")
        assert named("p", exclude=[pattern]) == left

    def test_several(self) -> None:
        touch("p/a.jpg", "p/b.png", "p/sub/c.jpg")
        assert named("p", exclude=["sub", "*.png"]) == ["p/a.jpg"]

    def test_lists_and_patterns_too(self) -> None:
        touch("a.jpg", "b.jpg")
        assert named("*.jpg", exclude=["a*"]) == ["b.jpg"]
        assert named("-", stdin=b"x/a.jpg\nx/b.jpg\n", exclude=["a*"]) == ["x/b.jpg"]
        assert named("-", stdin=b"thumbs/a.jpg\nx/b.jpg\n", exclude=["thumbs"]) == ["x/b.jpg"]


class TestPatterns:
    def test_what_matches_in_natural_order(self) -> None:
        touch("p/x10.jpg", "p/x9.jpg", "p/y.txt", "p/.x1.jpg")
        assert named("p/x*.jpg") == ["p/x9.jpg", "p/x10.jpg"]
        assert named("p/x?.jpg") == ["p/x9.jpg"]
        assert named("p/[xy]*") == ["p/x9.jpg", "p/x10.jpg", "p/y.txt"]

    def test_two_stars_go_down(self) -> None:
        touch("p/a.jpg", "p/q/b.jpg", "p/q/r/c.jpg", "p/.h/d.jpg", "p/q/.e.jpg", "f.jpg")
        every = ["p/a.jpg", "p/q/b.jpg", "p/q/r/c.jpg"]
        assert named("p/**/*.jpg") == every
        assert named("p/**") == every
        assert named("**/*.jpg") == ["f.jpg", *every]
        assert named("p/**/r/*.jpg") == ["p/q/r/c.jpg"]
        assert named("**/q/**/*.jpg") == ["p/q/b.jpg", "p/q/r/c.jpg"]
        assert named(str(Path.cwd() / "p/**/c.*")) == [str(Path.cwd() / "p/q/r/c.jpg")]

    def test_two_stars_are_not_led_in_circles_by_links(self) -> None:
        """Two links back to their folder are 2⁴⁰ paths to one that follows them all."""
        touch("p/q/a.jpg")
        for name in ("one", "two"):
            Path("p/q", name).symlink_to("..")
        assert named("p/**/*.jpg") == ["p/q/a.jpg"]

    def test_two_stars_from_a_link(self) -> None:
        touch("real/sub/a.jpg")
        Path("link").symlink_to("real")
        assert named("link/**/*.jpg") == ["link/sub/a.jpg"]

    def test_folders_are_no_matches(self) -> None:
        touch("p/a.jpg", "p/sub/b.jpg")
        assert named("p/*") == ["p/a.jpg"]

    def test_no_match_is_an_input_that_is_missing(self) -> None:
        assert named("nothing*.jpg", "gone.jpg") == ["nothing*.jpg", "gone.jpg"]

    def test_a_file_whose_name_looks_like_a_pattern(self) -> None:
        touch("[a]*.jpg", "a1.jpg", "[d]/**/x.jpg", "[d]/x[1].jpg")
        assert named("[a]*.jpg") == ["[a]*.jpg"]
        assert named("[d]/x[1].jpg") == ["[d]/x[1].jpg"]
        assert named("[d]") == ["[d]/**/x.jpg", "[d]/x[1].jpg"]


class TestArguments:
    def test_their_order_is_kept_and_nothing_is_dropped(self) -> None:
        touch("p/a.jpg")
        given = ["z.jpg", "p", "a.jpg", "p/a.jpg", "z.jpg"]
        assert named(*given) == ["z.jpg", "p/a.jpg", "a.jpg", "p/a.jpg", "z.jpg"]

    def test_none_give_none(self) -> None:
        assert named() == []

    def test_a_list_between_others(self) -> None:
        assert named("a.jpg", "-", "b.jpg", stdin=b"l.jpg\n") == ["a.jpg", "l.jpg", "b.jpg"]

    def test_a_list_without_stdin(self) -> None:
        with pytest.raises(UsageError, match="reads a list from stdin"):
            expand(["-"])

    def test_a_stream_is_consumed_lazily(self) -> None:
        taken: list[str] = []

        def stream() -> Iterator[str]:
            for number in range(1000):
                taken.append(f"{number}.jpg")
                yield taken[-1]

        paths = expand(stream())
        assert taken == []
        assert [next(paths), next(paths)] == ["0.jpg", "1.jpg"]
        assert len(taken) == 2


class TestLists:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (b"", []),
            (b"\n\n", []),
            (b"a.jpg", ["a.jpg"]),
            (b"a.jpg\nb.jpg\n", ["a.jpg", "b.jpg"]),
            (b"a.jpg\r\nb.jpg\r\n", ["a.jpg", "b.jpg"]),
            (b"\r\n", []),
            (b" a b.jpg \n", [" a b.jpg "]),
            (b"\xff.jpg\n", ["\udcff.jpg"]),
            (b"*.jpg\n-\n.\n", ["*.jpg", "-", "."]),
        ],
    )
    def test_lines(self, content: bytes, expected: list[str]) -> None:
        touch("other.jpg")
        assert named("-", stdin=content) == expected

    def test_a_name_that_does_end_with_a_carriage_return(self) -> None:
        touch("odd\r")
        assert named("-", stdin=b"odd\r\nother\r\n") == ["odd\r", "other"]

    def test_null_separated(self) -> None:
        content = b"a\nb.jpg\0c\r\0\0" + b'{"path": "x"}\0last'
        assert named("-", stdin=content, null=True) == ["a\nb.jpg", "c\r", '{"path": "x"}', "last"]

    def test_records_stand_for_their_paths(self) -> None:
        records = [
            {"path": "a b.jpg", "status": "ok", "predictions": [{"label": "x"}]},
            {"path": "new\nline.jpg", "status": "error"},
            {"path": "\udcff.jpg"},
            {"path": "ünï.jpg"},
        ]
        content = "".join(json.dumps(record) + "\n" for record in records).encode()
        paths = ["a b.jpg", "new\nline.jpg", "\udcff.jpg", "ünï.jpg"]
        assert named("-", stdin=content) == paths

    @pytest.mark.parametrize(
        "line",
        [
            *('{"no": "path"}', '{"path": 3}', '{"path": ""}', "{broken", "{}.jpg", '["path"]'),
            '{"path":' * 60_000,
            '{"a": ' + "[" * 60_000,
            '{"a": ' + "9" * 5_000 + "}",
        ],
        ids=lambda line: line[:12],
    )
    def test_what_is_no_record_is_a_name(self, line: str) -> None:
        assert named("-", stdin=line.encode() + b"\n") == [line]

    def test_an_endless_line_is_refused(self) -> None:
        class Endless(io.RawIOBase):
            given = 0

            def read(self, size: int = -1) -> bytes:
                self.given += size
                assert self.given < 16 << 20, "it never stops"
                return b"x" * size

        entries = listed(Endless())  # type: ignore[arg-type]
        with pytest.raises(InputError, match="more than 1 MiB"):
            next(entries)

    def test_long_lists_of_short_names_are_not(self) -> None:
        names = [f"{number:07}.jpg" for number in range(200_000)]
        assert list(listed(io.BytesIO("\n".join(names).encode()))) == names

    @given(st.lists(st.binary(min_size=1).filter(lambda name: b"\0" not in name)))
    def test_every_name_round_trips(self, names: list[bytes]) -> None:
        content = b"".join(name + b"\0" for name in names)
        assert [os.fsencode(p) for p in listed(io.BytesIO(content), null=True)] == names

    @given(st.binary())
    def test_any_list_is_read_to_its_end(self, content: bytes) -> None:
        assert all(listed(io.BytesIO(content)))
        assert all(listed(io.BytesIO(content), null=True))


class TestPipes:
    @pytest.fixture
    def pipe(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        reading, writing = os.pipe()
        with open(reading, "rb") as source, open(writing, "wb", buffering=0) as sink:  # noqa: PTH123
            yield source, sink

    @pytest.mark.timeout(20)
    def test_entries_come_while_the_pipe_is_open(self, pipe: tuple[BinaryIO, BinaryIO]) -> None:
        source, sink = pipe
        entries = listed(source)
        sink.write(b"a.jpg\nb.jpg\nhal")
        assert [next(entries), next(entries)] == ["a.jpg", "b.jpg"]
        sink.write(b"f.jpg\nc")
        assert next(entries) == "half.jpg"
        sink.close()
        assert list(entries) == ["c"]

    @pytest.mark.timeout(20)
    def test_a_pipe_that_does_not_block(self, pipe: tuple[BinaryIO, BinaryIO]) -> None:
        """Another program may have left stdin so; having nothing yet is not its end."""
        source, sink = pipe
        os.set_blocking(source.fileno(), False)

        def write() -> None:
            time.sleep(0.1)
            sink.write(b"a.jpg\n")
            time.sleep(0.1)
            sink.close()

        writer = threading.Thread(target=write)
        writer.start()
        assert list(listed(source)) == ["a.jpg"]
        writer.join()


def test_folders_above_a_named_one_are_not_excluded(tmp_path: Path) -> None:
    (tmp_path / "train" / "thumbs").mkdir(parents=True)
    for name in ("train/a.png", "train/thumbs/b.png"):
        (tmp_path / name).touch()
    top = str(tmp_path / "train")
    assert list(expand([top], exclude=["train"])) == [f"{top}/a.png", f"{top}/thumbs/b.png"]
    assert list(expand([top], exclude=["thumbs/"])) == [f"{top}/a.png"]


def test_a_folder_within_that_cannot_be_read_is_one_failed_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "open.png").touch()
    real = os.listdir

    def listdir(folder: str) -> list[str]:
        if folder.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "listdir", listdir)
    assert list(expand([str(tmp_path)])) == [f"{tmp_path}/closed", f"{tmp_path}/open.png"]


def test_folders_nested_deeper_than_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    Path("a.png").touch()
    monkeypatch.chdir(tmp_path)
    (found,) = expand(["d"])
    assert found.endswith("/d/a.png")
    assert found.count("/") == 1200
    for _ in range(1200):  # shutil.rmtree would recurse
        os.chdir("d")
    Path("a.png").unlink()
    for _ in range(1200):
        os.chdir("..")
        os.rmdir("d")
