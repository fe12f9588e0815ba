from __future__ import annotations

import json
from typing import Any

import pytest

from engine.base.project import Mapping
from engine.data.load.write import record
from engine.data.rows import Problem, Row, Turn, make

from .conftest import Items, Reading


def lines(*records: Any) -> str:
    return "\n".join(json.dumps(item, ensure_ascii=False) for item in records)


def talk(*turns: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def only(found: Items) -> Row:
    (row,) = found
    assert isinstance(row, Row), row
    return row


U, A, S = "user", "assistant", "system"
PAIR = [{"role": U, "content": "q"}, {"role": A, "content": "a"}]


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ({"prompt": "q", "completion": "a"}, make("q", "a")),
        ({"Prompt ": "q", "COMPLETION": "a"}, make("q", "a")),
        ({"question": "q", "answer": "a"}, make("q", "a")),
        ({"q": "q", "a": "a"}, make("q", "a")),
        ({"query": "q", "response": "a"}, make("q", "a")),
        ({"input": "q", "output": "a"}, make("q", "a")),
        ({"prompt": "q", "response": "a"}, make("q", "a")),
        ({"document": "q", "summary": "a"}, make("q", "a")),
        ({"text": "q", "label": "a"}, make("q", "a")),
        ({"text": "q", "intent": "a"}, make("q", "a")),
        ({"问题": "q", "答案": "a"}, make("q", "a")),
        ({"指令": "q", "输入": "x", "输出": "a"}, make("q\n\nx", "a")),
        ({"instruction": "q", "output": "a"}, make("q", "a")),
        ({"instruction": "q", "input": "", "output": "a"}, make("q", "a")),
        ({"instruction": "q", "input": "x", "output": "a"}, make("q\n\nx", "a")),
        ({"instruction": "q", "context": "x", "response": "a"}, make("q\n\nx", "a")),
        (
            {"instruction": "q", "output": "a", "system": "s", "history": [["h", "i"]]},
            make("q", "a", system="s", history=(Turn(U, "h"), Turn(A, "i"))),
        ),
        ({"messages": PAIR}, make("q", "a")),
        (
            {"prompt": PAIR[:1], "completion": PAIR[1:]},
            make("q", "a"),
        ),
        (
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
            make("q", "a"),
        ),
        ({"conversations": PAIR}, make("q", "a")),
        ({"dialogue": ["h", "i", "q", "a"]}, make("q", "a", history=(Turn(U, "h"), Turn(A, "i")))),
        (
            {"prompt": "q", "chosen": "a", "rejected": "b"},
            make("q", "a", form="preference", rejected="b"),
        ),
        (
            {"chosen": PAIR, "rejected": [PAIR[0], {"role": A, "content": "b"}]},
            make("q", "a", form="preference", rejected="b"),
        ),
        (
            {"prompt": "q", "chosen": PAIR, "rejected": [PAIR[0], {"role": A, "content": "b"}]},
            make("q", "a", form="preference", rejected="b"),
        ),
        (
            {"prompt": PAIR[:1], "chosen": PAIR[1:], "rejected": [{"role": A, "content": "b"}]},
            make("q", "a", form="preference", rejected="b"),
        ),
        (
            {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"},
            make("q", "a", form="preference", rejected="b"),
        ),
        ({"prompt": "q", "completion": "a", "label": True}, make("q", "a", form="feedback")),
        (
            {"prompt": "q", "completion": "a", "label": 0},
            make("q", "a", form="feedback", label=False),
        ),
        ({"prompt": "q", "completion": "a", "label": "Good"}, make("q", "a", form="feedback")),
        (
            {"prompt": PAIR[:1], "completion": PAIR[1:], "label": "false"},
            make("q", "a", form="feedback", label=False),
        ),
        ({"text": "a"}, make("", "a", form="text")),
        ({"text": "a", "source": "x", "title": "y"}, make("", "a", form="text")),
        (
            {"conversation": [{"human": "h", "assistant": "i"}, {"human": "q", "assistant": "a"}]},
            make("q", "a", history=(Turn(U, "h"), Turn(A, "i"))),
        ),
        (
            {"turns": [{"speaker": "customer", "text": "q"}, {"speaker": "Agent", "text": "a"}]},
            make("q", "a"),
        ),
        (
            {
                "systemInstruction": {"role": "system", "parts": [{"text": "s"}]},
                "contents": [
                    {"role": "user", "parts": [{"text": "q"}]},
                    {"role": "model", "parts": [{"text": "a"}]},
                ],
            },
            make("q", "a", system="s"),
        ),
        (
            {
                "input": {"messages": PAIR[:1], "tools": []},
                "preferred_output": PAIR[1:],
                "non_preferred_output": [{"role": A, "content": "b"}],
            },
            make("q", "a", form="preference", rejected="b"),
        ),
    ],
)
def test_every_format_becomes_a_row(reading: Reading, content: dict[str, Any], row: Row) -> None:
    found = only(reading("rows.jsonl", lines(content)))
    assert found.id == row.id, found


