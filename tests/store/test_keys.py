"""Names of work items, to text and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miqd_builder.store.keys import STAGES, CommandKey, PartKey
from miqd_builder.tasks import TASKS

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,20}", fullmatch=True)


@given(st.sampled_from(STAGES), st.integers(0, 10**6), st.sampled_from(TASKS), NAMES, st.booleans())
def test_round_trip(stage, part: int, task, model: str, lost: bool) -> None:
    for key in (PartKey(stage, part), PartKey(stage, part, task), PartKey(stage, part, task, model, lost)):
        assert PartKey.parse(str(key)) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("degrade-part-00012", PartKey("degrade", 12)),
        ("score-det-part-1-part-00003-lost", PartKey("score", 3, "det", "part-1", True)),
        ("respond-cls-det-part-00000", PartKey("respond", 0, "cls", "det")),
    ],
)
def test_names_that_look_alike(text: str, key: PartKey) -> None:
    assert PartKey.parse(text) == key and str(key) == text


@pytest.mark.parametrize(
    "text", ["", "degrade", "degrade-part-1", "paint-part-00001", "score-det-a-part-00001-found", "source"]
)
def test_text_that_is_no_key(text: str) -> None:
    assert PartKey.parse(text) is None


@pytest.mark.parametrize(
    ("words", "key", "shown"),
    [
        ("degrade", CommandKey("degrade"), "degrade"),
        ("label det", CommandKey("label", "det"), "label --task det"),
        ("import cls", CommandKey("import", "cls"), "import --task cls"),
    ],
)
def test_commands_as_layout_1_wrote_them(words: str, key: CommandKey, shown: str) -> None:
    assert CommandKey.of_words(words) == key and str(key) == shown


@pytest.mark.parametrize("words", ["", "frob", "label frog", "label det ins"])
def test_other_words_are_no_command(words: str) -> None:
    with pytest.raises(ValueError, match="unknown command"):
        CommandKey.of_words(words)
