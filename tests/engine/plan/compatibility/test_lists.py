"""`recipes/architectures.yaml` against what is installed: Transformers, llama.cpp, PEFT, bitsandbytes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from engine.base import paths
from engine.plan.compatibility.lists import lists


def tables() -> dict[str, dict[str, str]]:
    """Read Transformers' tables as text; importing them would load torch."""
    spec = find_spec("transformers")
    assert spec is not None
    assert spec.origin is not None
    found = {}
    for name in ("modeling_auto.py", "auto_mappings.py"):
        file = Path(spec.origin).parent / "models" / "auto" / name
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                try:
                    value = ast.literal_eval(node.value.args[0])  # type: ignore[attr-defined]
                except (AttributeError, IndexError, ValueError):
                    continue
                found[node.targets[0].id] = dict(value)
    return found


def test_transformers_loads_what_we_say():
    found = tables()
    causal = {
        kind: name if isinstance(name, str) else name[0]
        for kind, name in found["MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"].items()
    }
    assert lists().causal == causal
    assert lists().known == {*found["CONFIG_MAPPING_NAMES"], "gpt-sw3"}
    assert lists().encoders == set(found["MODEL_FOR_MASKED_LM_MAPPING_NAMES"])
    assert lists().encoder_decoders == {
        *found["MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"],
        *found["MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES"],
    }
    assert lists().versions["transformers"] == version("transformers")


def test_llama_cpp_converts_what_we_say(model_dir):
    del model_dir  # the cache is then the user's own, where the converter is kept
    folder = paths.cache() / f"llama.cpp-{version('llama-cpp-python')}"
    registry = folder / "conversion" / "__init__.py"
    if not registry.is_file():
        pytest.skip("the converter has not been fetched on this box")
    assigned = {
        node.target.id: node.value
        for node in ast.parse(registry.read_text(encoding="utf-8")).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert lists().gguf == set(ast.literal_eval(assigned["TEXT_MODEL_MAP"]))
    assert lists().versions["llama_cpp"] == version("llama-cpp-python")
    # each name is really registered by a class of the module that the table names
    told = {
        constant.value
        for module in (folder / "conversion").glob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "register"
        for constant in node.args
        if isinstance(constant, ast.Constant)
    }
    assert lists().gguf <= told


def test_what_is_said_of_an_architecture_is_said_of_one_that_exists():
    known = lists()
    assert known.stacked | known.own_linear <= set(known.causal)
    assert known.vllm <= set(known.causal.values())
    assert list(known.vllm_ranks) == sorted(known.vllm_ranks)
    assert known.vllm_default_rank in known.vllm_ranks


@pytest.mark.slow
def test_what_nf4_leaves_is_counted_on_the_real_models():
    done = subprocess.run(
        [sys.executable, "-P", "-c", COUNT], capture_output=True, text=True, check=True, timeout=600
    )
    counted = json.loads(done.stdout.splitlines()[-1])
    stacked, own = set(), set()
    for kind, sizes in counted.items():
        whole = max(1, sum(sizes.values()))
        if sizes["stacked"] / whole > 0.5:
            stacked.add(kind)
        if sizes["own"] / whole > 0.5:
            own.add(kind)
    assert lists().stacked == stacked
    assert lists().own_linear == own


@pytest.mark.slow
def test_peft_refuses_the_mamba_models_and_takes_what_we_name_instead():
    command = [sys.executable, "-P", "-c", ADAPT, json.dumps(dict(lists().mamba_targets))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    assert json.loads(done.stdout.splitlines()[-1]) == dict.fromkeys(  # noqa: RUF024 - read only
        lists().mamba_targets, [False, True]
    )


ADAPT = """
import json, sys, torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

def takes(kind, targets):
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind))
        config = LoraConfig(r=2, target_modules=targets, task_type="CAUSAL_LM")
        try:
            adapted = get_peft_model(model, config)
        except ValueError as error:
            if "incompatible with Mamba" not in str(error): raise
            return False
    reached = {name.rpartition(".")[2] for name in adapted.targeted_module_names}
    return isinstance(targets, str) or reached == set(targets)

named = json.loads(sys.argv[1])
print(json.dumps({k: [takes(k, "all-linear"), takes(k, v.split(","))] for k, v in named.items()}))
"""

COUNT = """
import json, torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as KINDS
from transformers.pytorch_utils import Conv1D

def place(module, weight):
    if type(module) is torch.nn.Linear: return "linear" if weight.ndim == 2 else "other"
    if isinstance(module, Conv1D): return "conv1d"
    if isinstance(module, torch.nn.Linear): return "own"
    return "stacked" if weight.ndim == 3 and weight.shape[0] > 1 and min(weight.shape[1:]) > 16 else "other"

found = {}
for kind in KINDS:
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind))
    except Exception:
        continue  # its defaults make no model
    tables = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    sizes, seen = dict.fromkeys(("linear", "conv1d", "stacked", "own", "other"), 0), set()
    for module in model.modules():
        if id(module) in tables or isinstance(module, torch.nn.Embedding): continue
        for weight in module.parameters(recurse=False):
            if id(weight) not in seen:
                seen.add(id(weight))
                sizes[place(module, weight)] += weight.numel()
    found[kind] = sizes
print(json.dumps(found))
"""
