"""The whole journey on the demo's data: real training, evaluation, export and answers."""

import json

import pytest

from engine.base.project import load
from engine.score.metrics import measure


@pytest.fixture(scope="module")
def shown(journey, cli):
    return json.loads(
        cli("--workspace", str(journey.workspace), "show", str(journey.run_id), "--json")
    )


def test_the_tuned_model_beats_the_few_shot_base_with_an_interval(shown):
    metric = shown["verdict"]["metrics"]["exact_match"]
    assert metric["tuned"] > metric["prompted"]
    assert metric["low"] > 0
    assert metric["n"] >= 80


def test_the_json_has_the_keys_that_others_rely_on(shown):
    assert {"id", "name", "status", "method", "model", "dataset", "created", "scores"} <= set(shown)
    assert {"plan", "measured", "verdict", "artifacts"} <= set(shown)
    assert {"peak_bytes", "seconds", "tokens_per_second"} <= set(shown["measured"])
    measured = dict(shown["measured"])
    measured.pop("joules")  # told where a board does
    assert all(measured.values())
    for artifact in shown["artifacts"]:
        assert {"id", "kind", "path", "bytes", "sha256", "parity"} <= set(artifact)


def test_every_stage_left_its_row_and_its_document(journey):
    store = journey.store
    lineage = store.row(
        "SELECT d.id AS dataset, p.id AS plan, r.id AS run, count(DISTINCT s.id) AS scores, "
        "count(DISTINCT a.id) AS artifacts FROM runs r JOIN plans p ON p.id = r.plan_id "
        "JOIN datasets d ON d.id = p.dataset_id JOIN scores s ON s.run_id = r.id "
        "JOIN artifacts a ON a.run_id = r.id WHERE r.id = ?",
        (journey.run_id,),
    )
    assert lineage["scores"] >= 2
    assert lineage["artifacts"] >= 4
    run = journey.workspace / "runs" / str(journey.run_id)
    for file in (
        run / "report.md",
        run / "training-plan.md",
        run / "eval-plan.md",
        journey.workspace / "datasets" / lineage["dataset"] / "data-spec.md",
    ):
        assert file.stat().st_size > 500, file
    assert not store.rows("SELECT id FROM job_log WHERE level = 'trace'")


def test_no_planted_address_number_or_key_is_left_in_what_was_made(journey):
    planted = ("example.org", "example.com", "7946 0958", "AKIAQ3EGRZ7TYVN5XW2M", "sk_live_")
    for pattern in ("datasets/**/*", "runs/**/*.md", "jobs/*"):
        for file in journey.workspace.glob(pattern):
            if file.is_file():
                text = file.read_text(errors="replace")
                assert not [word for word in planted if word in text], file


def test_f16_answers_as_the_adapter_and_the_recommended_file_passed(shown):
    files = {item["kind"]: item for item in shown["artifacts"]}
    assert files["gguf:F16"]["parity"]["token_agreement"] >= 0.99
    recommended = [item for item in shown["artifacts"] if item["recommended"]]
    assert len(recommended) == 1
    assert recommended[0]["parity"]["result"] == "pass"
    passed = [i for i in shown["artifacts"] if i["parity"] and i["parity"]["result"] == "pass"]
    assert recommended[0]["bytes"] == min(item["bytes"] for item in passed)


def test_chat_answers_a_new_message_in_the_right_form(journey, cli):
    reply = cli(
        "--workspace", str(journey.workspace), "chat", str(journey.run_id),
        "I forgot my password and the reset mail never comes", "--json",
    )  # fmt: skip
    answer = json.loads(reply)["reply"]
    objective = load(journey.project_dir).objective
    expected = '{"intent": "login_problem", "order": null, "urgent": false}'
    assert measure(objective, expected, answer)["valid_json"] == 1


def test_the_file_loads_in_plain_llama_cpp(journey, shown):
    from llama_cpp import Llama

    path = next(item["path"] for item in shown["artifacts"] if item["recommended"])
    llama = Llama(path, n_ctx=256, verbose=False)
    answer = llama.create_chat_completion(
        [
            {
                "role": "system",
                "content": load(journey.project_dir).objective.instruction,
            },
            {"role": "user", "content": "cancel my order 51234 please"},
        ],
        max_tokens=48,
        temperature=0,
    )
    json.loads(answer["choices"][0]["message"]["content"])


def test_predictions_are_compared_with_what_happened(journey):
    rows = journey.store.rows(
        "SELECT quantity, predicted, measured FROM predictions WHERE run_id = ?", (journey.run_id,)
    )
    assert {row["quantity"] for row in rows} == {"peak_bytes", "seconds"}
    assert all(row["predicted"] > 0 and row["measured"] > 0 for row in rows)


@pytest.mark.slow
def test_a_whole_model_goes_the_same_way_and_its_files_are_judged_too(demo_project, cli):
    short = ("--set", "max_steps=8", "--set", "learning_rate=1e-5")
    for verb in (
        ("data", "build"),
        ("train", "--recipe", "sft-full", *short, "--watch", "--only"),
        ("eval", "1", "--accept", "8 steps"),
        ("export", "1", "--to", "F16,Q8_0", "--accept", "8 steps"),
    ):
        cli("--workspace", ".", *verb, cwd=demo_project)
    shown = json.loads(cli("--workspace", ".", "show", "1", "--json", cwd=demo_project))
    made = {artifact["kind"]: artifact for artifact in shown["artifacts"]}
    assert {"model", "merged", "gguf:F16", "gguf:Q8_0"} == set(made)
    assert all(made[f"gguf:{kind}"]["parity"]["result"] for kind in ("F16", "Q8_0"))
    assert (demo_project / "runs" / "1" / "model" / "model.safetensors").is_file()
