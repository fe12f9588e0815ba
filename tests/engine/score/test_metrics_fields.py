"""Fields, labels and calls: against scikit-learn, and on what models really say."""

import json
import random

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from engine.base.project import Objective
from engine.score.metrics import calls, labels, measure, measure_all, objects

TOOLS = Objective("", "", task="tools", metric="call_match")
LABELS = Objective("", "", task="classification", output="text", metric="accuracy")


def test_field_f1_of_flat_objects_is_the_micro_f1_of_scikit_learn():
    drawn = random.Random(1)

    def made():
        return {key: drawn.randrange(3) for key in "abcde" if drawn.random() < 0.8}

    for _ in range(200):
        wanted, said = made(), made()
        binary = MultiLabelBinarizer().fit_transform([set(wanted.items()), set(said.items())])
        reference = f1_score(binary[:1], binary[1:], average="micro", zero_division=1)
        found = objects.field_f1(json.dumps(wanted), json.dumps(said))
        assert found == pytest.approx(reference)


@pytest.mark.parametrize(
    ("expected", "answer", "score"),
    [
        ('{"a": {"b": 1, "c": 2}}', '{"a": {"c": 2, "b": 1}}', 1),
        ('{"a": {"b": 1, "c": 2}}', '{"a": {"b": 1, "c": 3}}', 0.5),
        ('{"a": {"b": 1}}', '{"b": 1}', 0),
        ('{"l": ["x", "y", "y"]}', '{"l": ["y", "x", "y"]}', 1),
        ('{"l": ["x", "y", "y"]}', '{"l": ["y", "x"]}', 0.8),
        ('{"l": [{"n": 1, "m": 2}]}', '{"l": [{"m": 2, "n": 1.0}]}', 1),
        ('{"a": 1}', '{"a": true}', 0),
        ('{"a": 1}', '{"a": 1, "b": 2}', pytest.approx(2 / 3)),
        ('{"a": null}', '{"a": "null"}', 0),
        ('{"a": []}', '{"a": {}}', 0),
        ('{"a.b": 1}', '{"a": {"b": 1}}', 0),
        ("{}", "{}", 1),
        ('{"a": 1}', "{}", 0),
        ('{"a": 1}', 'Sure: {"a": 1}', 0),
        ('["x", "y"]', '["y"]', pytest.approx(2 / 3)),
    ],
)
def test_field_f1_counts_paths_with_values(expected, answer, score):
    assert objects.field_f1(expected, answer) == score


def test_macro_f1_is_that_of_scikit_learn_and_its_interval_holds_it():
    drawn = random.Random(2)
    wanted = [drawn.choice(["billing", "returns", "returns", "other", "rare"]) for _ in range(300)]
    said = [label if drawn.random() < 0.7 else drawn.choice(["other", "none"]) for label in wanted]
    found = labels.macro_f1(LABELS, wanted, [f" {label.title()}. " for label in said])
    reference = f1_score(wanted, said, labels=sorted(set(wanted)), average="macro")
    assert found.value == pytest.approx(reference)
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.2


def test_macro_f1_sees_the_label_that_accuracy_hides():
    wanted = ["usual"] * 95 + ["rare"] * 5
    said = ["usual"] * 100
    assert np.mean([labels.right(LABELS, *pair) for pair in zip(wanted, said, strict=True)]) == 0.95
    assert labels.macro_f1(LABELS, wanted, said).value < 0.5


def test_groups_widen_the_interval_of_macro_f1():
    wanted = ["a", "b"] * 60
    said = ["a", "a"] * 30 + ["a", "b"] * 30
    groups = [f"c{at // 12}" for at in range(120)]
    narrow, wide = (
        labels.macro_f1(LABELS, wanted, said),
        labels.macro_f1(LABELS, wanted, said, groups),
    )
    assert narrow.value == wide.value
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_only_a_classification_has_metrics_of_all_rows_together():
    assert set(measure_all(LABELS, ["a", "b"], ["a", "a"])) == {"macro_f1"}
    assert measure_all(LABELS, [], []) == {}
    assert measure_all(TOOLS, ["a"], ["a"]) == {}


