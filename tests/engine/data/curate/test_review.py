"""Curation: the queue, the decisions, and the rows after them."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.base.errors import UsageError
from engine.data.curate import review, suspects
from engine.data.curate.review import Decision
from engine.data.curate.suspects import Item
from engine.data.findings import Cleaned
from engine.data.rows import make, to_json

ITEM = Item(1, "ab", "a.jsonl:1", "conflict", "asks the same", "dropped", "a.jsonl:2", "bill", "P", "C")  # fmt: skip


@pytest.fixture
def project_id(workspace) -> int:
    row = {"name": "p", "path": "/p", "task": "free", "base_model": "m", "created": 1.0}
    return workspace.insert("projects", row)


def suspicious() -> tuple[Cleaned, dict[str, str]]:
    """A result with rows of several kinds; returns it and the rows' ids by place."""
    cleaned = Cleaned()
    rows = [make(f"prompt {at}", f"answer {at}", source=f"a.jsonl:{at}") for at in range(1, 7)]
    cleaned.note("pii", rows[0], "email", "masked")
    cleaned.note("near duplicate", rows[1], "asks nearly the same as a.jsonl:3", other="a.jsonl:3")
    cleaned.note("conflict", rows[3], "asks the same as a.jsonl:5", other="a.jsonl:5")
    cleaned.note("toxic", rows[0], "words that may offend", "flagged")
    cleaned.note("exact duplicate", rows[5], "repeats a.jsonl:1")
    cleaned.note("leak", rows[4], "same question as golden row g.jsonl:1", other="g.jsonl:1")
    cleaned.rows = [rows[0], rows[2]]
    return cleaned, {row.source: row.id for row in rows}


def test_the_queue_is_ranked_and_joins_what_was_found_in_one_row():
    cleaned, ids = suspicious()
    items = suspects.queue(cleaned)
    assert [item.rank for item in items] == [1, 2, 3, 4]
    assert [item.kind for item in items] == ["conflict", "leak", "toxic, pii", "near duplicate"]
    assert items[2].row_id == ids["a.jsonl:1"]
    assert items[2].what == "words that may offend; email"
    assert items[2].prompt_after == "prompt 1"
    assert (items[0].prompt_after, items[0].other, items[0].action) == (
        None,
        "a.jsonl:5",
        "dropped",
    )
    assert [item.kind for item in suspects.queue(cleaned, limit=2)] == ["conflict", "leak"]


def test_no_personal_data_enters_the_queue_even_where_the_project_keeps_it():
    cleaned = Cleaned()
    row = make("write to ann@example.com", "ann@example.com it is", source="a.jsonl:1")
    cleaned.note("pii", row, "email", "kept")
    cleaned.rows = [row]
    (item,) = suspects.queue(cleaned)
    assert "ann@example.com" not in repr(item)
    assert item.prompt == item.prompt_after == "write to <EMAIL_1>"


def test_a_long_text_is_cut_and_its_cut_form_is_no_edit(workspace, project_id):
    cleaned = Cleaned()
    cleaned.note("too long", make("x" * 50_000, "y", source="a.jsonl:1"), "50,000 tokens")
    (item,) = suspects.queue(cleaned)
    assert len(item.prompt) < 21_000
    with pytest.raises(UsageError, match="only its beginning"):
        review.decide(workspace, project_id, item, "ann", "edit", prompt=item.prompt + " more")


def test_the_queue_replaces_the_one_before_and_leaves_decisions_alone(workspace, project_id):
    cleaned, _ = suspicious()
    items = suspects.queue(cleaned)
    suspects.save_queue(workspace, project_id, None, items)
    assert suspects.load_queue(workspace, project_id) == items
    review.decide(workspace, project_id, items[0], "ann", "reject")
    suspects.save_queue(workspace, project_id, None, items[:1])
    assert suspects.load_queue(workspace, project_id) == items[:1]
    assert review.decisions(workspace, project_id)[items[0].row_id].decision == "reject"
    assert suspects.load_queue(workspace, project_id + 1) == []


