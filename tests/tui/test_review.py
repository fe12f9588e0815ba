"""The review: every key of the screen, and the same from the command line."""

from __future__ import annotations

import csv
import json
import re
import time

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import TextArea

from engine.base import project
from engine.base.errors import UsageError
from engine.base.project import DataSettings, Objective, Project
from engine.base.work import register
from engine.data.curate import review, suspects
from engine.data.curate.suspects import CUT, Item
from engine.data.rows import make, to_json
from tui import keys
from tui.app import TunesmithApp
from tui.screens.review import ReviewScreen
from tui.verbs import review as verbs
from tui.widgets.amend import Amend, spell, unspell
from tui.widgets.changes import marked
from tui.widgets.table import Table

SIZES = [(80, 24), (200, 60)]
HOSTILE = "[bold]hi[/bold] \x1b[31m[/nonsense] 你好"


def item(rank, kind="pii", *, prompt=None, completion="refund", **more):
    place = f"tickets.jsonl:{rank}"
    text = f"message {rank}" if prompt is None else prompt
    shown = {"what": "found", "action": "masked", "other": "", "scenario": "billing", **more}
    return Item(rank, f"{rank:016x}", place, kind, prompt=text, completion=completion, **shown)


def queue_of(*items):
    return [
        *items,
        item(4, "conflict", completion="refund", other="tickets.jsonl:5", action="dropped"),
        item(5, "conflict", completion="return", other="tickets.jsonl:4", action="dropped"),
        item(6, "pii", prompt_after="message 6", completion_after="pseudonym"),
    ]


@pytest.fixture
def desk(workspace, tmp_path):
    """A project with a queue of three rows; a function that saves another one."""
    folder = tmp_path / "desk"
    folder.mkdir()
    objective = Objective("Say the intent.", "Say the intent.", "classification", "text")
    described = Project("desk", objective, DataSettings(sources=("tickets.jsonl",)))
    project.save(described, folder)
    desk = Desk(workspace, folder, register(workspace, folder, described))
    desk.save(queue_of())
    return desk


class Desk:
    def __init__(self, store, folder, project_id):
        self.store, self.folder, self.project_id = store, folder, project_id

    def save(self, items):
        suspects.save_queue(self.store, self.project_id, None, items)

    def made(self):
        """The decisions as (row, reviewer, decision, prompt, completion, scenario)."""
        return [
            (
                int(row, 16),
                each.reviewer,
                each.decision,
                each.prompt,
                each.completion,
                each.scenario,
            )
            for row, made in review.reviews(self.store, self.project_id).items()
            for each in made
        ]

    def decide(self, rank, name, decision, **more):
        one = next(i for i in suspects.load_queue(self.store, self.project_id) if i.rank == rank)
        return review.decide(self.store, self.project_id, one, name, decision, **more)

    def screen(self):
        return ReviewScreen(self.project_id, "ann")


@pytest.fixture
def app(workspace):
    return TunesmithApp(workspace.workspace)


