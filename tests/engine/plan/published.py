"""Published peaks of GPU memory: which rows compare like with like, and what we predict for them.

`vram_points.csv` holds the figures with their sources. A row counts when the source names what the
formula needs; the rule is `excluded`, and it looks at no figure of memory. Constants were chosen on
the sources in `FITTED`; all others are held out. Run it to print the tables of docs/memory.md:

    python -m tests.engine.plan.published
"""

from __future__ import annotations

import csv
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.plan import memory, models
from engine.plan.dimensions import Dimensions
from engine.plan.memory import Setup, Stack

POINTS = Path(__file__).parent / "vram_points.csv"
ATTENTION = "q_proj,k_proj,v_proj,o_proj"

# What each source says of its libraries, by the start of `source`, then by its own name for the
# configuration (`cfg=`). One stack per configuration, whatever the model, method or batch.
_TENSORS = Stack(loss="copied", foreach=True, expert_modules=True, masked=False, device=False)
_FMS_2024 = {
    "none": _TENSORS,
    "foak-fast-kernels": replace(_TENSORS, loss="fused"),
    "baseline-peft-bnb": replace(_TENSORS, wide_norms=True),
    "accelerated-peft-bnb": _TENSORS,
    "accelerated-peft-autogptq": _TENSORS,
    "accelerated-peft-bnb-foak": replace(_TENSORS, loss="fused"),
    "accelerated-peft-autogptq-foak": replace(_TENSORS, loss="fused"),
}
# The later run of the same suite: its kernels fuse the feed-forward block as well.
_FMS_LIGER = {
    "foak-fast-kernels": replace(_TENSORS, loss="fused", layer="fused"),
    "accelerated-peft-autogptq-foak": replace(_TENSORS, loss="fused", layer="fused"),
    "foak-fast-kernels-liger": replace(_TENSORS, loss="chunked", layer="fused"),
    "accelerated-peft-autogptq-foak-liger": replace(_TENSORS, loss="chunked", layer="fused"),
}
STACKS = {
    "fms-acceleration refs/a100_80gb.csv": _FMS_2024,
    "fms-acceleration refs/a100_80gb_granite.csv": _FMS_2024,
    "fms-acceleration refs/a100_80gb_liger.csv": _FMS_LIGER,
    # one process without DeepSpeed, torch's AdamW, read off nvidia-smi
    "QwenLM/Qwen README Profiling": {"": Stack(loss="copied", foreach=True, masked=False)},
    # litgpt's own loop and model: logits in pieces, adapters in bf16
    "litgpt tutorials/resource-tables.md": {"": Stack(foreach=True, masked=False, device=False)},
}
FITTED = ("fms-acceleration refs/a100_80gb.csv", "fms-acceleration refs/a100_80gb_liger.csv")
# What a source says of its LoRA in its scripts: rank and adapted maps.
_ADAPTERS = {
    "QwenLM/Qwen README Profiling": (64, "all-linear"),  # finetune.py: c_attn, c_proj, w1, w2
    "litgpt tutorials/resource-tables.md": (8, "q_proj,v_proj"),
}


def _config(
    kind: str, layers: int, hidden: int, ffn: int, heads: int, **more: object
) -> Dimensions:
    config = {
        "model_type": kind,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_attention_heads": heads,
        "tie_word_embeddings": False,
        **more,
    }
    return models.dimensions(config, kind)