@pytest.mark.parametrize(
    ("decision", "texts", "message"),
    [
        ("edit", {}, "changes nothing"),
        ("edit", {"prompt": "P", "completion": "C"}, "changes nothing"),
        ("edit", {"completion": " \n"}, "completion is empty"),
        ("edit", {"completion": "x", "scenario": "s"}, "takes no scenario"),
        ("relabel", {"prompt": "other"}, "takes no prompt"),
        ("relabel", {"scenario": "bill"}, "changes nothing"),
        ("accept", {"completion": "x"}, "takes no completion"),
        ("ignore", {}, "no decision 'ignore'"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(workspace, project_id, decision, texts, message):
    with pytest.raises(UsageError, match=message):
        review.decide(workspace, project_id, ITEM, "ann", decision, **texts)
    with pytest.raises(UsageError, match="Nobody"):
        review.decide(workspace, project_id, ITEM, " ", "accept")
    assert review.reviews(workspace, project_id) == {}


def held(store, project_id):
    decision = review.decisions(store, project_id).get("ab")
    return decision and (decision.decision, decision.reviewers)


def test_two_who_disagree_dispute_a_row_until_a_third_decides(workspace, project_id):
    def decide(name, decision, **more):
        review.decide(workspace, project_id, ITEM, name, decision, **more)

    decide("ann", "accept")
    assert held(workspace, project_id) == ("accept", ("ann",))
    decide("ben", "reject")
    assert held(workspace, project_id) == ("disputed", ("ann", "ben"))
    decide("cat", "edit", completion="D")
    assert held(workspace, project_id) == ("disputed", ("ann", "ben", "cat"))
    decide("cat", "reject")
    assert held(workspace, project_id) == ("reject", ("ben", "cat"))
    assert review.withdraw(workspace, project_id, "cat").decision == "reject"
    assert held(workspace, project_id)[0] == "disputed"
    decide("ann", "edit", completion="E", note="settled, I think", settle=True)
    assert held(workspace, project_id) == ("edit", ("ann",))
    decide("ben", "reject", note="settled? no")
    assert held(workspace, project_id) == ("edit", ("ann",))
    review.withdraw(workspace, project_id, "ann")
    assert held(workspace, project_id)[0] == "disputed"


def test_different_edits_dispute_and_equal_ones_agree(workspace, project_id):
    review.decide(workspace, project_id, ITEM, "ann", "edit", prompt="P", completion="D")
    review.decide(workspace, project_id, ITEM, "ben", "relabel", completion="E")
    assert held(workspace, project_id)[0] == "disputed"
    review.decide(workspace, project_id, ITEM, "ben", "relabel", completion="D")
    assert held(workspace, project_id) == ("relabel", ("ann", "ben"))
    assert review.decisions(workspace, project_id)["ab"].completion == "D"


def test_undo_takes_back_the_last_decision_of_one_person_only(workspace, project_id):
    assert review.withdraw(workspace, project_id, "ann") is None
    other = Item(2, "cd", "a.jsonl:2", "pii", "email", "masked", "", "", "P2", "C2")
    review.decide(workspace, project_id, ITEM, "ann", "accept")
    review.decide(workspace, project_id, other, "ann", "reject")
    review.decide(workspace, project_id, ITEM, "ben", "accept")
    assert review.withdraw(workspace, project_id, "ann", "ab").row_id == "ab"
    assert review.withdraw(workspace, project_id, "ann").row_id == "cd"
    assert review.withdraw(workspace, project_id, "ann") is None
    assert held(workspace, project_id) == ("accept", ("ben",))


def test_decisions_change_the_rows_and_are_found(workspace, project_id):
    rows = [make(f"p{at}", f"c{at}", source=f"a.jsonl:{at}", scenario="s") for at in range(1, 7)]
    ids = [row.id for row in rows]
    by = ("ann",)
    wanted = {
        ids[0]: Decision("accept", reviewers=by),
        ids[1]: Decision("reject", reviewers=by),
        ids[2]: Decision("edit", prompt="new", completion="answer", reviewers=by),
        ids[3]: Decision("relabel", scenario="t", reviewers=by),
        ids[4]: Decision("disputed", reviewers=("ann", "ben")),
        "gone": Decision("reject", reviewers=by),
    }
    result = Cleaned()
    after, accepted = review.apply(iter(rows), wanted, result)
    kept = list(after)
    assert accepted == {ids[0]}
    assert [(row.prompt, row.completion, row.scenario) for row in kept] == [
        ("p1", "c1", "s"), ("new", "answer", "s"), ("p4", "c4", "t"), ("p6", "c6", "s"),
    ]  # fmt: skip
    assert result.read_id(kept[1].id) == ids[2]
    assert [(f.kind, f.row, f.action, f.row_id) for f in result.findings] == [
        ("rejected", 2, "dropped", ids[1]), ("edited", 3, "fixed", ids[2]),
        ("edited", 4, "fixed", ids[3]), ("disputed", 5, "dropped", ids[4]),
    ]  # fmt: skip
    result.rows = kept
    items = suspects.queue(result)
    assert [item.kind for item in items] == ["disputed", "edited", "edited", "rejected"]
    assert (items[1].prompt, items[1].prompt_after) == ("p3", "new")


CHOICES = st.sampled_from(["", "accept", "reject", "edit", "relabel", "disputed"])


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.text("ab\n你", max_size=3), st.text("xy", max_size=2), CHOICES), max_size=14
    ),
    st.text(min_size=1, max_size=4),
)
def test_apply_never_invents_or_loses_a_row_that_was_not_rejected(made, new):
    rows = [make(p, c, source=f"a:{at}") for at, (p, c, _) in enumerate(made, 1)]
    parts = {"edit": {"prompt": new}, "relabel": {"completion": new}}
    decisions = {
        row.id: Decision(choice, **parts.get(choice, {}), reviewers=("ann",))
        for row, (_, _, choice) in zip(rows, made, strict=True)
        if choice
    }
    result = Cleaned()
    after, accepted = review.apply(iter(rows), decisions, result)
    kept = {row.source: row for row in after}
    for row in rows:
        held = decisions.get(row.id)
        choice = held.decision if held else ""
        assert (row.source in kept) == (choice not in ("reject", "disputed"))
        if choice in ("", "accept"):
            assert kept[row.source] is row
        elif choice in ("edit", "relabel"):
            read = (new, row.completion) if choice == "edit" else (row.prompt, new)
            assert (kept[row.source].prompt, kept[row.source].completion) == read
            assert result.read_id(kept[row.source].id) in {row.id, *result.suspects}
    assert len(kept) + sum(f.action == "dropped" for f in result.findings) == len(rows)
    assert accepted == {row_id for row_id, held in decisions.items() if held.decision == "accept"}


