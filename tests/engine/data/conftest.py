"""A tiny model folder with a ChatML template, and a project on disk that uses it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.base import project
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store
from engine.base.work import Work

CHATML = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a small test model.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
OBJECTS = [
    "kettle",
    "lamp",
    "chair",
    "table",
    "blender",
    "scarf",
    "backpack",
    "mirror",
    "camera",
    "wallet",
    "guitar",
    "clock",
    "pillow",
    "bottle",
    "keyboard",
    "curtain",
    "helmet",
    "umbrella",
    "teapot",
    "drill",
]
ACTS = {
    "return": "I would like to send back the {0} because the colour is {1}",
    "refund": "when will the money for my {0} arrive, you promised it {1}",
    "missing": "the courier says {1} but there is no {0} at my door",
    "broken": "opened the box today: {0} is cracked and {1}",
    "cancel": "please stop the purchase of that {0}, {1}",
}
ENDINGS = (
    "wrong as can be", "last Tuesday", "delivered to a neighbour", "covered in dust",
    "my sister already bought one", "awful", "before the holidays", "handed over at noon",
)  # fmt: skip


def varied(count: int) -> list[dict[str, str]]:
    """Rows that differ from each other well below the threshold of near-duplicates."""
    rows = []
    for number in range(count):
        act = list(ACTS)[number % len(ACTS)]
        thing = OBJECTS[(number // len(ACTS)) % len(OBJECTS)]
        ending = ENDINGS[(number // 7 + number) % len(ENDINGS)]
        letters = "".join(chr(97 + (number * 7919 + i * i * 31) % 26) for i in range(18))
        text = f"{ACTS[act].format(thing, ending)} {letters[:9]} {letters[9:]}"
        rows.append({"prompt": text, "completion": json.dumps({"intent": act}), "scenario": act})
    return rows


@pytest.fixture(name="varied", scope="session")
def _varied() -> Callable[[int], list[dict[str, str]]]:
    return varied


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"), CHATML)


@pytest.fixture(scope="session")
def model_with(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that makes a tiny model folder with the given template."""

    def make(template: str, **options: object) -> Path:
        return make_model(tmp_path_factory.mktemp("model"), template, **options)

    return make


def make_model(
    folder: Path,
    template: str,
    *,
    eos: str = "<|im_end|>",
    stops: list[str] | None = None,
    context: int = 512,
) -> Path:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<end_of_turn>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": {"content": eos},
        "chat_template": template,
        "model_max_length": 10**30,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": context}))
    ids = [tokenizer.token_to_id(token) for token in (stops or [eos])]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ids}))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.fixture
def make_work(tmp_path: Path, tiny_model: Path) -> Callable[..., Work]:
    """Return a function that makes the Work of a data job on some rows."""

    def make(
        rows: list[dict[str, str]],
        golden: list[dict[str, str]] | None = None,
        *,
        name: str = "project",
        accept: str = "",
        extra_lines: str = "",
        **data: object,
    ) -> Work:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        path = write_rows(folder / "data.jsonl", rows)
        path.write_text(path.read_text() + extra_lines)
        if golden:
            write_rows(folder / "golden.jsonl", golden)
        settings = DataSettings(
            sources=("data.jsonl",), golden="golden.jsonl" if golden else "", **data
        )
        project.save(
            Project(
                name=name,
                objective=Objective(
                    instruction="Say the intent.", prompt="Say the intent.", output="text"
                ),
                data=settings,
                base_model=str(tiny_model),
            ),
            folder,
        )
        store = Store(tmp_path / "workspace")
        args = json.dumps({"project": str(folder), "accept": accept})
        job = store.insert("jobs", {"kind": "data", "args": args, "created": time.time()})
        return Work(store, job)

    return make
