"""The verdict and its gate, on a real store with inserted scores and answers."""

import json
import time
from dataclasses import replace

import pytest

from engine.base.project import Guardrails, Objective
from engine.data.rows import make, to_json
from engine.score import records, verdict
from engine.score.statistics import interval, wilson

OBJECTIVE = Objective(
    instruction="", prompt="", fields=("x",), threshold=0.6, minimum_effect=0.1, valid_json=0.98
)


class Case:
    """A run with a dataset of `n` rows, and scores as they are asked for."""

    def __init__(self, store, n=60, groups=None):
        self.store = store
        self.scores = {}
        self.rows = [
            make(f"message {i}", '{"x": 1}', group=groups[i] if groups else "") for i in range(n)
        ]
        now = {"created": time.time()}
        self.project = store.insert(
            "projects", {"name": "p", "path": "p", "task": "t", "base_model": "m", **now}
        )
        sizes = dict.fromkeys(
            ("rows_read", "rows_kept", "train", "validation", "test", "golden"), n
        ) | {"tokens_train": 1, "tokens_longest": 1}
        store.insert(
            "datasets",
            {"id": "d", "project_id": self.project, "path": "datasets/d", **sizes, **now},
        )
        folder = store.workspace / "datasets" / "d"
        folder.mkdir(parents=True)
        for name in ("test", "golden"):
            lines = (to_json(row) + "\n" for row in self.rows)
            (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        (folder / "manifest.json").write_text("{}")
        lineage = {"project_id": self.project, "dataset_id": "d", "method": "lora", "model": "m"}
        figures = {
            f"predicted_{name}": 1 for name in ("peak_bytes", "seconds", "joules", "disk_bytes")
        }
        plan = store.insert("plans", {**lineage, "recipe": "r", "device": "cpu", **figures, **now})
        self.run = store.insert(
            "runs", {**lineage, "name": "r", "plan_id": plan, "path": "runs/1", **now}
        )

    def score(self, subject, split, exact, valid=None, graded=None, metric="exact_match", tokens=5):
        """Give a subject's answers: `exact[i]`, `valid[i]` and `graded[i]` for row i."""
        valid = [True] * len(exact) if valid is None else valid
        graded = [float(right) for right in exact] if graded is None else graded
        tuned = subject == "tuned"
        score = self.store.insert(
            "scores",
            {
                "project_id": self.project,
                "dataset_id": "d",
                "model": "m",
                "seconds": 1.0,
                "run_id": self.run if tuned else None,
                "subject": subject,
                "split": split,
                "rows": len(exact),
                "created": time.time(),
            },
        )
        for name, values in (("exact_match", exact), ("valid_json", valid)):
            figures = wilson(sum(values), len(values))._asdict()
            self.store.insert(
                "score_metrics",
                {"score_id": score, "metric": name, "n": len(values), **figures},
            )
        if metric != "exact_match":
            figures = interval(graded)._asdict()
            self.store.insert(
                "score_metrics", {"score_id": score, "metric": metric, "n": len(graded), **figures}
            )
        for row, right, formed, grade in zip(self.rows, exact, valid, graded, strict=True):
            self.store.insert(
                "answers",
                {
                    "score_id": score,
                    "row_id": row.id,
                    "expected": row.completion,
                    "answer": json.dumps({"x": int(right)}),
                    "tokens": tokens,
                    "score": grade,
                    "exact": int(right),
                    "valid": int(formed),
                },
            )
        self.scores[subject, split] = score

    def judged(self, objective=OBJECTIVE):
        """Compare, save and judge, as the evaluation does; return comparisons and gate."""
        groups = {row.id: row.group for row in self.rows}
        found = verdict.compare(self.store, objective, self.scores, groups)
        verdict.save(self.store, self.run, None, self.scores, found)
        gate = verdict.judge(objective, found, records.table(self.store, self.run))
        return {(c.baseline, c.split, c.metric): c for c in found}, gate


def right(count, n=60):
    return [i < count for i in range(n)]


@pytest.fixture
def case(workspace):
    return Case(workspace)


def full(case, base, few_shot, tuned, valid=60):
    for split in ("test", "golden"):
        case.score("base", split, right(base), right(0))
        case.score("few_shot", split, right(few_shot), right(50))
        case.score("tuned", split, right(tuned), right(valid))


def test_a_clear_gain_is_better_and_the_gate_lets_it_pass(case):
    full(case, base=0, few_shot=6, tuned=48)
    found, gate = case.judged()
    item = found["few_shot", "test", "exact_match"]
    assert (item.result, item.n, item.difference.value) == ("better", 60, pytest.approx(0.7))
    assert 0.55 < item.difference.low < 0.7 < item.difference.high < 0.85
    assert found["base", "golden", "valid_json"].result == "better"
    assert (gate.result, gate.reasons) == ("pass", ())


def test_a_clear_loss_is_worse_and_fails(case):
    full(case, base=20, few_shot=40, tuned=10)
    found, gate = case.judged()
    assert found["few_shot", "test", "exact_match"].result == "worse"
    assert gate.result == "fail"
    assert "not better than the few-shot base" in gate.reasons[0]
    assert "worse by 50 points (3" in records.sentence(case.store, case.run)


def test_equals_cannot_be_told_apart_and_fail(case):
    full(case, base=0, few_shot=40, tuned=41)
    found, gate = case.judged()
    assert found["few_shot", "test", "exact_match"].result == "can't tell"
    assert found["base", "test", "exact_match"].result == "better"
    assert gate.result == "fail"
    assert "can't be told from luck" in records.sentence(case.store, case.run)


def test_four_rows_out_of_four_prove_nothing(workspace):
    case = Case(workspace, n=4)
    for subject, count in (("base", 0), ("few_shot", 0), ("tuned", 4)):
        case.score(subject, "test", right(count, 4))
    found, _ = case.judged()
    assert found["base", "test", "exact_match"].difference == (1.0, 1.0, 1.0)
    assert found["base", "test", "exact_match"].result == "can't tell"


def test_one_customer_with_many_rows_proves_little(workspace):
    groups = [f"c{i}" for i in range(20)] + ["one customer"] * 40
    case = Case(workspace, groups=groups)
    gains = [i >= 20 or i < 1 for i in range(60)]
    for subject, exact in (("base", right(0)), ("few_shot", right(0)), ("tuned", gains)):
        case.score(subject, "test", exact)
    found, _ = case.judged()
    assert found["base", "test", "exact_match"].difference.low < 0.2


def test_the_form_guardrail_fails_alone(case):
    full(case, base=0, few_shot=6, tuned=48, valid=58)
    _, gate = case.judged()
    assert gate.result == "fail"
    (reason,) = gate.reasons
    assert reason.startswith("Only 96.7% of the answers are valid JSON")


def test_a_text_objective_has_no_form_to_guard(case):
    full(case, base=0, few_shot=6, tuned=48, valid=30)
    found, gate = case.judged(replace(OBJECTIVE, output="text", fields=()))
    assert gate.result == "pass"
    assert {metric for _, _, metric in found} == {"exact_match"}


def test_below_the_threshold_or_with_little_gain_it_warns(case):
    full(case, base=0, few_shot=20, tuned=30)
    _, gate = case.judged(replace(OBJECTIVE, minimum_effect=0.2))
    assert gate.result == "warn"
    assert any("asks for 60.0%" in reason for reason in gate.reasons)
    assert any("gains 16.7 points" in reason for reason in gate.reasons)


def test_golden_rows_that_do_not_confirm_it_warn(case):
    for split, tuned in (("test", 48), ("golden", 7)):
        for subject, count in (("base", 6), ("few_shot", 6), ("tuned", tuned)):
            case.score(subject, split, right(count))
    _, gate = case.judged()
    assert gate.result == "warn"
    assert len(gate.reasons) == 2
    assert all("golden" in reason for reason in gate.reasons)


def test_without_a_golden_set_only_the_test_rows_count(case):
    for subject, count in (("base", 0), ("few_shot", 6), ("tuned", 48)):
        case.score(subject, "test", right(count))
    found, gate = case.judged()
    assert {split for _, split, _ in found} == {"test"}
    assert gate.result == "pass"


def test_a_second_evaluation_replaces_the_first(case):
    full(case, base=0, few_shot=6, tuned=48)
    case.judged()
    full(case, base=0, few_shot=40, tuned=41)
    case.judged()
    assert len(records.verdicts(case.store, case.run)) == 8
    assert [row["score_id"] for row in records.table(case.store, case.run)] == [
        *case.scores.values()
    ]


def test_the_records_tell_the_table_the_sentence_and_what_changed(case):
    assert records.table(case.store, case.run) == []
    assert records.sentence(case.store, case.run) == ""
    full(case, base=1, few_shot=12, tuned=48)
    case.judged()
    table = records.table(case.store, case.run)
    assert [(row["split"], row["subject"]) for row in table] == [
        (split, subject)
        for split in ("test", "golden")
        for subject in ("base", "few_shot", "tuned")
    ]
    assert table[2]["metrics"]["exact_match"] == {
        "value": 0.8,
        "low": pytest.approx(0.682, abs=1e-3),
        "high": pytest.approx(0.882, abs=1e-3),
        "n": 60,
    }
    assert records.sentence(case.store, case.run) == (
        "The tuned model answers 48 of 60 held-out messages exactly (80 %, 68 to 88 %), "
        "the few-shot base 12: better by 60 points (47 to 72)."
    )
    first = records.verdicts(case.store, case.run)[0]
    assert (first["baseline"], first["split"], first["metric"]) == (
        "few_shot",
        "test",
        "exact_match",
    )


def test_changed_rows_stand_side_by_side_with_losses_first(case):
    case.score("base", "test", right(0))
    case.score("few_shot", "test", right(2))
    case.score("tuned", "test", [False, True, True] + [False] * 57)
    case.judged()
    found = records.changed_rows(case.store, case.run, "test")
    assert [row["prompt"] for row in found] == ["message 0", "message 1", "message 2"]
    assert found[0] == {
        "split": "test",
        "row_id": case.rows[0].id,
        "prompt": "message 0",
        "expected": '{"x": 1}',
        "base": {"answer": '{"x": 0}', "exact": False, "score": 0},
        "few_shot": {"answer": '{"x": 1}', "exact": True, "score": 1},
        "tuned": {"answer": '{"x": 0}', "exact": False, "score": 0},
    }
    assert records.changed_rows(case.store, case.run, "golden") == []
    assert len(records.changed_rows(case.store, case.run)) == 3


CHAT = Objective(
    "", "", task="chat", output="text", metric="chrf", threshold=0.4, minimum_effect=0.03
)


def grades(level, n=60):
    """Return grades around a level that go up and down alike for every subject, and a little not."""
    return [min(1.0, max(0.0, level + 0.1 * ((7 * at) % 11 - 5) / 5)) for at in range(n)]


def chat(case, base, few_shot, tuned, **more):
    for split in ("test", "golden"):
        for subject, found in (("base", base), ("few_shot", few_shot), ("tuned", tuned)):
            case.score(subject, split, right(0), graded=found, metric="chrf", **more)


def test_a_graded_metric_decides_where_no_answer_is_exact(case):
    chat(case, grades(0.3), grades(0.4), grades(0.5))
    found, gate = case.judged(CHAT)
    assert {metric for _, _, metric in found} == {"chrf"}
    item = found["few_shot", "test", "chrf"]
    assert (item.result, item.difference.value) == ("better", pytest.approx(0.1))
    assert 0 < item.p_value < 0.01
    assert gate.result == "pass"
    assert records.sentence(case.store, case.run).startswith(
        "The tuned model scores 50 %, 48 to 52 % by chrF on 60 held-out messages, "
        "the few-shot base 40 %: better by 10 points"
    )
    assert records.verdicts(case.store, case.run)[0]["metric"] == "chrf"


def test_graded_equals_cannot_be_told_apart(case):
    level = grades(0.4)
    turned = [level[(at * 13 + 5) % 60] for at in range(60)]
    chat(case, grades(0.1), level, turned)
    found, gate = case.judged(CHAT)
    assert found["few_shot", "test", "chrf"].result == "can't tell"
    assert gate.result == "fail"


def test_a_graded_gain_of_one_customer_proves_nothing(workspace):
    case = Case(workspace, groups=["one customer"] * 60)
    chat(case, grades(0.1), grades(0.2), grades(0.9))
    found, _ = case.judged(CHAT)
    assert found["few_shot", "test", "chrf"].result == "can't tell"


def test_a_metric_of_yes_and_no_besides_exactness_is_counted(case):
    objective = replace(CHAT, task="qa", metric="contains")
    for subject, count in (("base", 5), ("few_shot", 20), ("tuned", 50)):
        case.score(
            subject, "test", right(0), graded=[float(x) for x in right(count)], metric="contains"
        )
    found, gate = case.judged(objective)
    assert found["few_shot", "test", "contains"].result == "better"
    assert gate.result == "pass"
    assert "answers 50 of 60 held-out messages rightly, by contains the answer" in records.sentence(
        case.store, case.run
    )


def test_long_answers_break_the_guardrail_of_tokens(case):
    full(case, base=0, few_shot=6, tuned=48)
    limited = replace(OBJECTIVE, guardrails=Guardrails(answer_tokens=4.5))
    _, gate = case.judged(limited)
    assert gate.result == "fail"
    assert gate.reasons[0].startswith(
        "The answers have 5.0 tokens on average; the guardrail is 4.5"
    )
    _, gate = case.judged(replace(OBJECTIVE, guardrails=Guardrails(answer_tokens=5)))
    assert gate.result == "pass"


def test_labels_that_are_not_on_the_list_break_the_form_of_text(case):
    full(case, base=0, few_shot=6, tuned=48, valid=58)
    schema = {"type": "string", "enum": ["a", "b"]}
    _, gate = case.judged(replace(OBJECTIVE, output="text", fields=(), schema=schema))
    assert gate.result == "fail"
    assert "text of the objective's schema" in gate.reasons[0]


def test_of_graded_answers_only_those_a_tenth_apart_have_changed_and_the_worst_comes_first(case):
    base, tuned = [0.5] * 60, [0.5] * 57 + [0.55, 0.2, 0.9]
    for subject, found in (("base", base), ("few_shot", base), ("tuned", tuned)):
        case.score(subject, "test", right(0), graded=found, metric="chrf")
    case.judged(CHAT)
    changed = records.changed_rows(case.store, case.run, "test")
    assert [row["prompt"] for row in changed] == ["message 58", "message 59"]
    assert changed[0]["tuned"]["score"] == 0.2
