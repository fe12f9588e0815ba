"""The catalogue of base models: found by any name, counted as transformers counts."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.base import catalogue
from engine.base.errors import TunesmithError
from engine.plan import models

_SPEC = importlib.util.spec_from_file_location(
    "transformers_counts", Path(__file__).with_name("transformers_counts.py")
)
counts = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(counts)

NAMES = [entry.name for entry in catalogue.entries()]
SLIGHT = 0.001  # the largest difference to transformers' own model


def config(name):
    return dict(catalogue.find(name).content()["config"])


def smallest_of_each_architecture():
    found = {}
    for name in NAMES:
        found.setdefault(config(name).get("model_type"), name)
    return list(found.values())


def test_there_are_models_for_every_box():
    assert len(NAMES) >= 40
    sizes = [model.dimensions.parameters for model in models.catalogue().values()]
    assert min(sizes) < 0.2e9
    assert max(sizes) > 70e9


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_says_what_a_user_must_know(name):
    model = models.find(name)
    published = model.published
    # a rounded count is published of some; those that are exact hold at least seven digits
    rounded = published % 10**6 == 0
    counted = model.dimensions.parameters
    assert abs(counted - published) / published <= (0.06 if rounded else SLIGHT)
    assert model.about
    assert model.licence_means
    assert model.licence_url.startswith("https://")
    assert model.commercial in ("yes", "conditions", "no")
    assert model.hub.count("/") == 1
    assert model.dimensions.exact
    assert 0 < model.dimensions.active_parameters <= counted
    assert model.dimensions.linear_parameters + model.dimensions.embedding_parameters <= counted


def same(name):
    found, model = counts.parameters(config(name)), models.find(name)
    return abs(model.dimensions.parameters - found) / found <= SLIGHT


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_count_is_that_of_transformers(name):
    assert same(name)


def test_the_counts_are_those_of_transformers_for_a_model_of_each_size():
    for name in ("smollm2-135m-instruct", "gemma-3-1b-it", "qwen3-8b", "llama-3.3-70b-instruct"):
        assert same(name), name


@pytest.mark.slow
@pytest.mark.parametrize("name", smallest_of_each_architecture())
def test_adapters_and_four_bits_count_as_the_libraries_do(name):
    assert counts.counted(models.find(name).dimensions) == counts.real(config(name))


def test_a_hub_id_of_the_catalogue_needs_no_network():
    assert models.find("Qwen/Qwen2.5-7B-Instruct").licence == "Apache-2.0"


def test_the_catalogue_is_ordered_by_size():
    sizes = [model.published for model in models.catalogue().values()]
    assert sizes == sorted(sizes)


def test_licences_that_forbid_or_limit_products_say_so():
    assert models.find("qwen2.5-3b-instruct").commercial == "no"
    llama = models.find("llama-3.1-8b-instruct")
    assert (llama.commercial, llama.gated) == ("conditions", True)
    assert models.find("smollm2-135m-instruct").commercial == "yes"


def test_a_folder_with_a_config_is_a_model(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config("qwen2.5-0.5b-instruct")))
    assert models.find(str(tmp_path)).dimensions.parameters == 494_032_768
    assert models.find(str(tmp_path / "config.json")).dimensions.exact


def test_an_unknown_model_names_the_nearest_without_asking_the_hub():
    with pytest.raises(TunesmithError, match="did you mean smollm2-135m-instruct"):
        models.find("smolm2-135m-instruct")


@pytest.mark.parametrize("text", ["{}", "[1]", "no json", '{"hidden_size": "wide"}'])
def test_an_unusable_config_is_a_message_not_a_traceback(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(TunesmithError, match=r"config\.json"):
        models.find(str(tmp_path))


def test_one_model_is_found_without_reading_the_whole_catalogue():
    code = (
        "import time; from engine.plan import models; began = time.perf_counter(); "
        "models.find('qwen3-8b'); print(time.perf_counter() - began)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.2