async def until(pilot, true, seconds=8.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        await pilot.pause(0.02)


def said(app):
    return [notice.title for notice in app._notifications]


def under_cursor(app):
    return int(app.screen.query_one(Table).key, 16)


@pytest.mark.parametrize("size", SIZES)
async def test_the_queue_and_the_row_under_the_cursor_are_shown(app, desk, shows, size):
    async with app.run_test(size=size) as pilot:
        app.push_screen(desk.screen())
        for text in (
            "desk › review", "as ann", "0 of 3 decided", "▸ all 3", "conflict 0/2",
            "left out of the dataset", 'The other row, tickets.jsonl:5', "[-refund-]", "{+return+}",
        ):  # fmt: skip
            await shows(pilot, text)
        await pilot.press("pagedown")
        await shows(pilot, "[-refund-]")
        await shows(pilot, "{+pseudonym+}")


async def test_accept_and_reject_are_saved_at_once_and_go_on(app, desk, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 3 decided")
        await pilot.press("a", "r")
        await shows(pilot, "2 of 3 decided")
        assert desk.made() == [
            (4, "ann", "accept", None, None, None), (5, "ann", "reject", None, None, None),
        ]  # fmt: skip
        assert under_cursor(app) == 6
        await shows(pilot, "✓ accept")
        await shows(pilot, "✗ reject")
        await shows(pilot, "conflict 2/2")


async def test_an_edit_is_saved_with_ctrl_s_and_dropped_with_esc(app, desk, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 3 decided")
        await pilot.press("e")
        await shows(pilot, "Edit tickets.jsonl:4")
        await pilot.press("x", "escape")
        await shows(pilot, "0 of 3 decided")
        await pilot.press("e")
        await shows(pilot, "Edit tickets.jsonl:4")
        answer = app.screen.query_one("#amend-completion", TextArea)
        assert (answer.has_focus, answer.text) == (True, "refund")
        answer.text = "return?"
        await pilot.press("shift+tab", "?", "q", "ctrl+s")
        await shows(pilot, "1 of 3 decided")
        assert desk.made() == [(4, "ann", "edit", "?qmessage 4", "return?", None)]
        assert under_cursor(app) == 5
        await pilot.press("k", "e")
        await shows(pilot, "?qmessage 4")  # one goes on from what one wrote


async def test_relabel_gives_another_answer_or_scenario(app, desk, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 3 decided")
        await pilot.press("l")
        await until(pilot, lambda: isinstance(app.screen, Amend))
        await shows(pilot, "Scenarios: billing")
        app.screen.query_one("#amend-scenario", TextArea).text = "returns"
        await pilot.press("ctrl+s")
        await shows(pilot, "→ relabel")
        assert desk.made() == [(4, "ann", "relabel", None, None, "returns")]


async def test_an_edit_that_changes_nothing_is_refused_and_the_cursor_comes_back(app, desk, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 3 decided")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, Amend))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: said(app) == ["This edit changes nothing."])
        await until(pilot, lambda: under_cursor(app) == 4)
        assert desk.made() == []


async def test_who_cannot_tell_says_so(app, desk, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 3 decided")
        await pilot.press("c")
        await shows(pilot, "1 of 3 decided")
        await pilot.press("k")
        await shows(pilot, "✗ reject ann cannot tell")
        await pilot.press("y")
        assert app.clipboard.endswith("=reject --note 'cannot tell'")


async def test_undo_takes_the_last_decision_back_and_goes_to_its_row(app, desk, shows, screen_text):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 3 decided")
        assert "Undo" not in screen_text(app)
        await pilot.press("a", "a")
        await shows(pilot, "u Undo")
        await pilot.press("u")
        await shows(pilot, "1 of 3 decided")
        await until(pilot, lambda: under_cursor(app) == 5)
        assert [row for row, *_ in desk.made()] == [4]
        await pilot.press("u")
        await shows(pilot, "0 of 3 decided")


async def test_moving_and_filtering(app, desk, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 3 decided")
        for key, rank in (("j", 5), ("n", 6), ("down", 6), ("k", 5), ("p", 4), ("j", 5), ("g", 4)):
            await pilot.press(key)
            assert under_cursor(app) == rank
        await pilot.press("f")
        await shows(pilot, "▸ open 3")
        await pilot.press("a")
        await shows(pilot, "▸ open 2")
        assert under_cursor(app) == 5
        await pilot.press("f")
        await shows(pilot, "▸ conflict 1/2")
        await pilot.press("f")
        await shows(pilot, "▸ pii 0/1")
        assert under_cursor(app) == 6
        await pilot.press("f")
        await shows(pilot, "▸ all 3")


async def test_a_dispute_is_shown_settled_and_the_agreement_told(app, desk, shows, screen_text):
    desk.decide(4, "ben", "reject")
    async with app.run_test(size=(200, 60)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "1 other person has decided")
        assert "reject ben" not in screen_text(app)  # who sees it would be swayed
        await pilot.press("a", "k")
        await shows(pilot, "≠ disputed")
        await shows(pilot, "✗ reject ben")
        await shows(pilot, "ann and ben: the same on 0% of 1 rows")
        await pilot.press("s")
        await until(pilot, lambda: "≠" not in screen_text(app))
        await pilot.press("k")
        await shows(pilot, "ann settled")
    (held,) = review.decisions(desk.store, desk.project_id).values()
    assert (held.decision, held.reviewers) == ("accept", ("ann",))


async def test_a_decision_made_elsewhere_appears(app, desk, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 3 decided")
        desk.decide(6, "ben", "accept")
        await shows(pilot, "1 of 3 decided")
        desk.save(queue_of(item(1, "secret")))
        await shows(pilot, "secret 0/1")


async def test_the_command_is_copied_and_the_keys_are_explained(app, desk, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 3 decided")
        await pilot.press("y")
        assert app.clipboard == f"tunesmith data review --project {desk.folder}"
        await pilot.press("r", "k")
        await shows(pilot, "✗ reject")
        await pilot.press("y")
        assert app.clipboard.endswith("--as ann --decide 0000000000000004=reject")
        await pilot.press("question_mark")
        await shows(pilot, "Leave the row out; go to the next")
        await shows(pilot, "? lost")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: not isinstance(app.screen, ReviewScreen))


@pytest.mark.parametrize("size", SIZES)
async def test_text_from_the_data_is_shown_literally(app, desk, shows, screen_text, size):
    desk.save([item(1, prompt=HOSTILE, completion=HOSTILE, scenario=HOSTILE, what=HOSTILE)])
    async with app.run_test(size=size) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "[bold]hi[/bold] ·[31m[/nonsense] 你好")
        assert "\x1b" not in screen_text(app)
        await pilot.press("e")
        await shows(pilot, "[bold]hi[/bold] ⟦1b⟧[31m[/nonsense] 你好")
        assert "\x1b" not in screen_text(app)
        app.screen.query_one("#amend-completion", TextArea).text = spell(HOSTILE) + "!"
        await pilot.press("ctrl+s")
        await shows(pilot, "± edit")
        assert "\x1b" not in screen_text(app)
    assert desk.made()[0][3:5] == (None, HOSTILE + "!")


async def test_a_text_that_was_cut_is_not_edited(app, desk, shows):
    desk.save([item(1, prompt="x" * 20_000 + CUT)])
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 1 decided")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, Amend))
        app.screen.query_one("#amend-prompt", TextArea).text += "y"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: said(app) == ["The prompt is only its beginning."])
    assert desk.made() == []


async def test_nothing_to_review_says_what_to_do(app, desk, shows):
    desk.save([])
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "There is nothing to review yet.")
        await shows(pilot, "tunesmith data build --project")
        await pilot.press("a", "e", "l", "u", "s", "f", "y", "space")
        job = {"kind": "data", "state": "done", "args": "{}", "created": 1.0}
        desk.store.insert("jobs", {**job, "project_id": desk.project_id})
        await shows(pilot, "found no row that a person should look at")


async def test_home_opens_the_queue_of_the_last_build(app, desk, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "r  decide about the rows that your last data build suspects")
        await pilot.press("r")
        await shows(pilot, "desk › review")


async def test_an_empty_workspace_has_an_empty_review(app, shows):
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ReviewScreen())
        await shows(pilot, "There is nothing to review yet.")


async def test_the_kept_row_of_a_near_duplicate_is_read_from_the_dataset(app, desk, shows):
    store, folder = desk.store, desk.store.workspace / "d"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    kept = make("message one", "kept answer", source="tickets.jsonl:77")
    for split in ("train", "validation", "test"):
        (folder / f"{split}.jsonl").write_text(to_json(kept) + "\n")
    counts = ("rows_read", "rows_kept", "train", "validation", "test", "golden", "tokens_train")
    row = {"id": "d", "project_id": desk.project_id, "path": "d", "tokens_longest": 1}
    store.insert("datasets", {**row, **dict.fromkeys(counts, 1), "created": 1.0})
    gate = {"project_id": desk.project_id, "gate": "data", "subject": "d", "result": "pass"}
    store.insert("gates", {**gate, "reasons": "", "created": 1.0})
    desk.save([item(1, "near duplicate", other="tickets.jsonl:77"), item(2, "leak", other="g:1")])
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "{+kept answer+}")
        await pilot.press("j")
        await shows(pilot, "A golden row is not shown")


async def test_a_long_row_is_read_on_with_space(app, desk, shows, screen_text):
    desk.save([item(1, prompt="\n".join(f"line {at}" for at in range(60)))])
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "line 3")
        await pilot.press("space")
        await until(pilot, lambda: "line 3\n" not in screen_text(app).replace(" \n", "\n"))
        await shows(pilot, "line 15")


async def test_two_thousand_rows_stay_fluid(app, desk, shows):
    text = "words of a message " * 20
    desk.save([item(at, prompt=f"{text} {at}") for at in range(1, 2001)])
    async with app.run_test(size=(200, 60)) as pilot:
        app.push_screen(desk.screen())
        await shows(pilot, "0 of 2,000 decided")
        start = time.process_time()
        await pilot.press(*["j"] * 20)
        moving = (time.process_time() - start) / 20
        start = time.process_time()
        await pilot.press(*["a"] * 12)
        await shows(pilot, "12 of 2,000 decided")
        deciding = (time.process_time() - start) / 12
    print(f"{1000 * moving:.1f} ms a move, {1000 * deciding:.1f} ms a decision")
    assert len(desk.made()) == 12
    assert moving < 0.1
    assert deciding < 0.25


def test_decisions_are_saved_though_the_interface_closes_at_once(workspace, desk):
    import asyncio

    async def session():
        app = TunesmithApp(workspace.workspace)
        async with app.run_test(size=(80, 24)) as pilot:
            app.push_screen(desk.screen())
            await until(pilot, lambda: bool(app.screen.query(Table)) and app.screen.queue)
            for _ in range(3):
                app.screen.action_decide("accept")

    asyncio.run(session())
    assert [row for row, *_ in desk.made()] == [4, 5, 6]


def test_no_two_keys_clash_and_the_help_fits_the_smallest_terminal():
    used = [key for entry in keys.KEYS["review"] for key in entry.keys.split(",")]
    assert len(used) == len(set(used))
    assert len(keys.KEYS["review"]) + len(keys.APP) + 3 + 2 <= 23


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(_TEXT | st.text("ab \n你好\x1b⟦1b⟧", max_size=12))
def test_spelled_text_comes_back_and_steers_nothing(text):
    spelled = spell(text)
    assert unspell(spelled) == text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", spelled)


@given(st.text("ab 你好\n", max_size=20), st.text("ab 你好\n", max_size=20))
def test_marks_can_be_taken_away_again(before, after):
    first, second = marked(before, after)
    assert re.sub(r"\[-|-\]", "", first) == before
    assert re.sub(r"\{\+|\+\}", "", second) == after
    assert (first == before and second == after) or before != after


def test_chinese_is_compared_sign_by_sign_and_english_by_words():
    assert marked("我要退款", "我要换货") == ("我要[-退款-]", "我要{+换货+}")
    assert marked("for undirected graphs", "for directed graphs") == (
        "for [-undirected-] graphs",
        "for {+directed+} graphs",
    )


def test_long_texts_are_compared_by_their_ends():
    common = "word " * 5000
    start = time.process_time()
    first, second = marked(common + "old" + common, common + "new" + common)
    assert (first.count("[-"), second.count("{+")) == (1, 1)
    assert "[-old" in first
    assert time.process_time() - start < 1


@pytest.fixture
def cli(desk):
    """The verb, in this process; returns what it wrote."""

    def run(*arguments, verb=verbs.review):
        done = CliRunner().invoke(
            verb, [*arguments, "--project", str(desk.folder)], obj=desk.store.workspace
        )
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout

    return run


def test_without_a_terminal_the_first_rows_are_listed(cli, desk):
    out = cli()
    assert "0 of 3 decided" in out
    assert "tickets.jsonl:4" in out
    assert "tickets.jsonl:6" not in cli("--kind", "conflict")
    desk.save([])
    assert "Nothing to review" in cli()


def test_the_command_line_decides_all_that_the_screen_does(cli, desk):
    cli("--as", "ann", "--decide", "tickets.jsonl:4=accept", "--decide", "0000000000000005=reject")
    cli("--as", "ann", "--edit", "tickets.jsonl:6", "--prompt", "new", "--note", "a reason")
    cli("--as", "ben", "--relabel", "tickets.jsonl:4", "--completion", "x", "--scenario", "s")
    assert desk.made() == [
        (4, "ann", "accept", None, None, None), (4, "ben", "relabel", None, "x", "s"),
        (5, "ann", "reject", None, None, None), (6, "ann", "edit", "new", None, None),
    ]  # fmt: skip
    found = json.loads(cli("--json"))
    assert (found["total"], found["decided"], found["disputed"]) == (3, 2, 1)
    assert found["kinds"] == {
        "conflict": {"decided": 1, "total": 2}, "pii": {"decided": 1, "total": 1},
    }  # fmt: skip
    assert found["agreement"]["decision"]["rows"] == 1
    first = found["items"][0]
    assert (first["source"], first["decision"]["decision"]) == ("tickets.jsonl:4", "disputed")
    assert found["items"][2]["reviews"][0]["note"] == "a reason"
    assert "agreement on the decision" in cli()
    cli("--as", "ann", "--decide", "tickets.jsonl:4=accept", "--settle")
    assert json.loads(cli("--json"))["items"][0]["decision"]["decision"] == "accept"
    cli("--as", "ann", "--undo")
    assert json.loads(cli("--json"))["disputed"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--decide", "tickets.jsonl:4=maybe"), "ROW=accept or ROW=reject"),
        (("--decide", "nowhere:1=accept"), "No row is called"),
        (("--decide", "00000000=accept"), "Several rows are called"),
        (("--edit", "tickets.jsonl:4"), "changes nothing"),
        (("--edit", "tickets.jsonl:4", "--relabel", "tickets.jsonl:5"), "One row at a time"),
        (("--prompt", "x"), "given for no row"),
        (("--settle",), "Nothing is decided"),
        (("--undo", "--as", "zoe"), "has decided nothing"),
        (("--kind", "odd"), "There is no kind odd"),
        (("--decide", "tickets.jsonl:5=reject", "--decide", "x=accept"), "No row is called"),
    ],
)
def test_wrong_use_is_one_sentence_and_saves_nothing(cli, desk, arguments, message):
    with pytest.raises(UsageError, match=message):
        cli(*arguments)
    assert desk.made() == []


def test_the_export_is_a_table_without_formulas(cli, desk, tmp_path):
    desk.save([item(1, prompt="=1+2", completion='say "hi",\n你好'), item(2, completion="-")])
    desk.decide(2, "ann", "reject")
    path = tmp_path / "queue.csv"
    assert cli("--export", str(path)) == ""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["prompt"] for row in rows] == ["'=1+2", "message 2"]
    assert rows[0]["completion"] == 'say "hi",\n你好'
    assert [(row["decision"], row["reviewers"]) for row in rows] == [("", ""), ("reject", "ann")]


