from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.data.rows import Turn, changed, from_json, make, to_json

_TEXT = st.text(max_size=9)


@given(
    st.builds(
        make,
        _TEXT,
        _TEXT,
        group=_TEXT,
        scenario=_TEXT,
        source=_TEXT,
        form=st.sampled_from(["answer", "preference", "feedback", "text"]),
        system=_TEXT,
        history=st.lists(st.builds(Turn, _TEXT, _TEXT), max_size=3).map(tuple),
        rejected=_TEXT,
        label=st.booleans(),
    )
)
def test_a_row_survives_a_round_trip(row: object) -> None:
    assert from_json(to_json(row)) == row  # type: ignore[arg-type]


def test_an_id_depends_on_content_alone() -> None:
    assert make("a", "b", group="g", source="x:1").id == make("a", "b").id
    assert make("a", "bc").id != make("ab", "c").id


def test_a_changed_row_keeps_its_own_group_its_own() -> None:
    row = changed(make("a", "b"), prompt="c")
    assert row.group == row.id == make("c", "b").id
    assert changed(make("a", "b", group="g"), prompt="c").group == "g"
