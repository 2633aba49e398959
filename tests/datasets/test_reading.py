"""Folders become labelled pictures; what is no class becomes none, and is told."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnkit.datasets.reading import read
from cnnkit.errors import InputError
from cnnkit.records import Dataset, Example


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(name.encode("utf-8", "surrogateescape"))


def told(dataset: Dataset) -> list[tuple[str, str, str]]:
    return [(example.path, example.label, example.split) for example in dataset.examples]


class TestClassFolders:
    def test_a_folder_for_each_class_in_the_order_in_which_people_count(self) -> None:
        touch("d/c10/b.png", "d/c2/10.jpg", "d/c2/9.JPG", "d/c2/deep/er/a.webp")
        dataset = read("d")
        assert told(dataset) == [
            ("d/c2/9.JPG", "c2", ""),
            ("d/c2/10.jpg", "c2", ""),
            ("d/c2/deep/er/a.webp", "c2", ""),
            ("d/c10/b.png", "c10", ""),
        ]
        assert (dataset.name, dataset.labels, dataset.notices) == ("d", ("c2", "c10"), ())

    @pytest.mark.parametrize("name", ["d", "d/", "./d", "../here/d", Path("d")])
    def test_the_name_is_the_folders_own(self, name: str | Path) -> None:
        touch("d/a/1.png")
        assert read(name).name == "d"
        assert read(name).examples[0].path == os.path.join(name, "a", "1.png")

    def test_the_folder_in_which_one_stands(self) -> None:
        touch("a/1.png")
        assert (read(".").name, read(".").examples) == ("here", (Example("./a/1.png", "a"),))

    @pytest.mark.parametrize("label", ["Löwe 🦁", "バラ", os.fsdecode(b"r\xf6se"), "a\nb", "-"])
    def test_any_name_is_a_class(self, label: str) -> None:
        touch(f"d/{label}/{label}.png", "d/x/1.png", f"d/{label}/{label}.txt")
        dataset = read("d")
        assert set(dataset.labels) == {label, "x"}
        (path,) = (example.path for example in dataset.examples if example.label == label)
        assert Path(path).is_file()
        "".join(dataset.notices).encode()  # a notice can be printed anywhere
        assert "\n" not in "".join(dataset.notices)

    def test_one_class_is_no_error_here(self) -> None:
        touch("d/rose/1.png")
        assert read("d").labels == ("rose",)


class TestWhatIsNoClass:
    def test_is_told(self) -> None:
        touch("d/rose/1.png", "d/.git/2.png", "d/__MACOSX/rose/3.png", "d/@eaDir/4.png")
        touch("d/$RECYCLE.BIN/5.png", "d/lost+found/6.png", "d/.ipynb_checkpoints/7.png")
        touch("d/loose.png", "d/Thumbs.db", "d/rose/.ipynb_checkpoints/8.png", "d/rose/._9.png")
        touch("d/rose/Thumbs.db", "d/rose/__MACOSX/10.png")
        Path("d/tulip/inner").mkdir(parents=True)
        dataset = read("d")
        assert told(dataset) == [("d/rose/1.png", "rose", "")]
        assert dataset.labels == ("rose",)
        assert sorted(dataset.notices) == [
            "empty folder: tulip",
            "file beside the folders (2): Thumbs.db, loose.png",
            "file that is no picture (2): rose/._9.png, rose/Thumbs.db",
            "hidden folder (3): .git, .ipynb_checkpoints, rose/.ipynb_checkpoints",
            "junk folder (5): $RECYCLE.BIN, @eaDir, __MACOSX, lost+found, rose/__MACOSX",
        ]

    def test_is_counted_where_there_is_much(self) -> None:
        touch("d/a/1.png", *(f"d/a/{number}.txt" for number in range(1200)))
        (notice,) = read("d").notices
        assert notice.startswith("file that is no picture (1,200): a/0.txt, a/1.txt, a/2.txt")
        assert notice.endswith(", a/4.txt, …")

    @pytest.mark.parametrize("other", ["a", "b"])
    def test_pictures_with_no_class_are_an_error_that_shows_the_layouts(self, other: str) -> None:
        touch(f"d/{other}.png", "d/2.jpg", "d/note.txt")
        with pytest.raises(InputError, match=r"pictures of no class \(2\)(.|\n)*DATA/rose/1.jpg"):
            read("d")

    def test_nor_is_what_holds_nothing(self) -> None:
        Path("d").mkdir()
        with pytest.raises(InputError, match=r"'d' has no class folder.\nExpected one of"):
            read("d")
        touch("d/rose/note.txt")
        with pytest.raises(InputError, match=r"No labelled picture(.|\n)*empty folder: rose"):
            read("d")

    @pytest.mark.parametrize("name", ["absent", "", "a\0b", "\ud800"])
    def test_nor_what_is_not_there(self, name: str) -> None:
        with pytest.raises(InputError, match="There is no folder or list"):
            read(name)

    def test_nor_a_picture(self) -> None:
        touch("a.png")
        with pytest.raises(InputError, match="neither a folder nor a CSV"):
            read("a.png")


class TestLinks:
    @pytest.mark.timeout(20)
    def test_in_a_circle_are_left_out(self) -> None:
        touch("d/a/1.png", "d/b/2.png")
        Path("d/a/up").symlink_to("../../d/a")
        Path("d/b/top").symlink_to("../../d")
        Path("d/c").symlink_to(".")
        Path("d/loop").symlink_to("loop")
        dataset = read("d")
        assert dataset.labels == ("a", "b")
        assert told(dataset) == [("d/a/1.png", "a", ""), ("d/b/2.png", "b", "")]
        assert "folder linked in a circle (3): a/up, b/top, c" in dataset.notices
        assert "file beside the folders: loop" in dataset.notices

    def test_are_followed_elsewhere(self) -> None:
        touch("d/a/1.png", "far/2.png", "3.png")
        Path("d/b").symlink_to("../far")
        Path("d/a/4.png").symlink_to("../../3.png")
        assert told(read("d")) == [
            ("d/a/1.png", "a", ""),
            ("d/a/4.png", "a", ""),
            ("d/b/2.png", "b", ""),
        ]

    def test_to_one_file_under_two_labels_are_told_and_kept(self) -> None:
        touch("d/a/1.png")
        Path("d/b").symlink_to("a")
        dataset = read("d")
        assert told(dataset) == [("d/a/1.png", "a", ""), ("d/b/1.png", "b", "")]
        assert dataset.notices == ("one file under several labels: d/b/1.png (a, b)",)

    def test_to_one_file_under_one_label_count_once(self) -> None:
        touch("d/a/1.png", "d/b/2.png")
        Path("d/a/3.png").symlink_to("1.png")
        dataset = read("d")
        assert told(dataset) == [("d/a/1.png", "a", ""), ("d/b/2.png", "b", "")]
        assert dataset.notices == ("named twice: d/a/3.png",)


class TestWhatCannotBeRead:
    @pytest.fixture(autouse=True)
    def _locked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Whoever runs the tests as root may read everything.
        listdir = os.listdir

        def refusing(path: str) -> list[str]:
            if "locked" in os.path.basename(os.path.normpath(path)):
                raise PermissionError(13, "Permission denied", path)
            return listdir(path)

        monkeypatch.setattr(os, "listdir", refusing)

    def test_among_classes_and_below_them_is_told(self) -> None:
        touch("d/a/1.png", "d/a/locked/2.png", "d/locked/3.png")
        dataset = read("d")
        assert told(dataset) == [("d/a/1.png", "a", "")]
        told_so = "folder that cannot be read (Permission denied) (2): a/locked, locked"
        assert dataset.notices == (told_so,)

    def test_at_the_top_is_an_error(self) -> None:
        touch("locked/a/1.png")
        with pytest.raises(InputError, match="'locked' cannot be read: Permission denied"):
            read("locked")

    @pytest.fixture
    def lock(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        listdir = os.listdir

        def locking(folder: str) -> None:
            def refusing(path: str) -> list[str]:
                if path == folder:
                    raise PermissionError(13, "Permission denied", path)
                return listdir(path)

            monkeypatch.setattr(os, "listdir", refusing)

        return locking

    def test_as_train_is_an_error(self, lock: Callable[[str], None]) -> None:
        touch("d/train/a/1.png", "d/val/a/2.png")
        lock("d/train")
        with pytest.raises(InputError, match=r"has train, val, but no train .* that can be read"):
            read("d")

    def test_as_another_split_is_told(self, lock: Callable[[str], None]) -> None:
        touch("d/train/a/1.png", "d/val/a/2.png")
        lock("d/val")
        dataset = read("d")
        assert told(dataset) == [("d/train/a/1.png", "a", "train")]
        assert dataset.notices == ("folder that cannot be read (Permission denied): val",)


class TestSplitFolders:
    @pytest.mark.parametrize(
        ("train", "val", "test"),
        [("train", "val", "test"), ("Training", "valid", "testing"), ("TRAIN", "Validation", "x")],
    )
    def test_each_spelling(self, train: str, val: str, test: str) -> None:
        touch(f"d/{train}/b/1.png", f"d/{train}/a/2.png", f"d/{val}/a/3.png", f"d/{test}/b/4.png")
        dataset = read("d")
        expected = [
            (f"d/{train}/a/2.png", "a", "train"),
            (f"d/{val}/a/3.png", "a", "val"),
            (f"d/{train}/b/1.png", "b", "train"),
        ]
        if test != "x":
            assert told(dataset) == [*expected, (f"d/{test}/b/4.png", "b", "test")]
            assert dataset.notices == ()
        else:
            assert told(dataset) == expected
            assert dataset.notices == ("folder that is no split: x",)

    def test_train_alone(self) -> None:
        touch("d/train/a/1.png", "d/train/b/2.png", "d/docs/read.txt")
        dataset = read("d")
        assert dataset.labels == ("a", "b")
        assert {example.split for example in dataset.examples} == {"train"}

    def test_a_class_of_which_nothing_can_be_learned_is_told(self) -> None:
        touch("d/train/a/1.png", "d/val/b/2.png", "d/val/c/3.png", "d/test/c/4.png")
        dataset = read("d")
        assert dataset.labels == ("a", "b", "c")
        assert dataset.notices == ("class only in val: b", "class only in val and test: c")

    def test_junk_in_a_split_is_told_with_the_split(self) -> None:
        touch("d/train/a/1.png", "d/train/stray.png", "d/val/.x/2.png", "d/train/a/t.txt")
        Path("d/val/b").mkdir()
        assert sorted(read("d").notices) == [
            "empty folder: val/b",
            "file beside the folders: train/stray.png",
            "file that is no picture: train/a/t.txt",
            "hidden folder: val/.x",
        ]

    def test_a_split_of_pictures_alone_is_told(self) -> None:
        touch("d/train/a/1.png", "d/test/2.png")
        assert read("d").notices == (
            "file beside the folders: test/2.png",
            "split without a class folder: test",
        )

    @pytest.mark.parametrize(
        "names",
        [
            ("val/a/1.png", "test/a/2.png"),
            ("train/1.png", "val/2.png"),
            ("train/1.png",),
            ("test/a/1.png",),
        ],
    )
    def test_they_need_train_with_classes(self, names: tuple[str, ...]) -> None:
        touch(*(f"d/{name}" for name in names))
        with pytest.raises(InputError, match=r"no train with class folders in it that can be read"):
            read("d")

    def test_a_class_may_be_called_like_a_split(self) -> None:
        touch("d/train/1.png", "d/bus/2.png", "d/test/ed/3.png")
        assert read("d").labels == ("bus", "test", "train")
        touch("e/valid/1.png", "e/invalid/2.png")
        assert read("e").labels == ("invalid", "valid")

    def test_what_may_be_a_class_or_a_split_is_asked(self) -> None:
        touch("d/train/steam/1.png", "d/bus/2.png", "d/car/3.png")
        with pytest.raises(InputError, match=r"Is 'd/train' a class or a split.*'bus', 'car'"):
            read("d")


@pytest.mark.real
def test_flowers(data: Path) -> None:
    dataset = read(data / "photos" / "flowers")
    assert dataset.labels == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    sides = [example.split for example in dataset.examples]
    assert (sides.count("train"), sides.count("val"), dataset.notices) == (400, 150, ())