def test_the_guidelines_are_written_from_project_dataset_and_queue(cli, desk, tmp_path):
    with pytest.raises(UsageError, match="no dataset yet"):
        cli(verb=verbs.guidelines)
    store, folder = desk.store, desk.store.workspace / "d"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    rows = [make(f"m{at}", ["refund", "return"][at % 2], source=f"t:{at}") for at in range(12)]
    text = "".join(to_json(row) + "\n" for row in rows)
    for split in ("train", "validation", "test"):
        (folder / f"{split}.jsonl").write_text(text if split == "train" else "")
    counts = ("rows_read", "rows_kept", "train", "validation", "test", "golden", "tokens_train")
    row = {"id": "d", "project_id": desk.project_id, "path": "d", "tokens_longest": 1}
    store.insert("datasets", {**row, **dict.fromkeys(counts, 1), "created": 1.0})
    gate = {"project_id": desk.project_id, "gate": "data", "subject": "d", "result": "pass"}
    store.insert("gates", {**gate, "reasons": "", "created": 1.0})
    found = json.loads(cli("--json", verb=verbs.guidelines))
    assert found["labels"] == {"refund": 6, "return": 6}
    assert found["conflicts"] == 1
    assert f"Version {found['version']}." in found["markdown"]
    assert "1. `message 4`" in found["markdown"]
    path = tmp_path / "guidelines.md"
    cli("--to", str(path), verb=verbs.guidelines)
    assert path.read_text() == found["markdown"]
    assert cli(verb=verbs.guidelines).startswith("# Labelling guidelines")