def test_the_other_row_is_read_from_the_dataset_masked_and_never_from_the_golden_set(
    workspace, project_id
):
    folder = workspace.workspace / "d"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    row = make("mail ann@example.com", "done", source='odd "name".jsonl:3')
    for split in ("train", "validation"):
        (folder / f"{split}.jsonl").write_text("")
    (folder / "test.jsonl").write_text(to_json(row) + "\n")
    (folder / "golden.jsonl").write_text(to_json(make("q", "a", source="g.jsonl:1")) + "\n")
    counts = ("rows_read", "rows_kept", "train", "validation", "test", "golden")
    dataset = {**dict.fromkeys(counts, 1), "tokens_train": 1, "tokens_longest": 1, "created": 1.0}
    workspace.insert("datasets", {"id": "d", "project_id": project_id, "path": "d", **dataset})
    gate = {"project_id": project_id, "gate": "data", "subject": "d", "result": "pass"}
    assert suspects.kept_row(workspace, project_id, row.source) is None
    workspace.insert("gates", {**gate, "reasons": "", "created": 1.0})
    assert suspects.kept_row(workspace, project_id, row.source).prompt == "mail <EMAIL_1>"
    assert suspects.kept_row(workspace, project_id, "g.jsonl:1") is None


def test_two_thousand_items_are_saved_and_read_in_a_moment(workspace, project_id):
    cleaned = Cleaned()
    for at in range(2500):
        row = make(
            f"prompt {at} " + "word " * 60, json.dumps({"n": at}), source=f"a.jsonl:{at + 1}"
        )
        cleaned.note("conflict", row, "asks the same")
    start = time.process_time()
    items = suspects.queue(cleaned)
    suspects.save_queue(workspace, project_id, None, items)
    assert suspects.load_queue(workspace, project_id) == items
    assert len(items) == 2000
    assert time.process_time() - start < 5
