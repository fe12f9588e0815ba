from __future__ import annotations

from dataclasses import replace

import pytest

from engine.base.errors import UsageError
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store
from engine.base.work import register
from engine.data.rows import make, to_json
from engine.plan import device, models
from engine.plan.advice import FOUND, GAIN, IF_FOUND, advise, facts, method, outcome, rules
from engine.plan.advice.facts import Facts
from engine.plan.advice.reach import Reach, measure

PROJECT = Project("desk", Objective("Answer.", "Answer as JSON."), DataSettings(("a.jsonl",)))


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    register(opened, tmp_path / "project", PROJECT)
    yield opened
    opened.close()


def add_dataset(store, *, train=560, test=112, golden=60, rows_read=800, form="answer"):
    store.insert(
        "datasets",
        {
            "id": "d1",
            "project_id": 1,
            "path": "datasets/d1",
            "rows_read": rows_read,
            "rows_kept": train + test + 75,
            "train": train,
            "validation": 75,
            "test": test,
            "golden": golden,
            "tokens_train": 80 * train,
            "tokens_longest": 143,
            "form": form,
            "created": 1.0,
        },
    )


def add_score(store, subject, value, low, high, *, valid_json=1.0, split="validation", more=None):
    score_id = store.insert(
        "scores",
        {
            "project_id": 1,
            "dataset_id": "d1",
            "subject": subject,
            "split": split,
            "model": "m",
            "rows": 75,
            "seconds": 1.0,
            "created": 1.0,
        },
    )
    for metric, triple in {
        "exact_match": (value, low, high),
        "valid_json": (valid_json, valid_json, valid_json),
        **(more or {}),
    }.items():
        names = dict(zip(("value", "low", "high"), triple, strict=True))
        store.insert("score_metrics", {"score_id": score_id, "metric": metric, "n": 75, **names})


@pytest.mark.parametrize(
    ("sizes", "word"),
    [({"train": 40}, "40 training rows"), ({"test": 20, "golden": 30}, "has 30 rows")],
)
def test_too_few_rows_mean_collect_data_first(store, sizes, word):
    add_dataset(store, **sizes)
    add_score(store, "few_shot", 0.9, 0.85, 0.95)
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "collect data first"
    assert word in advice.reasons[0]


def test_a_golden_set_large_enough_makes_up_for_a_small_test_split(store):
    add_dataset(store, test=20, golden=60)
    assert advise(store, PROJECT, 1, "d1").verdict == "fine-tune"


def test_a_prompt_that_surely_meets_the_threshold_means_stop(store):
    add_dataset(store)
    add_score(store, "base", 0.1, 0.05, 0.2)
    add_score(store, "few_shot", 0.88, 0.79, 0.94)
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "stop: prompting is enough"
    assert any("0.88 exact match" in reason for reason in advice.reasons)
    assert "0.88" in advice.change


@pytest.mark.parametrize(
    ("value", "low"),
    [(0.79, 0.76), (0.82, 0.70)],
    ids=["below the threshold", "not surely enough"],
)
def test_a_prompt_that_is_not_good_enough_means_fine_tune(store, value, low):
    add_dataset(store)
    add_score(store, "few_shot", value, low, 0.97)
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "fine-tune"
    assert "sft-lora" in advice.reasons[-1]
    assert advice.recipe == "sft-lora"


def test_a_wrong_form_is_held_to_the_schema_and_no_reason_to_tune(store):
    add_dataset(store)
    add_score(store, "few_shot", 0.9, 0.85, 0.97, valid_json=0.9)
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "stop: prompting is enough"
    assert "90% had the right form" in advice.reasons[-1]
    assert "constrained decoding" in advice.reasons[-1]


def test_only_the_newest_trial_on_the_validation_rows_counts(store):
    add_dataset(store)
    add_score(store, "few_shot", 0.95, 0.9, 0.99)
    add_score(store, "few_shot", 0.2, 0.1, 0.3)
    add_score(store, "few_shot", 0.95, 0.9, 0.99, split="test")
    assert advise(store, PROJECT, 1, "d1").verdict == "fine-tune"


def test_without_a_trial_the_advice_says_how_to_measure(store):
    add_dataset(store)
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "fine-tune"
    assert any("not been measured" in reason for reason in advice.reasons)
    assert "advise --trial" in advice.change


