"""The cheap look at a template sees what the real tokenizer's does; rows are read rightly."""

from __future__ import annotations

import json
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.chat import model_files
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Turn, make, to_json
from engine.plan.compatibility import RowFacts, Subject, check, tokens
from engine.plan.compatibility.marks import Marks

from .conftest import SETTINGS
from .test_faults import (
    ALTERNATE,
    CHATML,
    DROPS_THOUGHT,
    DROPS_TOOL,
    NO_SYSTEM,
    STRIPS_OPENING,
    _other_stop,
)

ROWS = (
    make("Where is it?", "Here."),
    make("And now?", "There.", history=(Turn("user", "Where?"), Turn("assistant", "Here."))),
    make("x", "<think>\nwell\n</think>\n\ny", history=(Turn("user", "a"), Turn("assistant", "b"))),
)


def _cheap(folder) -> ChatTemplate:
    config = model_files.read(folder / "tokenizer_config.json")
    known = tokens.read(folder)
    special = model_files.special_tokens(folder, config)
    stops = model_files.stops(folder, Marks(known, {}), special)
    named = {text: number for number, text in known.texts(stops).items()}
    source = model_files.source(folder, config)
    return ChatTemplate(Marks(known, named), source, special, stops)


def _same(folder) -> None:
    cheap, real = _cheap(folder), ChatTemplate.load(folder)
    assert (cheap.folds, cheap.eos_id, cheap.marks_end) == (
        real.folds,
        real.eos_id,
        real.marks_end,
    )
    assert cheap.stops == real.stops
    for row in ROWS:
        assert cheap.texts("Be brief.", row) == real.texts("Be brief.", row)
        one, other = cheap.example("", row), real.example("", row)
        assert (one.last_only, one.bare, len(one.spans)) == (
            other.last_only,
            other.bare,
            len(other.spans),
        )


def test_it_sees_of_the_embedded_model_what_the_real_one_does(model_dir):
    _same(model_dir)


@pytest.mark.parametrize(
    "source", [CHATML, NO_SYSTEM, ALTERNATE, DROPS_TOOL, DROPS_THOUGHT, STRIPS_OPENING]
)
@pytest.mark.parametrize("other_stop", [False, True])
def test_it_sees_of_many_templates_what_the_real_one_does(folder, source, other_stop):
    folder.template(source)
    if other_stop:
        _other_stop(folder)
    _same(folder.path)


def test_rows_are_read_as_they_are(tmp_path):
    rows = [
        make('say "system": " and ["tool", "', "no", system=""),
        make("q", "a", history=(Turn("user", "u"), Turn("assistant", "b"))),
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(map(to_json, rows)) + "\n")
    dataset = {"form": "answer", "tokens_longest": 77}
    plain = RowFacts.of_dataset(dataset, tmp_path)
    assert (plain.system, plain.tools, plain.turns, plain.longest) == (False, False, True, 77)
    assert plain.shapes == (("user", "assistant"), ("user", "assistant", "user", "assistant"))

    tool = make(
        "",
        "done",
        system="You call tools.",
        history=(Turn("user", "u"), Turn("assistant", "c"), Turn("tool", "r")),
    )
    (tmp_path / "train.jsonl").write_text("\n".join(map(to_json, [*rows, tool])) + "\n")
    more = RowFacts.of_dataset(dataset, tmp_path)
    assert (more.system, more.tools, more.turns) == (True, True, True)
    assert ("user", "assistant", "tool", "assistant") in more.shapes
    assert RowFacts.of_dataset(dataset, None) == RowFacts(longest=77)


def test_a_large_file_is_looked_at_all_over(tmp_path):
    plain = to_json(make("x" * 900, "y")) + "\n"
    tool = make("", "d", history=(Turn("user", "u"), Turn("tool", "r")))
    usual = [plain] * 15_000
    for place in (0, 4000, 9000, 13_600):
        rows = [*usual[:place], *[to_json(tool) + "\n"] * 1500, *usual[place:]]
        (tmp_path / "train.jsonl").write_text("".join(rows))
        found = RowFacts.of_dataset({"form": "answer", "tokens_longest": 1}, tmp_path)
        assert found.tools
        assert ("user", "assistant") in found.shapes
    (tmp_path / "train.jsonl").write_text("".join(usual))
    start = time.perf_counter()
    found = RowFacts.of_dataset({"form": "answer", "tokens_longest": 1}, tmp_path)
    assert time.perf_counter() - start < 0.5
    assert not found.tools


JSON = st.none() | st.booleans() | st.integers(-5, 10**9) | st.text(max_size=6)
ANY = st.recursive(
    JSON,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)
KEYS = {
    "config.json": (
        "architectures",
        "vocab_size",
        "eos_token_id",
        "text_config",
        "quantization_config",
        "auto_map",
        "is_decoder",
        "num_experts",
    ),
    "generation_config.json": ("eos_token_id", "pad_token_id"),
    "tokenizer_config.json": ("chat_template", "eos_token", "pad_token", "added_tokens_decoder"),
    "special_tokens_map.json": ("eos_token", "unk_token"),
}


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=st.dictionaries(
        st.sampled_from([(file, key) for file, keys in KEYS.items() for key in keys]),
        ANY,
        max_size=3,
    )
)
def test_nonsense_in_the_files_is_told_and_never_crashes(folder, values):
    before = {file.name: file.read_text() for file in folder.path.iterdir()}
    try:
        for (file, key), value in values.items():
            folder.json(file, **{key: value})
        for clash in check(_bare(folder)):
            assert "\n" not in clash.reason
            assert clash.reason.isprintable()
    finally:
        for file in folder.path.iterdir():
            file.unlink()
        for name, text in before.items():
            (folder.path / name).write_text(text)


def _bare(folder):
    config = json.loads((folder.path / "config.json").read_text())
    return Subject("x", config, folder=folder.path, settings=SETTINGS, target="llama.cpp")


def test_a_cut_off_or_scrambled_tokenizer_is_told(folder):
    text = (folder.path / "tokenizer.json").read_text()
    chance = random.Random(1)
    for _ in range(20):
        (folder.path / "tokenizer.json").write_text(text[: chance.randrange(len(text) - 2)])
        assert any(clash.fatal for clash in folder.found())
    content = json.loads(text)
    for broken in ({**content, "model": 3}, {**content, "added_tokens": 1}, [1], None):
        (folder.path / "tokenizer.json").write_text(json.dumps(broken))
        assert any(clash.fatal for clash in folder.found())
