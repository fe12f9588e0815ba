from __future__ import annotations

import pytest
import yaml

from engine.base import paths
from engine.base.errors import UsageError
from engine.plan import recipe
from engine.plan.recipe import SETTINGS, Situation

CPU = Situation(rows=560, parameters=134_515_008, device="cpu", bf16=True)
GPU = Situation(rows=2000, parameters=7_000_000_000, device="gpu", bf16=True)


@pytest.mark.parametrize("name", recipe.names())
def test_every_shipped_recipe_states_every_setting_with_reason_and_source(name):
    loaded = recipe.load(name)
    assert list(loaded.settings) == list(SETTINGS)
    for knob in loaded.settings.values():
        assert knob.what.endswith(".")
        assert knob.source
        assert all(choice.why.endswith(".") for choice in (knob, *knob.cases))


def test_a_small_model_on_a_cpu_gets_one_epoch_and_a_high_rate():
    values = recipe.resolve(recipe.load("sft-lora"), CPU)
    assert values["epochs"].value == 1
    assert "CPU" in values["epochs"].why
    assert values["learning_rate"].value == 1e-3
    assert values["micro_batch"].value == 8
    assert values["lora_dropout"].value == 0


@pytest.mark.parametrize(
    ("rows", "rank", "epochs"), [(300, 16, 4), (2000, 16, 3), (20_000, 32, 2), (200_000, 64, 1)]
)
def test_rank_and_epochs_follow_the_rows(rows, rank, epochs):
    values = recipe.resolve(
        recipe.load("sft-lora"), Situation(rows, 7_000_000_000, "gpu", bf16=True)
    )
    assert (values["lora_rank"].value, values["epochs"].value) == (rank, epochs)


def test_a_device_without_bf16_gets_fp32():
    without = Situation(2000, 1_000_000_000, "gpu", bf16=False)
    loaded = recipe.load("sft-lora")
    assert recipe.resolve(loaded, without)["precision"].value == "fp32"
    assert recipe.resolve(loaded, GPU)["precision"].value == "bf16"


def test_an_unknown_override_names_the_nearest_setting():
    with pytest.raises(UsageError, match="did you mean lora_rank"):
        recipe.assignments(["lora_rnk=8"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs=many", "epochs must be a number"),
        ("lora_rank=1.5", "lora_rank must be a whole number"),
        ("lora_rank=0", "lora_rank must lie between 1 and"),
        ("scheduler=zigzag", "scheduler must be one of cosine"),
        ("group_by_length=maybe", "group_by_length must be true or false"),
        ("learning_rate=nan", "learning_rate must lie between"),
        ("epochs", "has no value"),
    ],
)
def test_a_wrong_override_says_what_is_allowed(text, message):
    with pytest.raises(UsageError, match=message):
        recipe.assignments([text])


def test_overrides_take_the_settings_type():
    given = recipe.assignments(["epochs=2", "learning_rate=2e-4", "group_by_length=off"])
    assert given == {"epochs": 2.0, "learning_rate": 2e-4, "group_by_length": False}
    assert type(given["epochs"]) is float


def test_every_fault_of_the_overrides_is_told_at_once():
    with pytest.raises(UsageError) as caught:
        recipe.assignments(["lora_rnk=8", "epochs=x"])
    assert "lora_rnk" in caught.value.what
    assert "epochs" in caught.value.what


def _changed(tmp_path, change):
    content = yaml.safe_load((paths.recipes() / "sft-lora.yaml").read_text())
    change(content)
    path = tmp_path / "sft-lora.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(metod="x"), "unknown key metod.*did you mean method"),
        (lambda c: c["settings"].update(epoch={}), "unknown setting epoch.*did you mean epochs"),
        (lambda c: c["settings"].pop("clip"), "clip is missing"),
        (lambda c: c["settings"]["clip"].update(value="high"), "clip must be a number"),
        (lambda c: c["settings"]["clip"].pop("why"), "why is missing"),
        (
            lambda c: c["settings"]["epochs"]["cases"][0]["when"].update(row_below=1),
            "unknown key .*row_below.*did you mean rows_below",
        ),
        (lambda c: c.update(settings=None), "settings must be"),
    ],
)
def test_a_faulty_recipe_is_refused_with_the_nearest_name(tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        recipe.read(_changed(tmp_path, change))


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean sft-lora"):
        recipe.load("sft-lra")