def test_a_label_in_json_is_its_fields_and_whatever_lacks_them_gives_none():
    objective = Objective("", "", task="classification", fields=("label",), metric="accuracy")
    for answer, right in (
        ('{"label": "a"}', 1),
        ('{"label": "a", "why": "so"}', 1),
        ('{"label": "A"}', 0),
        ('{"why": "so"}', 0),
        ("a", 0),
    ):
        assert measure(objective, '{"label": "a"}', answer)["accuracy"] == right


CALL = '{"name": "move", "arguments": {"day": "fri", "hour": 15}}'
TWO = f'{CALL}\n{{"name": "tell", "arguments": {{}}}}'


@pytest.mark.parametrize(
    "answer",
    [
        CALL,
        f"  {CALL}\n",
        '{"arguments": {"hour": 15.0, "day": "fri"}, "name": "move"}',
        f"[{CALL}]",
        f"<tool_call>\n{CALL}\n</tool_call>",
        '{"name": "move", "parameters": {"day": "fri", "hour": 15}}',
        '{"type": "function", "function": {"name": "move", "arguments": "{\\"day\\": \\"fri\\", \\"hour\\": 15}"}}',
        f'{{"tool_calls": [{{"id": "1", "function": {CALL}}}]}}',
    ],
)
def test_the_same_call_in_another_coat_matches(answer):
    found = measure(TOOLS, CALL, answer)
    assert (found["call_match"], found["call_name"], found["valid_json"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("answer", "name", "valid"),
    [
        ('{"name": "move", "arguments": {"day": "fri", "hour": "15"}}', 1, 1),
        ('{"name": "move", "arguments": {"day": "fri"}}', 1, 1),
        ('{"name": "move", "arguments": {"day": "fri", "hour": 15, "all": true}}', 1, 1),
        ('{"name": "cancel", "arguments": {"day": "fri", "hour": 15}}', 0, 1),
        (f"{CALL}\n{CALL}", 0, 1),
        (f"I will do that. {CALL}", 0, 0),
        (f"{CALL} Done!", 0, 0),
        ("I moved it.", 0, 0),
        ('{"name": "move", "arguments": {"day": ', 0, 0),
        ('{"name": "move", "arguments": "day=fri"}', 0, 0),
        ('{"name": 3, "arguments": {}}', 0, 0),
        ("", 0, 0),
        ("[" * 5000, 0, 0),
        ('{"name": "move", "name": "move", "arguments": {"day": "fri", "hour": 15}}', 0, 0),
    ],
)
def test_another_call_or_words_around_it_do_not_match(answer, name, valid):
    found = measure(TOOLS, CALL, answer)
    assert found["call_match"] == found["exact_match"] == 0
    assert (found["call_name"], found["valid_json"]) == (name, valid)


def test_the_order_of_calls_does_not_matter_their_number_does():
    turned = "\n".join(reversed(TWO.split("\n")))
    assert calls.matched(TWO, turned) == 1
    assert calls.matched(TWO, f"{TWO}\n{CALL}") == 0
    assert calls.matched(TWO, CALL) == 0


@pytest.mark.parametrize(
    ("answer", "right", "exact"),
    [
        ("Which day?", 1, 1),
        ("Which day do you mean?", 1, 0),
        (CALL, 0, 0),
        ('{"name": "move", "argum', 0, 0),
        ("<tool_call>{", 0, 0),
    ],
)
def test_where_words_are_expected_a_call_is_wrong(answer, right, exact):
    found = measure(TOOLS, "Which day?", answer)
    assert (found["call_match"], found["exact_match"]) == (right, exact)


def test_the_schema_of_a_call_decides_its_form():
    schema = {
        "type": "object",
        "properties": {"name": {"enum": ["move"]}, "arguments": {"required": ["day"]}},
        "required": ["name", "arguments"],
    }
    objective = Objective("", "", task="tools", metric="call_match", schema=schema)
    assert measure(objective, CALL, CALL)["valid_json"] == 1
    assert measure(objective, CALL, f"{CALL}\n{CALL}")["valid_json"] == 1
    assert measure(objective, TWO, TWO)["valid_json"] == 0
    assert measure(objective, CALL, '{"name": "move", "arguments": {}}')["valid_json"] == 0
    assert measure(objective, "Which day?", "Which day?")["valid_json"] == 1
