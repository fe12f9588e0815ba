"""The shipped recipes over a grid of situations, and what is said of faulty ones."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import yaml

from engine.base import paths
from engine.base.errors import UsageError
from engine.plan import recipe, setting
from engine.plan.recipe import SETTINGS, Situation, When

GB = 1_000_000_000
CPU = Situation(rows=560, parameters=134_515_008, device="cpu", bf16=True, memory=20 * GB)
GPU = Situation(rows=2000, parameters=7 * GB, device="gpu", bf16=True, memory=80 * GB)
DEVICES = [
    ("cpu", bf16, memory * GB) for bf16, memory in itertools.product((True, False), (4, 16, 256))
] + [
    ("gpu", bf16, memory * GB) for bf16, memory in itertools.product((True, False), (8, 12, 24, 80))
]
ROWS = (100, 400, 600, 2000, 8000, 30_000, 200_000)
BILLIONS = (0.1, 0.36, 1.5, 3, 7, 14, 32, 72)
GRID = [
    Situation(
        rows,
        round(size * GB),
        device,
        bf16=bf16,
        memory=memory,
        flash_attention=device == "gpu" and bf16 and memory > 20 * GB,
    )
    for (device, bf16, memory), rows, size in itertools.product(DEVICES, ROWS, BILLIONS)
]
LORA = {
    "quantization", "lora_rank", "lora_alpha", "rslora", "lora_dropout", "lora_targets",
}  # fmt: skip


def test_every_method_has_its_recipe_and_the_default_comes_first():
    assert recipe.names() == [
        "sft-lora", "sft-full", "sft-qlora", "sft-rslora", "dpo-lora", "kto-lora", "orpo-lora",
        "cpt-full", "cpt-lora",
    ]  # fmt: skip


@pytest.mark.parametrize("name", recipe.names())
def test_every_shipped_recipe_states_every_setting_with_reason_and_source(name):
    loaded = recipe.load(name)
    assert list(loaded.settings) == setting.of(loaded.trainer, loaded.tuning)
    assert loaded.title
    assert loaded.purpose.endswith(".")
    for knob in loaded.settings.values():
        assert knob.what.endswith(".")
        assert knob.source
        assert all(choice.why.endswith(".") for choice in (knob, *knob.cases))
        assert all(case.source for case in knob.cases)
        assert all(case.when.words() for case in knob.cases)


@pytest.mark.parametrize("name", recipe.names())
def test_every_recipe_resolves_in_every_situation(name):
    loaded = recipe.load(name)
    used: dict[str, set[object]] = {}
    for situation in GRID:
        values = recipe.resolve(loaded, situation)
        for key, value in values.items():
            assert not setting.faults(key, value.value), (situation, key)
            assert value.why.endswith(").")
            used.setdefault(key, set()).add(value.value)
        assert situation.bf16 or values["precision"].value == "fp32"
        assert values["optimizer"].value != "paged_adamw_8bit" or situation.device == "gpu"
        effective = values["micro_batch"].value * values["accumulation"].value
        assert 8 <= effective <= 32
        if loaded.trainer == "kto":
            assert values["micro_batch"].value > 1
    for key, knob in loaded.settings.items():  # no case is out of reach
        assert used[key] == {setting.typed(key, choice.value) for choice in (knob, *knob.cases)}


@pytest.mark.parametrize("name", recipe.names())
def test_values_move_one_way_with_the_rows_the_size_and_the_memory(name):
    loaded = recipe.load(name)

    def series(key, **changing):
        (field, steps), *_ = changing.items()
        alone = replace(loaded, settings={key: loaded.settings[key]})
        return lambda start: [
            recipe.resolve(alone, replace(start, **{field: step}))[key].value for step in steps
        ]

    sizes = [round(size * GB) for size in BILLIONS]
    memories = [memory * GB for memory in (4, 8, 12, 24, 48, 80, 192)]
    for start in GRID:
        epochs = series("epochs", rows=ROWS)(start)
        assert epochs == sorted(epochs, reverse=True)
        rates = series("learning_rate", parameters=sizes)(start)
        assert rates == sorted(rates, reverse=True)
        lengths = series("max_length", memory=memories)(start)
        assert lengths == sorted(lengths)
        if loaded.tuning == "lora":
            ranks = series("lora_rank", rows=ROWS)(start)
            assert ranks == sorted(ranks)
            exact = [v == "none" for v in series("quantization", memory=memories)(start)]
            assert exact == sorted(exact)


def test_a_full_tuning_has_no_adapter_and_supervised_tuning_no_preferences():
    full, dpo, kto = (set(recipe.load(n).settings) for n in ("sft-full", "dpo-lora", "kto-lora"))
    assert not full & LORA
    assert dpo >= LORA
    assert not {"beta", "desirable_weight", "precompute_reference"} & full
    assert {"beta", "precompute_reference"} <= dpo
    assert {"beta", "desirable_weight", "undesirable_weight"} <= kto
    assert "desirable_weight" not in dpo


def test_a_small_model_on_a_cpu_gets_one_epoch_and_a_high_rate():
    values = recipe.resolve(recipe.load("sft-lora"), CPU)
    assert values["epochs"].value == 1
    assert "CPU" in values["epochs"].why
    assert values["learning_rate"].value == 1e-3
    assert values["micro_batch"].value == 8
    assert values["lora_dropout"].value == 0
    assert values["quantization"].value == "none"


@pytest.mark.parametrize(
    ("billions", "rows", "rank", "rate", "epochs"),
    [
        (1.5, 300, 16, 2e-4, 4),
        (3, 2000, 16, 2e-4, 3),
        (7, 300, 16, 2e-4, 3),
        (7, 2000, 16, 2e-4, 3),
        (7, 20_000, 32, 2e-4, 2),
        (7, 200_000, 64, 2e-4, 1),
        (32, 300, 16, 1e-4, 3),
        (32, 2000, 16, 1e-4, 2),
        (72, 2000, 16, 1e-4, 2),
        (72, 20_000, 16, 1e-4, 1),
        (72, 200_000, 32, 1e-4, 1),
    ],
)
def test_the_facts_grid_of_size_and_rows(billions, rows, rank, rate, epochs):
    situation = replace(GPU, rows=rows, parameters=billions * GB)
    values = recipe.resolve(recipe.load("sft-lora"), situation)
    found = [values[name].value for name in ("lora_rank", "learning_rate", "epochs")]
    assert found == [rank, rate, epochs]


@pytest.mark.parametrize(
    ("billions", "memory", "expected"),
    [(14, 24, "nf4"), (8, 80, "none"), (4, 8, "nf4"), (1.5, 8, "none"), (34, 80, "nf4")],
)
def test_a_model_too_large_for_the_card_is_quantised(billions, memory, expected):
    situation = replace(GPU, parameters=round(billions * GB), memory=memory * GB)
    assert recipe.resolve(recipe.load("sft-lora"), situation)["quantization"].value == expected


def test_a_device_without_bf16_gets_fp32():
    without = replace(GPU, bf16=False)
    loaded = recipe.load("sft-lora")
    assert recipe.resolve(loaded, without)["precision"].value == "fp32"
    assert recipe.resolve(loaded, GPU)["precision"].value == "bf16"


@pytest.mark.parametrize(
    ("when", "inside", "outside"),
    [
        (When(memory_from=10), {"memory": 10 * GB}, {"memory": 9.9 * GB}),
        (When(memory_below=10), {"memory": 9.9 * GB}, {"memory": 10 * GB}),
        (When(gb_per_billion_from=2), {"memory": 14 * GB}, {"memory": 13 * GB}),
        (When(gb_per_billion_below=2), {"memory": 13 * GB}, {"memory": 14 * GB}),
        (When(rows_from=10), {"rows": 10}, {"rows": 9}),
        (When(billions_below=8), {"parameters": 7 * GB}, {"parameters": 8 * GB}),
        (When(device="cpu"), {"device": "cpu"}, {"device": "gpu"}),
        (When(lacks="bf16"), {"bf16": False}, {"bf16": True}),
        (When(), {"memory": math.inf}, None),
    ],
)
def test_a_condition_holds_up_to_its_bounds(when, inside, outside):
    assert when.holds(replace(GPU, **inside))
    if outside:
        assert not when.holds(replace(GPU, **outside))


@pytest.mark.parametrize(
    ("form", "first", "others"),
    [
        ("answer", "sft-lora", {"sft-qlora", "sft-full", "sft-rslora"}),
        ("preference", "dpo-lora", {"orpo-lora"}),
        ("feedback", "kto-lora", set()),
        ("text", "cpt-lora", {"cpt-full"}),
    ],
)
def test_each_form_of_rows_has_its_recipes(form, first, others):
    found = recipe.for_form(form)
    assert found[0] == first
    assert set(found[1:]) == others
    for name in found:
        recipe.require_form(recipe.load(name), form, "d1")


def test_a_recipe_that_cannot_learn_from_the_rows_is_refused_with_those_that_can():
    with pytest.raises(UsageError, match="d1 holds pairs of a better and a worse answer") as told:
        recipe.require_form(recipe.load("sft-lora"), "preference", "d1")
    assert "`--recipe dpo-lora`, `--recipe orpo-lora`" in told.value.fix


def test_an_unknown_override_names_the_nearest_setting():
    with pytest.raises(UsageError, match="did you mean lora_rank"):
        recipe.assignments(["lora_rnk=8"])


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("sft-full", "lora_rank", "full tuning trains the model itself and has no adapter"),
        ("sft-full", "quantization", "has no adapter"),
        ("sft-lora", "beta", "it learns no preferences"),
        ("dpo-lora", "desirable_weight", "only KTO"),
        ("kto-lora", "precompute_reference", "only DPO"),
        ("cpt-lora", "group_by_length", "blocks of one length"),
        ("sft-lora", "train_embeddings", "raw text"),
    ],
)
def test_a_setting_that_does_not_apply_is_refused_and_says_why(name, key, why):
    given = {key: "1" if SETTINGS[key].kind in (int, float) else "true"}
    with pytest.raises(UsageError, match=f"{key} does not apply to .*{why}"):
        recipe.overrides(given, "--set", recipe.load(name))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs=many", "epochs must be a number"),
        ("lora_rank=1.5", "lora_rank must be a whole number"),
        ("lora_rank=0", "lora_rank must lie between 1 and"),
        ("scheduler=zigzag", "scheduler must be one of cosine"),
        ("quantization=int3", "quantization must be one of none, nf4"),
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
        recipe.overrides(
            {"lora_rnk": 8, "epochs": "x", "beta": 0.1}, "--set", recipe.load("sft-lora")
        )
    assert "lora_rnk" in caught.value.what
    assert "epochs" in caught.value.what
    assert "beta" in caught.value.what


def _changed(tmp_path, change):
    content = yaml.safe_load((paths.recipes() / "sft-rslora.yaml").read_text())
    change(content)
    path = tmp_path / "sft-rslora.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_recipe_of_ones_own_keeps_what_it_does_not_say(tmp_path):
    own = recipe.read(
        _changed(
            tmp_path,
            lambda c: c["settings"].update(clip={"value": 0.3, "why": "So.", "source": "me"}),
        )
    )
    values = recipe.resolve(own, GPU)
    assert values["clip"] == recipe.Value(0.3, "So (me).")
    assert own.settings["clip"].what == recipe.load("sft-lora").settings["clip"].what
    assert own.settings["epochs"] == recipe.load("sft-lora").settings["epochs"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(trainr="x"), "unknown key trainr.*did you mean trainer"),
        (lambda c: c.update(trainer="sfd"), "trainer must be one of sft"),
        (lambda c: c["settings"].update(epoch={}), "unknown setting epoch.*did you mean epochs"),
        (lambda c: c["settings"].update(beta={}), "beta does not apply"),
        (lambda c: c["settings"]["lora_rank"].update(value="high"), "must be a whole number"),
        (lambda c: c["settings"]["lora_rank"].pop("why"), "why is missing"),
        (
            lambda c: c["settings"]["lora_rank"]["cases"][0]["when"].update(row_below=1),
            "unknown key .*row_below.*did you mean rows_below",
        ),
        (lambda c: c["settings"].update(clip=3), "must hold keys"),
        (lambda c: c.update(settings=None), "settings must be"),
    ],
)
def test_a_faulty_recipe_is_refused_with_the_nearest_name(tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        recipe.read(_changed(tmp_path, change))


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean sft-lora"):
        recipe.load("sft-lra")
