"""Small model folders with real tokenizers, sound until a test breaks one thing."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import TunesmithError
from engine.plan.compatibility import Clash, RowFacts, Subject, check
from engine.plan.models import dimensions

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unk>", "<pad>")
TEXTS = [
    "Where is my order? It should be here by now. Yes, it is.",
    "system user assistant tool im start end of turn model",
    "The order 12 is late; please cancel it, thank you.",
]
ROWS = 512
CONFIG: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": ROWS,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}
SETTINGS = {
    "lora_rank": 16,
    "lora_targets": "all-linear",
    "quantization": "none",
    "rslora": False,
    "precision": "bf16",
    "max_length": 512,
}


@dataclass
class Folder:
    """A model folder under test."""

    path: Path

    def json(self, name: str, **changed: Any) -> None:
        """Change keys of a JSON file; None removes one."""
        file = self.path / name
        content = json.loads(file.read_text()) if file.is_file() else {}
        content |= changed
        file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))

    def id(self, token: str) -> int:
        """Return a token's id."""
        from tokenizers import Tokenizer

        found: int = Tokenizer.from_file(str(self.path / "tokenizer.json")).token_to_id(token)
        return found

    def tokenizer(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the tokenizer's file."""
        file = self.path / "tokenizer.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    def template(self, text: str) -> None:
        """Write another chat template."""
        self.json("tokenizer_config.json", chat_template=text)

    def weights(self, rows: int = ROWS) -> None:
        """Write a safetensors file, as long as its header says."""
        shapes = {
            "model.embed_tokens.weight": (rows, 8),
            "model.layers.0.self_attn.q_proj.weight": (8, 8),
            "model.layers.0.mlp.up_proj.weight": (16, 8),
            "model.norm.weight": (8,),
        }
        write_safetensors(self.path / "model.safetensors", shapes)

    def subject(self, **changed: Any) -> Subject:
        """Return what is checked: this folder, tuned by SFT with LoRA for llama.cpp."""
        config = json.loads((self.path / "config.json").read_text())
        try:
            shape = dimensions(config, "test")
        except TunesmithError:
            shape = None
        whole = Subject(
            name=str(self.path),
            config=config,
            dimensions=shape,
            folder=self.path,
            settings=SETTINGS,
            target="llama.cpp",
            exports=("F16", "Q8_0", "Q4_K_M"),
            bf16=True,
        )
        return replace(whole, **changed)

    def found(self, **changed: Any) -> tuple[Clash, ...]:
        """Check it."""
        return check(self.subject(**changed))


def write_safetensors(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Write float16 zeros of some shapes in the safetensors format."""
    header, start = {}, 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, start + size]}
        start += size
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(start))


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch, request):
    if "model_dir" not in request.fixturenames:
        monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path) -> Folder:
    """A sound model folder."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Folder(tmp_path / "model")
    made.path.mkdir()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, normalized=False, special=True) for token in SPECIAL]
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.save(str(made.path / "tokenizer.json"))
    end = tokenizer.token_to_id("<|im_end|>")
    made.json("config.json", **CONFIG, eos_token_id=end)
    made.json("generation_config.json", eos_token_id=end)
    made.json(
        "tokenizer_config.json",
        eos_token="<|im_end|>",
        pad_token="<pad>",
        unk_token="<unk>",
        chat_template=CHATML,
    )
    return made


@pytest.fixture
def chats() -> RowFacts:
    """Conversations of several turns with system texts."""
    shapes = (("user", "assistant"), ("user", "assistant", "user", "assistant"))
    return RowFacts(shapes=shapes, system=True, turns=True, longest=400)