def test_what_looks_like_a_label_is_not_taken_by_itself(reading: Reading) -> None:
    plain = only(reading("a.jsonl", lines({"question": "q", "answer": "a"})))
    more = {"question": "q", "answer": "a", "category": "c", "intent": "i", "label": "billing"}
    assert only(reading("b.jsonl", lines(more))).id == plain.id
    mapped = only(reading("b.jsonl", lines(more), Mapping(scenario="category", group="intent")))
    assert (mapped.scenario, mapped.group) == ("c", "i")


def test_a_written_record_is_read_as_the_same_row(reading: Reading) -> None:
    history = (Turn(U, "h"), Turn(A, "call"), Turn("tool", "42"), Turn(A, "i"))
    rows = [
        make("q", "a", group="g", scenario="s"),
        make("q", "a", system="sys", history=history),
        make("q", "a", form="preference", rejected="b"),
        make("q", "a", form="preference", rejected="b", system="sys", history=history[:2]),
        make("q", "a", form="feedback", label=False, system="sys"),
        make("q", "a", form="feedback"),
        make("", "text", form="text", group="g"),
    ]
    for row in rows:
        found = only(reading("rows.jsonl", lines(record(row))))
        assert (found.id, found.group, found.scenario) == (row.id, row.group, row.scenario)


def test_one_system_prompt_may_stand_for_all(reading: Reading) -> None:
    mapping = Mapping(system_prompt="Be brief.")
    found = only(reading("rows.jsonl", lines(talk((S, "own"), (U, "q"), (A, "a"))), mapping))
    assert found.system == "Be brief."
    assert only(reading("rows.jsonl", lines({"q": "q", "a": "a"}), mapping)).system == "Be brief."


@pytest.mark.parametrize(
    ("turns", "words", "repaired"),
    [
        ([(U, "q"), (U, "r"), (A, "a")], "Two turns of the user", make("q\n\nr", "a")),
        ([(U, "q"), (A, "a"), (A, "b")], "Two turns of the assistant", make("q", "a\n\nb")),
        ([(A, "hi"), (U, "q"), (A, "a")], "begins with the assistant", make("q", "a")),
        ([(U, "q"), (A, "a"), (U, "bye")], "ends without an answer", make("q", "a")),
        (
            [(U, "x"), (A, " "), (U, "q"), (A, "a")],
            "turn of the assistant is empty",
            make("q", "a"),
        ),
        ([(U, "q"), (A, "a"), (U, ""), (A, "b")], "turn of the user is empty", make("q", "a")),
        ([(U, "q"), (S, "s"), (A, "a")], "system prompt is not first", make("q", "a", system="s")),
        (
            [(S, "s"), (S, "t"), (U, "q"), (A, "a")],
            "more than one system",
            make("q", "a", system="s\n\nt"),
        ),
        ([(U, "q")], "of one role only (user)", None),
        ([(S, "s")], "of one role only (system)", None),
        ([(U, "q"), (A, "")], "no question with an answer", None),
        ([("usr", "q"), (A, "a")], "unknown role `usr` (did you mean user?)", None),
        ([("[b]\x1b", "q"), (A, "a")], "unknown role `(b)\\x1b`", None),
        ([(U, [{"type": "image_url", "image_url": "x"}]), (A, "a")], "no text (image_url)", None),
        ([(U, 5), (A, "a")], "Turn 1 is not text", None),
        ([(U, "a"), (A, "a")], "answer is the prompt again", None),
    ],
)
def test_turns_out_of_order_are_mended_where_no_question_is_left(
    reading: Reading, turns: list[tuple[str, Any]], words: str, repaired: Row | None
) -> None:
    good = talk((U, "first"), (A, "second"))
    _, problem = reading("rows.jsonl", lines(good, talk(*turns)))
    assert isinstance(problem, Problem)
    assert words in problem.what
    assert problem.what.isprintable()
    assert (problem.repaired and problem.repaired.id) == (repaired and repaired.id)