def test_many_dropped_rows_are_mentioned(store):
    add_dataset(store, rows_read=1500)
    assert any("were dropped" in reason for reason in advise(store, PROJECT, 1, "d1").reasons)


def test_another_projects_dataset_is_refused(store):
    add_dataset(store)
    with pytest.raises(UsageError, match="no dataset"):
        advise(store, PROJECT, 2, "d1")


def text_project(**changes):
    objective = Objective("Answer.", "Answer.", task="qa", output="text", threshold=0.7)
    return replace(PROJECT, objective=replace(objective, **changes))


def make_facts(**changes):
    known = {"form": "answer", "train": 600, "test": 2000, "golden": 60, "read": 900, "kept": 890}
    found = Facts(**({"project": PROJECT, "model": models.find(PROJECT.base_model)} | known))
    return replace(found, **changes)


def names(known):
    return {item.rule.name for item in rules.apply(known)}


def named(known, name):
    return next(item.sentence for item in rules.apply(known) if item.rule.name == name)


def test_nothing_speaks_against_what_is_in_order():
    assert names(make_facts(trial={"base": {}})) == set()


@pytest.mark.parametrize(
    ("changes", "name", "figure"),
    [
        ({"train": 49}, "few rows", "49 training rows"),
        ({"test": 49, "golden": 10}, "few held-out rows", "49 rows"),
        ({"conflicting": 225}, "conflicts", "25%"),
        ({"repeated": 225}, "duplicates", "25%"),
        ({"kept": 600}, "dropped", "33%"),
        ({"personal": 3}, "personal data", "3 places"),
        ({"golden": 0}, "no golden set", "no golden set"),
        ({"reach": Reach(0.8, 2, 90)}, "facts", "80% of 90"),
        ({"form": "preference", "train": 120}, "few pairs", "120 judged"),
        ({"trial": {}}, "not measured", "not been measured"),
    ],
)
def test_each_condition_is_found_with_its_figure_and_its_source(changes, name, figure):
    known = make_facts(**({"trial": {"base": {}}} | changes))
    assert name in names(known)
    said = named(known, name)
    assert figure in said
    rule = next(rule for rule in rules.RULES if rule.name == name)
    assert said.endswith(f"({rule.source})")


@pytest.mark.parametrize(
    "changes",
    [
        {"train": 50},
        {"test": 2000, "golden": 50},
        {"conflicting": 180},
        {"repeated": 180},
        {"reach": Reach(0.29, 2, 90)},
        {"reach": Reach(0.9, 40, 90)},
        {"form": "preference", "train": 500},
        {"form": "text", "train": 3, "test": 0},
    ],
)
def test_no_condition_holds_just_on_the_other_side_of_its_line(changes):
    known = make_facts(**({"trial": {"base": {}}} | changes))
    assert not names(known) & {"few rows", "conflicts", "duplicates", "facts", "few pairs"}


def test_licences_and_models_that_cannot_be_served_speak_against_tuning():
    model = models.find(PROJECT.base_model)
    known = make_facts(model=replace(model, commercial="no", licence="cc-by-nc-4.0"))
    assert "cc-by-nc-4.0" in named(known, "licence")
    unknown = models.find("qwen2.5-72b-instruct")
    assert "not known" in named(
        make_facts(
            model=replace(unknown, commercial="conditions", licence="not known to Tunesmith")
        ),
        "licence",
    )
    huge = replace(model, dimensions=replace(model.dimensions, vocab=10**10))
    assert "too big" in names(make_facts(model=huge))
    assert "too big" not in names(make_facts(model=model))
    assert "too big" not in names(make_facts(model=None))


def test_a_base_that_never_chatted_is_no_base_for_a_chat_goal():
    model = models.find(PROJECT.base_model)
    base = replace(model, chat=models.Chat(trained=False))
    chat = replace(PROJECT, objective=Objective("a", "b", task="chat", output="text"))
    assert "no chat template" in names(make_facts(project=chat, model=base))
    assert "no chat template" not in names(make_facts(model=base))


def test_a_test_split_too_small_for_the_minimum_effect_is_said(store):
    add_dataset(store, test=60)
    add_score(store, "base", 0.1, 0.05, 0.2)
    said = [r for r in advise(store, PROJECT, 1, "d1").reasons if "minimum effect" in r]
    assert len(said) == 1
    assert said[0].startswith("60 test rows")