# The shapes that the models' config.json files state. Only decoders with a gated feed-forward block
# are here: the formula is counted on those.
SHAPES = {
    "mistral-7b": _config(
        "mistral", 32, 4096, 14336, 32, num_key_value_heads=8, head_dim=128, vocab_size=32000
    ),
    "mixtral-8x7b": _config(
        "mixtral",
        32,
        4096,
        14336,
        32,
        num_key_value_heads=8,
        vocab_size=32000,
        num_local_experts=8,
        num_experts_per_tok=2,
    ),
    "llama-2-7b": _config("llama", 32, 4096, 11008, 32, vocab_size=32000),
    "llama-2-13b": _config("llama", 40, 5120, 13824, 40, vocab_size=32000),
    "llama-2-70b": _config("llama", 80, 8192, 28672, 64, num_key_value_heads=8, vocab_size=32000),
    "llama-3-8b": _config("llama", 32, 4096, 14336, 32, num_key_value_heads=8, vocab_size=128256),
    "llama-3.2-1b": _config(
        "llama",
        16,
        2048,
        8192,
        32,
        num_key_value_heads=8,
        vocab_size=128256,
        tie_word_embeddings=True,
    ),
    "llama-3.2-3b": _config(
        "llama",
        28,
        3072,
        8192,
        24,
        num_key_value_heads=8,
        vocab_size=128256,
        tie_word_embeddings=True,
    ),
    "powerlm-3b": _config("llama", 40, 2304, 9216, 36, vocab_size=49152, tie_word_embeddings=True),
    "tiny-llama": _config("llama", 22, 2048, 5632, 32, num_key_value_heads=4, vocab_size=32000),
    "qwen-1.8b": _config("qwen2", 24, 2048, 5504, 16, vocab_size=151936),
    "qwen-7b": _config("qwen2", 32, 4096, 11008, 32, vocab_size=151936),
    "qwen-72b": _config("qwen2", 80, 8192, 24576, 64, vocab_size=152064),
}
_NAMES = {
    r"mistral-7b": "mistral-7b",
    r"mixtral-8x7b": "mixtral-8x7b",
    r"llama.?2.?7b": "llama-2-7b",
    r"llama.?2.?13b": "llama-2-13b",
    r"llama.?2.?70b": "llama-2-70b",
    r"llama-?3(\.1)?-8b": "llama-3-8b",
    r"llama-3\.2-1b": "llama-3.2-1b",
    r"llama-3\.2-3b": "llama-3.2-3b",
    r"powerlm-3b": "powerlm-3b",
    r"tiny-?llama": "tiny-llama",
    r"^qwen-1\.8b": "qwen-1.8b",
    r"^qwen-7b": "qwen-7b",
    r"^qwen-72b": "qwen-72b",
}


@dataclass(frozen=True)
class Point:
    """One published row.

    Attributes:
        row: As the file has it.
        source: The start of its source that names a stack, or the source's first words.
        reason: Why it does not compare like with like; empty where it does.
    """

    row: dict[str, str]
    source: str
    reason: str

    @property
    def published(self) -> float:
        """The published peak in bytes."""
        return float(self.row["peak_gb"]) * 1e9

    @property
    def predictable(self) -> bool:
        """Whether length, shape and method are known well enough for any prediction at all."""
        known = self.row["peak_gb"] and self.row["seq_len"].isdigit()
        return bool(known and _shape(self.row) and _tuning(self.row["method"]))

    @property
    def shape(self) -> Dimensions:
        """The model's shape."""
        found = _shape(self.row)
        assert found is not None
        return found

    @property
    def setup(self) -> Setup:
        """The training that the row describes."""
        row = self.row
        full = _tuning(row["method"]) == "full"
        rank, targets = _adapter(row, self.source)
        return Setup(
            tuning="full" if full else "lora",
            quantization="none" if re.search(r"bf|float|16bit", row["quant"]) else "nf4",
            rank=0 if full else rank,
            targets=targets,
            micro_batch=int(row["micro_batch"]),
            length=int(row["seq_len"]),
            gradient_checkpointing=row["grad_ckpt"] != "no",
            optimizer="adamw_8bit" if "8bit" in row["optimizer"] else "adamw_torch_fused",
            scored=1.0,
        )

    @property
    def predicted(self) -> int:
        """Our prediction; for a row that is out, with the stack that Tunesmith itself has."""
        stack = _stack(self.row) or memory.OURS
        return memory.estimate(self.shape, "gpu", self.setup, stack).peak_bytes

    @property
    def error(self) -> float:
        """Predicted over published, less one."""
        return self.predicted / self.published - 1


def points() -> Iterator[Point]:
    """Yield every row of the file."""
    with POINTS.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            start = next((name for name in STACKS if row["source"].startswith(name)), "")
            yield Point(row, start or " ".join(row["source"].split()[:2]), excluded(row))


