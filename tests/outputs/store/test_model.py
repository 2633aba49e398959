"""A store against a dictionary, through whatever is done to both."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cnnkit.outputs.store.reading import Reader
from cnnkit.outputs.store.writing import Writer
from tests.outputs.store.rows import assert_plain, assert_reader, known, new, sha256, stamp

# None of these paths is on the disk, so a known content under a new path is a row renamed.
PATHS = st.sampled_from([f"/no/such/folder/{name}" for name in ("a", "b", "c", "d", "e" * 300)])
CONTENTS = st.sampled_from("ABCDEF")


class StoreAndDictionary(RuleBasedStateMachine):
    """`rows` are the paths and contents that the store has to hold, in their order."""

    @initialize(features=st.sampled_from([1, 16, 2000]), half=st.booleans())
    def begin(self, features: int, half: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "s.h5"
        self.features = features
        self.rows: list[tuple[str, str]] = []
        self.writer = Writer(self.path)
        self.writer.stamp = stamp(features, "float16" if half else "float32")
        self.identity = ""

    @rule(pairs=st.lists(st.tuples(PATHS, CONTENTS), min_size=1, max_size=4))
    def put(self, pairs: list[tuple[str, str]]) -> None:
        held = {sha256(content) for _, content in self.rows if self.writer.knows(sha256(content))}
        rows = []
        for path, content in pairs:
            is_known = sha256(content) in held
            rows.append(
                known(path, content) if is_known else new(path, content, features=self.features)
            )
        expected = self._put(pairs)
        assert self.writer.put(rows) == expected

    def _put(self, pairs: list[tuple[str, str]]) -> list[int]:
        """What the store has to do: replace, rename what is still untouched, or add."""
        begun, touched, places = list(self.rows), set[int](), []
        for path, content in pairs:
            names = [name for name, _ in self.rows]
            if path in names:
                row = names.index(path)
            else:
                donor = self.writer._row_with.get(sha256(content))
                if donor is not None and donor not in touched:
                    assert begun[donor][1] == content
                    row = donor
                else:
                    row = len(self.rows)
                    self.rows.append((path, content))
            self.rows[row] = (path, content)
            touched.add(row)
            places.append(row)
        return places

    @rule(data=st.data())
    def keep_only(self, data: st.DataObject) -> None:
        if not self.path.exists():
            return
        kept = data.draw(st.permutations(range(len(self.rows))))
        kept = kept[: data.draw(st.integers(0, len(kept)))]
        self.writer.keep_only(kept)
        self.rows = [self.rows[row] for row in kept]

    @rule()
    def reopen(self) -> None:
        self.writer.__exit__(None, None, None)
        kept = self.writer.stamp
        self.writer = Writer(self.path)
        self.writer.stamp = self.writer.stamp or kept
        assert self.writer.recovered == ""

    @invariant()
    def both_hold_the_same(self) -> None:
        if not hasattr(self, "path") or not self.path.exists():
            return
        rows = dict(self.rows)
        assert len(rows) == len(self.rows)
        assert_plain(self.path, rows)
        reader = assert_reader(self.path, rows)
        assert self.writer.paths == list(rows)
        assert self.writer.row_of == {path: row for row, path in enumerate(rows)}
        self.identity = self.identity or reader.identity
        assert reader.identity == self.identity
        assert Reader(self.path).recovered == ""

    def teardown(self) -> None:
        if hasattr(self, "writer"):
            self.writer.__exit__(None, None, None)
            self.folder.cleanup()


StoreAndDictionary.TestCase.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, derandomize=True
)
test_a_store_is_what_a_dictionary_is = StoreAndDictionary.TestCase
