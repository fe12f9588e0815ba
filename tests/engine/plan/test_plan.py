from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from engine.base.errors import UsageError
from engine.base.hardware.machine import Gpu, Machine
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store
from engine.base.work import register
from engine.plan import cost, plan, recipe
from engine.plan.recipe import SETTINGS, Situation

GB = 1_000_000_000
PROJECT = Project("desk", Objective("Answer.", "Answer as JSON."), DataSettings(("a.jsonl",)))
DATASET = {
    "id": "d1",
    "train": 560,
    "validation": 75,
    "test": 112,
    "golden": 60,
    "tokens_train": 45_000,
    "tokens_answers": 15000,
    "tokens_longest": 143,
}


def box(*, gpu: str = "", free: int = 20 * GB) -> Machine:
    gpus = (Gpu(0, gpu, free, free, 0, 40, 50.0),) if gpu else ()
    return Machine("EPYC", 2, True, 24 * GB, free, gpus, "" if gpu else "no driver")


MODELS = ("smollm2-135m-instruct", "smollm2-1.7b-instruct", "llama-3.1-8b-instruct", "qwen2.5-72b-instruct")  # fmt: skip
BOXES = {
    "cpu": box(),
    "8 GB": box(gpu="NVIDIA GeForce RTX 4060", free=8 * GB),
    "12 GB": box(gpu="NVIDIA GeForce RTX 3060", free=12 * GB),
    "24 GB": box(gpu="NVIDIA GeForce RTX 4090", free=24 * GB),
    "80 GB": box(gpu="NVIDIA H100 80GB HBM3", free=80 * GB),
}


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    project_id = register(opened, tmp_path / "project", PROJECT)
    opened.insert(
        "datasets",
        {
            **DATASET,
            "project_id": project_id,
            "path": "datasets/d1",
            "rows_read": 800,
            "rows_kept": 747,
            "created": 1.0,
        },
    )
    yield opened
    opened.close()