def excluded(row: dict[str, str]) -> str:
    """Return why a row does not compare like with like, or nothing. No figure of memory counts."""
    source = row["source"]
    if not row["peak_gb"]:
        return "no peak is given"
    if re.search(
        r"(^|\D)[2-9]\d* ?GPU|\d+x[AH]\d|card$|tp/fsdp|fsdp|zero3", row["gpu"] + row["method"]
    ):
        return "several GPUs, or a bound instead of a peak"
    if not row["seq_len"].isdigit() or re.search(r"seq is a cap|seq=cap|alpaca", source):
        return "the true length of the rows is not known"
    if re.search(r"rounded GB|GiB/GB", source):
        return "whole gigabytes only"
    if _tuning(row["method"]) is None:
        return "a method that Tunesmith does not offer"
    if _shape(row) is None:
        return "not a decoder with a gated feed-forward block"
    if _deepspeed(row):
        return "DeepSpeed holds the state (the source's scripts)"
    if _stack(row) is None:
        return "its libraries are not named, or are Unsloth's"
    return ""


def _deepspeed(row: dict[str, str]) -> bool:
    """Qwen's full and quantised runs start DeepSpeed (finetune_ds.sh, finetune_qlora_*.sh)."""
    return row["source"].startswith("QwenLM") and row["method"] != "lora"


def _tuning(method: str) -> str | None:
    if method.startswith("full"):
        return "full"
    plain = re.match(r"q?lora( |-r\d|-rank\d+$|$)", method)
    return "lora" if plain else None


def _shape(row: dict[str, str]) -> Dimensions | None:
    name = row["model"].split("/")[-1].lower()
    found = next((key for pattern, key in _NAMES.items() if re.search(pattern, name)), None)
    return None if found is None else SHAPES[found]


def _stack(row: dict[str, str]) -> Stack | None:
    for start, stacks in STACKS.items():
        if row["source"].startswith(start):
            name = re.search(r"cfg=([\w-]+)", row["source"])
            return stacks.get(name[1] if name else "")
    return None


def _adapter(row: dict[str, str], source: str) -> tuple[int, str]:
    if source in _ADAPTERS:
        return _ADAPTERS[source]
    rank = re.search(r"r(?:ank)?(\d+)", row["method"])
    named = ATTENTION if "q_proj" in row["method"] else "all-linear"
    return int(rank[1]) if rank else 16, named


def _line(name: str, chosen: Sequence[Point]) -> str:
    found = sorted(abs(point.error) for point in chosen)
    mean = statistics.fmean(point.error for point in chosen)
    ninth = found[min(len(found) - 1, int(0.9 * len(found)))]
    return (
        f"| {name} | {len(found)} | {statistics.median(found):.1%} | {ninth:.1%} | "
        f"{found[-1]:.1%} | {mean:+.1%} |"
    )


def _print() -> None:
    everything = list(points())
    alike = [point for point in everything if not point.reason]
    fitted = [point for point in alike if point.source in FITTED]
    held_out = [point for point in alike if point.source not in FITTED]
    print(
        "| rows | n | median | 90th percentile | worst | mean, signed |\n|---|---|---|---|---|---|"
    )
    print(_line("all that compare", alike))
    print(_line("without full tuning", [p for p in alike if p.setup.lora]))
    print(_line("sources that constants saw", fitted))
    print(_line("sources held out", held_out))
    for source in STACKS:
        print(_line(source, [point for point in alike if point.source == source]))
    print(
        "\n| left out because | rows | predictable | median | mean, signed |\n|---|---|---|---|---|"
    )
    for reason in dict.fromkeys(point.reason for point in everything if point.reason):
        chosen = [point for point in everything if point.reason == reason]
        errors = [point.error for point in chosen if point.predictable]
        shown = (
            f"{statistics.median(map(abs, errors)):.0%} | {statistics.fmean(errors):+.0%}"
            if errors
            else "- | -"
        )
        print(f"| {reason} | {len(chosen)} | {len(errors)} | {shown} |")


if __name__ == "__main__":
    _print()