def test_rows_that_contradict_each_other_are_decided_first(store):
    add_dataset(store, rows_read=800)
    for row in range(200):
        finding = {"kind": "conflict", "file": "a", "row": row, "what": "x", "action": "dropped"}
        store.insert("dataset_findings", {"dataset_id": "d1", **finding})
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "collect data first"
    assert "25%" in advice.reasons[0]


def write_rows(store, pairs, fresh):
    folder = store.workspace / "datasets" / "d1"
    folder.mkdir(parents=True)
    for split, rows in (("train", pairs), ("validation", fresh)):
        lines = "".join(to_json(make(*row)) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    return folder


LABELS = [(f"Message {n} about parcels", ("late", "lost")[n % 2]) for n in range(20)]
COPIES = [(f"Order {n} has not come", f"{n} has not come") for n in range(100, 120)]
FACTS = [(f"Which code has town {n}?", f"X{n * 7}") for n in range(100, 120)]


@pytest.mark.parametrize(
    ("rows", "beyond"), [(LABELS, 0), (COPIES, 0), (FACTS, 1)], ids=["labels", "copies", "facts"]
)
def test_answers_beyond_reach_are_neither_in_the_prompt_nor_taught(store, rows, beyond):
    found = measure(write_rows(store, rows[:10], rows[10:]), PROJECT.objective)
    assert found == Reach(beyond, 1 if rows is not COPIES else 4, 10)


def test_reach_is_not_measured_where_the_files_are_gone(tmp_path):
    assert measure(tmp_path, PROJECT.objective) is None


def retrieval(store, value, low, high, gain, *, over="few_shot"):
    more = {
        f"{GAIN}{over}": gain,
        FOUND: (0.9, 0.8, 0.95),
        IF_FOUND: (0.7, 0.6, 0.8),
    }
    add_score(store, "retrieval", value, low, high, more=more)


def test_passages_that_meet_the_threshold_mean_retrieval(store):
    add_dataset(store)
    add_score(store, "few_shot", 0.1, 0.05, 0.2)
    retrieval(store, 0.85, 0.78, 0.9, (0.75, 0.6, 0.85))
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "use retrieval"
    assert any("hold the answer of 90%" in reason for reason in advice.reasons)
    assert advice.recipe == ""


def test_passages_surely_above_every_prompt_mean_retrieval_where_answers_are_facts(store):
    add_dataset(store)
    write_rows(store, FACTS[:10], FACTS[10:])
    add_score(store, "base", 0.0, 0.0, 0.1)
    add_score(store, "few_shot", 0.02, 0.0, 0.1)
    retrieval(store, 0.5, 0.4, 0.6, (0.48, 0.3, 0.6))
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "use retrieval"
    assert any("Balaguer" in reason for reason in advice.reasons)


@pytest.mark.parametrize(
    "gain",
    [(0.04, 0.01, 0.08), (0.2, -0.1, 0.4)],
    ids=["too small", "may be luck"],
)
def test_facts_that_the_base_cannot_read_off_the_passages_are_not_for_training(store, gain):
    add_dataset(store)
    write_rows(store, FACTS[:10], FACTS[10:])
    add_score(store, "few_shot", 0.02, 0.0, 0.1)
    retrieval(store, 0.06, 0.02, 0.1, gain)
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "use retrieval"
    assert "does not read them off" in advice.reasons[-1]
    assert "larger base" in advice.change


def test_passages_that_are_not_good_enough_leave_a_skill_to_learn(store):
    add_dataset(store)
    write_rows(store, LABELS[:10], LABELS[10:])
    add_score(store, "few_shot", 0.02, 0.0, 0.1)
    retrieval(store, 0.5, 0.4, 0.6, (0.48, 0.3, 0.6))
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "fine-tune"
    assert any("add up" in reason for reason in advice.reasons)


def test_a_plain_prompt_that_is_good_enough_is_preferred_to_passages(store):
    add_dataset(store)
    add_score(store, "similar", 0.85, 0.8, 0.9)
    retrieval(store, 0.95, 0.9, 0.99, (0.1, 0.05, 0.15), over="similar")
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "stop: prompting is enough"
    assert any("looked up for each question" in reason for reason in advice.reasons)


def test_facts_without_documents_are_not_for_training(store):
    add_dataset(store)
    write_rows(store, FACTS[:10], FACTS[10:])
    advice = advise(store, text_project(), 1, "d1")
    assert advice.verdict == "use retrieval"
    assert "data: documents" in advice.change
    assert any("Gekhman" in reason for reason in advice.reasons)


@pytest.mark.parametrize(
    ("form", "recipe"),
    [("preference", "dpo-lora"), ("feedback", "kto-lora"), ("text", "cpt-lora")],
)
def test_the_recipe_follows_from_what_the_rows_teach(store, form, recipe):
    add_dataset(store, form=form)
    advice = advise(store, PROJECT, 1, "d1")
    assert (advice.verdict, advice.recipe) == ("fine-tune", recipe)


def test_the_recipe_follows_from_text_model_and_box(monkeypatch):
    model = models.find(PROJECT.base_model)
    base = replace(model, chat=models.Chat(trained=False))
    assert method.choose(make_facts(form="preference", model=base)).recipe == "orpo-lora"
    assert method.choose(make_facts(form="text", tokens=60_000_000)).recipe == "cpt-full"
    card = device.named("RTX 4090")
    monkeypatch.setattr(device, "choose", lambda _: card)
    big = models.find("qwen2.5-32b-instruct")
    chosen = method.choose(make_facts(model=big))
    assert chosen.recipe == "sft-qlora"
    assert "GPU memory" in chosen.why
    assert method.choose(make_facts(model=model)).recipe == "sft-lora"
    assert method.choose(make_facts(model=None)).recipe == "sft-lora"


def add_verdict(store, difference, low, high, result):
    plan = {
        "project_id": 1,
        "dataset_id": "d1",
        "recipe": "sft-lora",
        "method": "sft-lora",
        "model": "m",
        "device": "cpu",
        "predicted_peak_bytes": 1,
        "predicted_seconds": 1.0,
        "predicted_joules": 1.0,
        "predicted_disk_bytes": 1,
        "created": 1.0,
    }
    plan_id = store.insert("plans", plan)
    run = {"name": "r", "project_id": 1, "dataset_id": "d1", "plan_id": plan_id, "model": "m"}
    run_id = store.insert("runs", {**run, "method": "sft-lora", "path": "runs/1", "created": 1.0})
    add_score(store, "few_shot", 0.2, 0.1, 0.3, split="test")
    score = store.scalar("SELECT max(id) FROM scores")
    verdict = {"run_id": run_id, "baseline": "few_shot", "baseline_score_id": score}
    verdict |= {"tuned_score_id": score, "metric": "exact_match", "split": "test", "n": 112}
    verdict |= {"difference": difference, "low": low, "high": high, "p_value": 0.01}
    store.insert("verdicts", {**verdict, "result": result, "created": 1.0})


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ((0.45, 0.35, 0.55, "better"), "the advice was right"),
        ((0.03, -0.02, 0.08, "can't tell"), "the advice was wrong"),
    ],
)
def test_after_a_run_the_advice_is_held_against_its_verdict(store, found, word):
    add_dataset(store)
    add_score(store, "base", 0.1, 0.05, 0.2)
    add_score(store, "few_shot", 0.2, 0.1, 0.3)
    before = advise(store, PROJECT, 1, "d1")
    assert before.expected == outcome.Expected(0.05, pytest.approx(0.6))
    add_verdict(store, *found)
    last = advise(store, PROJECT, 1, "d1").reasons[-1]
    assert word in last
    assert "0.05 to 0.60 were expected" in last


def test_a_run_against_the_advice_is_told_too(store):
    add_dataset(store)
    add_score(store, "few_shot", 0.9, 0.85, 0.95)
    add_verdict(store, 0.01, -0.02, 0.04, "can't tell")
    advice = advise(store, PROJECT, 1, "d1")
    assert advice.verdict == "stop: prompting is enough"
    assert advice.expected is None
    assert "not worth it" in advice.reasons[-1]


def test_the_trial_names_each_subject_once(store):
    add_dataset(store)
    for subject in ("base", "few_shot", "similar", "retrieval"):
        add_score(store, subject, 0.2, 0.1, 0.3)
    assert list(facts.baselines(store, "d1")) == ["base", "few_shot", "similar", "retrieval"]