@pytest.mark.parametrize("name", recipe.names())
@pytest.mark.parametrize("machine", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("model", MODELS)
def test_every_recipe_resolves_for_every_box_and_model(name, machine, model):
    project = replace(PROJECT, recipe=name, base_model=model)
    resolved = plan.resolve(project, DATASET, machine, {})
    loaded = recipe.load(name)
    assert set(loaded.settings) <= set(resolved.values)
    assert not set(SETTINGS) - set(loaded.settings) & set(resolved.values)
    assert (resolved.trainer, resolved.tuning) == (loaded.trainer, loaded.tuning)
    assert all(value.why.endswith(".") for value in resolved.values.values())
    assert resolved["steps"] >= 1
    assert min(resolved.peak_bytes, resolved.seconds, resolved.joules, resolved.disk_bytes) > 0
    wanted = recipe.resolve(
        loaded, Situation(560, 10**9, "cpu" if not machine.gpus else "gpu", bf16=True)
    )
    effective = resolved["micro_batch"] * resolved["accumulation"]
    assert effective == wanted["micro_batch"].value * wanted["accumulation"].value
    if loaded.trainer == "kto":
        assert resolved["micro_batch"] >= 2
    if resolved.gate.result == "pass":
        assert resolved.peak_bytes <= 0.8 * (
            machine.gpus[0].free if machine.gpus else machine.memory_free
        )


@pytest.mark.parametrize(
    ("name", "free", "model", "method"),
    [
        ("sft-lora", 80 * GB, "llama-3.1-8b-instruct", "sft-lora"),
        ("sft-lora", 12 * GB, "llama-3.1-8b-instruct", "sft-qlora"),
        ("sft-lora", 24 * GB, "smollm2-1.7b-instruct", "sft-lora"),
        ("sft-qlora", 24 * GB, "smollm2-1.7b-instruct", "sft-qlora"),
        ("sft-rslora", 24 * GB, "smollm2-1.7b-instruct", "sft-lora"),
        ("sft-full", 80 * GB, "smollm2-1.7b-instruct", "sft-full"),
        ("dpo-lora", 12 * GB, "llama-3.1-8b-instruct", "dpo-qlora"),
        ("cpt-lora", 80 * GB, "llama-3.1-8b-instruct", "cpt-lora"),
    ],
)
def test_the_method_follows_from_recipe_and_memory_and_fits(name, free, model, method):
    machine = box(gpu="NVIDIA H100 80GB HBM3", free=free)
    resolved = plan.resolve(replace(PROJECT, recipe=name, base_model=model), DATASET, machine, {})
    assert resolved.method == method
    # a model that is not on this box has its tokenizer looked at later; the memory is enough
    assert resolved.gate.result != "fail", resolved.gate.reasons
    assert not any("predicted peak" in reason for reason in resolved.gate.reasons)


def test_the_demo_on_two_cores_takes_about_two_minutes():
    resolved = plan.resolve(PROJECT, DATASET, BOXES["cpu"], {})
    assert resolved["steps"] == 70
    assert resolved["tokens"] == 45_000
    assert (resolved["micro_batch"], resolved["max_length"], resolved["seed"]) == (8, 144, 42)
    assert resolved["lora_alpha"] == 32
    assert resolved["validate_every"] == 17
    assert 60 < resolved.seconds < 240
    assert resolved.gate.result == "pass"


def test_overrides_win_over_the_project_and_the_project_over_the_recipe():
    project = replace(PROJECT, settings={"epochs": 2, "lora_rank": 8})
    resolved = plan.resolve(project, DATASET, BOXES["cpu"], {"epochs": "3"})
    assert resolved["epochs"] == 3.0
    assert resolved.values["epochs"].why == "Set by you."
    assert resolved["lora_rank"] == 8
    assert resolved.values["lora_rank"].why == "Set in project.yaml."
    assert resolved["lora_alpha"] == 16
    assert resolved["steps"] == 210


@pytest.mark.parametrize("key", ["steps", "tokens_per_second"])
def test_what_follows_from_the_settings_cannot_be_set(key):
    with pytest.raises(UsageError, match=f"unknown setting {key}"):
        plan.resolve(PROJECT, DATASET, BOXES["cpu"], {key: 5})


def test_a_setting_of_another_method_is_refused_wherever_it_stands():
    full = replace(PROJECT, recipe="sft-full")
    with pytest.raises(UsageError, match="--set: lora_rank does not apply"):
        plan.resolve(full, DATASET, BOXES["cpu"], {"lora_rank": 8})
    with pytest.raises(UsageError, match=r"project\.yaml: settings: beta does not apply"):
        plan.resolve(replace(PROJECT, settings={"beta": 0.2}), DATASET, BOXES["cpu"], {})


def test_raw_text_is_counted_in_blocks_and_a_pair_twice():
    text = plan.resolve(
        replace(PROJECT, recipe="cpt-lora"),
        {**DATASET, "tokens_train": 45_000},
        BOXES["cpu"],
        {"max_length": 256, "micro_batch": 8, "accumulation": 2},
    )
    assert text["steps"] == 12  # 177 blocks of 255 new tokens, 16 a step
    assert "177 blocks of 256 tokens" in text.values["steps"].why
    pairs = plan.resolve(replace(PROJECT, recipe="dpo-lora"), DATASET, BOXES["cpu"], {"epochs": 1})
    assert pairs["steps"] == 70
    assert pairs["tokens"] == 90_000
    assert pairs["max_length"] == 288
    assert "twice as long" in pairs.values["max_length"].why


def test_kto_takes_no_micro_batch_of_one():
    with pytest.raises(UsageError, match="at least 2"):
        plan.resolve(replace(PROJECT, recipe="kto-lora"), DATASET, BOXES["cpu"], {"micro_batch": 1})


def test_an_unknown_override_fails_with_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean micro_batch"):
        plan.resolve(PROJECT, DATASET, BOXES["cpu"], {"microbatch": 4})


def test_max_steps_ends_a_run_early():
    resolved = plan.resolve(PROJECT, DATASET, BOXES["cpu"], {"max_steps": 7})
    assert resolved["steps"] == 7
    assert resolved["tokens"] == 4500


def test_scarce_memory_computes_fewer_tokens_at_a_time_and_leaves_the_batches_alone():
    roomy = plan.resolve(PROJECT, DATASET, BOXES["cpu"], {})
    tight = plan.resolve(PROJECT, DATASET, box(free=round(roomy.peak_bytes * 1.1)), {})
    assert tight["micro_tokens"] < roomy["micro_tokens"]
    assert tight["micro_batch"] == roomy["micro_batch"]
    assert tight["accumulation"] == roomy["accumulation"]
    assert tight["steps"] == roomy["steps"]
    assert "that are free" in tight.values["micro_tokens"].why
    assert tight.gate.result == "pass"


def test_where_rows_are_compared_scarce_memory_halves_the_micro_batch():
    project = replace(PROJECT, recipe="kto-lora")
    dataset = {**DATASET, "form": "feedback"}
    roomy = plan.resolve(project, dataset, BOXES["cpu"], {})
    tight = plan.resolve(project, dataset, box(free=round(roomy.peak_bytes * 1.1)), {})
    assert tight["micro_batch"] < roomy["micro_batch"]
    effective = [made["micro_batch"] * made["accumulation"] for made in (roomy, tight)]
    assert effective[0] == effective[1]


CHOSEN = {"micro_batch": 16, "micro_tokens": 4096}


def test_a_setting_the_user_chose_is_never_bent_and_the_gate_shows_the_way_out():
    machine = box(free=2 * GB)
    resolved = plan.resolve(PROJECT, DATASET, machine, CHOSEN)
    assert {name: resolved[name] for name in CHOSEN} == CHOSEN
    assert resolved.gate.result == "fail"
    assert "It would fit with `--set micro_tokens=" in resolved.gate.reasons[0]


def test_following_the_way_out_passes_the_gate():
    failed = plan.resolve(PROJECT, DATASET, box(free=2 * GB), CHOSEN)
    advised = failed.gate.reasons[0].split("`")[1].replace("--set ", "").split()
    settings = {**CHOSEN, **recipe.assignments(advised)}
    mended = plan.resolve(PROJECT, DATASET, box(free=2 * GB), settings)
    assert mended.gate.result != "fail"


def test_a_model_too_large_for_the_box_is_refused_with_a_smaller_one():
    project = replace(PROJECT, base_model="qwen2.5-72b-instruct")
    resolved = plan.resolve(project, DATASET, box(gpu="Tesla T4", free=10 * GB), {})
    assert resolved.gate.result == "fail"
    assert "A smaller base model would fit: " in resolved.gate.reasons[0]


def test_a_limit_that_no_row_reaches_takes_no_memory():
    own = plan.resolve(PROJECT, DATASET, box(), {})
    wide = plan.resolve(PROJECT, DATASET, box(), {"max_length": 8192})
    cut = plan.resolve(PROJECT, DATASET, box(), {"max_length": 64})
    assert wide["max_length"] == 8192
    assert wide["longest"] == own["longest"] == 144
    assert wide.peak_bytes == own.peak_bytes
    assert cut["longest"] == 64
    assert cut.peak_bytes < own.peak_bytes


def test_a_long_model_input_that_is_cut_warns():
    resolved = plan.resolve(PROJECT, {**DATASET, "tokens_longest": 5000}, BOXES["80 GB"], {})
    assert resolved["max_length"] == 4096
    assert resolved.gate.result == "warn"
    assert "--set max_length=5000" in resolved.gate.reasons[0]


def test_a_full_disk_fails_the_gate():
    resolved = plan.resolve(PROJECT, DATASET, BOXES["cpu"], {}, disk_free=1000)
    assert resolved.gate.result == "fail"
    assert "disk" in resolved.gate.reasons[0]


def test_a_gpu_without_bf16_gets_fp32():
    resolved = plan.resolve(PROJECT, DATASET, box(gpu="Tesla T4", free=15 * GB), {})
    assert resolved["precision"] == "fp32"


def test_a_saved_plan_comes_back_the_same(store):
    project_id = store.scalar("SELECT id FROM projects")
    proposed = plan.resolve(PROJECT, DATASET, box(free=2 * GB), CHOSEN)
    saved = plan.save(store, project_id, proposed)
    assert saved.id is not None
    assert plan.load(store, saved.id) == saved
    assert plan.latest(store, project_id) == saved
    assert (
        store.scalar("SELECT result FROM gates WHERE subject = ?", (f"plan {saved.id}",)) == "fail"
    )


def test_there_is_no_latest_plan_before_the_first(store):
    assert plan.latest(store, 1) is None
    with pytest.raises(UsageError, match="no plan 7"):
        plan.load(store, 7)


def test_a_proposal_uses_the_speed_of_the_boxs_own_runs(store):
    project_id = store.scalar("SELECT id FROM projects")
    first = plan.save(store, project_id, plan.propose(store, PROJECT, "d1"))
    assert first.values["tokens_per_second"].why.startswith("Nothing measured yet")
    store.insert(
        "runs",
        {
            "name": "desk-1",
            "project_id": project_id,
            "dataset_id": "d1",
            "plan_id": first.id,
            "model": first.model,
            "method": first.method,
            "path": "runs/1",
            "seconds": 100.0,
            "tokens": 50_000,
            "created": 1.0,
        },
    )
    second = plan.propose(store, PROJECT, "d1")
    assert second["tokens_per_second"] == 500
    assert second.values["tokens_per_second"].why.startswith("Measured on this box")
    assert cost.recorded(store, model="other", method=first.method, device="cpu") is None


def test_a_dataset_that_the_recipe_cannot_learn_from_is_refused(store):
    store.execute("UPDATE datasets SET form = 'preference' WHERE id = 'd1'")
    with pytest.raises(UsageError, match="d1 holds pairs") as told:
        plan.propose(store, PROJECT, "d1")
    assert "--recipe dpo-lora" in told.value.fix
    assert plan.propose(store, replace(PROJECT, recipe="dpo-lora"), "d1").method == "dpo-lora"


def test_a_proposal_for_an_unknown_dataset_is_a_message(store):
    with pytest.raises(UsageError, match="no dataset nothing"):
        plan.propose(store, PROJECT, "nothing")


def test_resolving_is_fast():
    plan.resolve(PROJECT, DATASET, BOXES["cpu"], {})
    started = time.perf_counter()
    plan.resolve(PROJECT, DATASET, BOXES["24 GB"], {})
    assert time.perf_counter() - started < 0.3


def test_planning_loads_no_heavy_library():
    code = (
        "import sys; import engine.plan.advice, engine.plan.document, engine.plan.plan; "
        "print([m for m in ('torch', 'numpy', 'transformers', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.strip() == "[]"