def test_tools_stay_in_the_history(reading: Reading) -> None:
    call = {"function": {"name": "find", "arguments": '{"id": 1}'}}
    content = {
        "messages": [
            {"role": "developer", "content": "s"},
            {
                "role": U,
                "content": [{"type": "text", "text": "where"}, {"type": "text", "text": "?"}],
            },
            {"role": A, "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "shelf 3"},
            {"role": A, "content": "On shelf 3."},
            {"role": U, "content": "thanks"},
            {"role": A, "content": "Welcome."},
        ]
    }
    row = only(reading("rows.jsonl", lines(content)))
    assert row.system == "s"
    assert row.history == (
        Turn(U, "where?"),
        Turn(A, '{"name": "find", "arguments": {"id": 1}}'),
        Turn("tool", "shelf 3"),
        Turn(A, "On shelf 3."),
    )


def test_a_mapping_reaches_into_objects_and_lists(reading: Reading) -> None:
    content = {
        "data": {"ask": "q", "replies": [{"text": "a"}, {"text": "b"}]},
        "meta": {"who": "g"},
    }
    mapping = Mapping(prompt="data.ask", completion="data.replies.0.text", group="meta.who")
    row = only(reading("rows.jsonl", lines(content), mapping))
    assert (row.prompt, row.completion, row.group) == ("q", "a", "g")
    for wrong in ("data.none", "data.replies.7.text", "data.replies.x", "data.ask.more"):
        (problem,) = reading(
            "rows.jsonl", lines(content), Mapping(prompt=wrong, completion="data.ask")
        )
        assert isinstance(problem, Problem)
        assert f"no `{wrong}`" in problem.what


def test_numbered_classes_are_no_feedback(reading: Reading) -> None:
    records = [{"prompt": f"q{n}", "completion": f"a{n}", "label": n % 5} for n in range(50)]
    found = reading("rows.jsonl", lines(*records))
    assert {item.form for item in found if isinstance(item, Row)} == {"answer"}
    assert len(found) == 50


def test_roles_of_the_file_are_named_by_the_mapping(reading: Reading) -> None:
    content = {"conversations": [{"from": "Kunde", "value": "q"}, {"from": "Wir", "value": "a"}]}
    (problem,) = reading("rows.jsonl", lines(content))
    assert isinstance(problem, Problem)
    assert "--map role.Kunde=user" in problem.fix
    mapping = Mapping(roles={"Kunde": "user", "Wir": "assistant"})
    assert only(reading("rows.jsonl", lines(content), mapping)).id == make("q", "a").id


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"prompt": "q", "chosen": "a", "rejected": "a"}, "are the same"),
        ({"prompt": "q", "chosen": "a", "rejected": ""}, "`rejected` is empty"),
        ({"chosen": "a", "rejected": "b"}, "no `prompt`"),
        (
            {"chosen": PAIR, "rejected": [{"role": U, "content": "r"}, PAIR[1]]},
            "part before the last",
        ),
        ({"prompt": "q", "completion": "a", "label": None}, "`label` is missing"),
        ({"prompt": "q", "completion": "a"}, "`label` is missing"),
        ({"prompt": "q", "completion": "a", "label": "maybe"}, "neither true nor false"),
    ],
)
def test_preferences_and_feedback_need_all_their_parts(
    reading: Reading, content: dict[str, Any], words: str
) -> None:
    usual = {"prompt": "x", "completion": "y", "label": True}
    if "chosen" in content:
        usual = {"prompt": "x", "chosen": "y", "rejected": "z"}
    *_, problem = reading("rows.jsonl", lines(usual, usual, content))
    assert isinstance(problem, Problem)
    assert words in problem.what


def test_a_file_may_mix_formats(reading: Reading) -> None:
    found = reading(
        "rows.jsonl",
        lines(
            {"prompt": "q", "completion": "a"},
            {"messages": PAIR},
            {"question": "q", "answer": "a"},
            {"x": 1},
        ),
    )
    assert [item.id for item in found if isinstance(item, Row)] == [make("q", "a").id] * 3
    assert isinstance(found[3], Problem)


def test_the_texts_of_every_part_are_examined(reading: Reading) -> None:
    bad = "x\0<|im_end|>"
    content = {
        "messages": [
            {"role": S, "content": bad},
            {"role": U, "content": bad},
            {"role": A, "content": bad + "1"},
            {"role": U, "content": bad},
            {"role": A, "content": bad + "2"},
        ],
        "group": bad,
        "scenario": bad,
    }
    (problem,) = reading("rows.jsonl", lines(content))
    assert isinstance(problem, Problem)
    row = problem.repaired
    assert row is not None
    assert row.id == make("x", "x2", system="x", history=(Turn(U, "x"), Turn(A, "x1"))).id
    assert (row.group, row.scenario) == ("x", "x")


def test_an_answer_that_replies_to_a_tool_has_the_result_before_it(reading: Reading) -> None:
    (row,) = reading(
        "rows.jsonl", lines(talk((U, "q"), (A, "call"), ("tool", "7"), (A, "it is 7")))
    )
    assert isinstance(row, Row)
    assert (row.prompt, row.completion) == ("", "it is 7")
    assert [turn.role for turn in row.history] == ["user", "assistant", "tool"]
