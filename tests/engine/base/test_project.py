import pytest

from engine.base.errors import TunesmithError, UsageError
from engine.base.project import DataSettings, Guardrails, Objective, Project, load, save
from engine.base.settings import parse

PROJECT = Project(
    name="desk",
    objective=Objective(instruction="Sort.", prompt="Sort it: \n1. so", fields=("a", "b")),
    data=DataSettings(sources=("rows.jsonl",), golden="golden.jsonl"),
    settings={"epochs": 2},
)


def test_a_project_comes_back_as_it_was_written(tmp_path):
    save(PROJECT, tmp_path)
    assert load(tmp_path) == PROJECT


def test_every_fault_is_named_at_once_with_the_nearest_key(tmp_path):
    (tmp_path / "project.yaml").write_text(
        "name: 3\nobjetive: {}\nobjective: {prompt: x, task: cooking}\ndata: {sources: [1]}\n"
    )
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    for part in ("name must be text", "did you mean objective?", "instruction is missing",
                 "task must be one of", "sources[0] must be text"):  # fmt: skip
        assert part in caught.value.what


def test_broken_yaml_names_the_line(tmp_path):
    (tmp_path / "project.yaml").write_text("name: a\nobjective: [\n")
    with pytest.raises(TunesmithError) as caught:
        load(tmp_path)
    assert "project.yaml:3" in caught.value.where


def test_a_yaml_bomb_of_aliases_is_data_and_a_python_tag_is_refused(tmp_path):
    (tmp_path / "project.yaml").write_text("name: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(TunesmithError, match="not YAML"):
        load(tmp_path)


def test_whole_numbers_are_numbers_but_truth_is_not():
    raw = {"instruction": "i", "prompt": "p", "threshold": 1}
    assert parse(raw, Objective, "x").threshold == 1.0
    with pytest.raises(UsageError, match="a number"):
        parse({**raw, "threshold": True}, Objective, "x")


def test_a_missing_project_says_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match="tunesmith init"):
        load(tmp_path)


def test_schema_guardrails_and_failure_categories_come_back_as_they_were_written(tmp_path):
    schema = {
        "type": "object",
        "properties": {"n": {"enum": [1, 2.5, None, True, "yes"]}, "list": {"items": {}}},
        "required": ["n"],
    }
    made = Objective(
        "i",
        "p",
        task="tools",
        metric="call_match",
        schema=schema,
        guardrails=Guardrails(answer_tokens=40, harmful=0.01),
        failure_categories=("wrong tool", "ours"),
    )
    project = Project("desk", made, DataSettings(("rows.jsonl",)))
    save(project, tmp_path)
    assert load(tmp_path) == project
    assert load(tmp_path).objective.fields == ("n", "list")


def test_a_file_of_before_says_the_same_as_ever():
    raw = {"instruction": "i", "prompt": "p", "task": "free", "output": "text"}
    made = parse(raw, Objective, "x")
    assert (made.metric, made.schema, made.fields) == ("exact_match", {}, ())
    assert made.guardrails == Guardrails()


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ({"task": "chat", "output": "text", "metric": "field_f1"}, "fields of JSON"),
        ({"task": "chat", "output": "text", "metric": "call_match"}, "tool calls"),
        ({"metric": "rouge"}, "metric must be one of"),
        ({"task": "chats"}, "task must be one of"),
        ({"guardrails": {"token": 3}}, "unknown key guardrails.token"),
        ({"schema": []}, "schema must be"),
        ({"schema": {"type": "nothing"}}, "no JSON Schema"),
    ],
)
def test_what_does_not_go_together_is_refused(raw, what):
    with pytest.raises(UsageError, match=what):
        parse({"instruction": "i", "prompt": "p", **raw}, Objective, "project.yaml")
