"""The place where the model will run, and the files made for it, against model and method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.plan.compatibility import alternatives
from engine.plan.compatibility.alternatives import instead
from engine.plan.compatibility.clash import Clash
from engine.plan.compatibility.lists import lists
from engine.plan.compatibility.subject import Subject

_GGUF_TARGETS = ("llama.cpp", "ollama")
_PLAIN = ("F32", "F16", "BF16")
# What llama.cpp makes of a row that is not whole blocks of 256 (src/llama-quant.cpp). Q6_K is not
# here: it becomes Q8_0, which is larger and no worse.
_FALLBACK: Mapping[str, str] = {
    "Q2_K": "Q4_0",
    "Q3_K_S": "Q4_0",
    "Q3_K_M": "Q4_0",
    "Q3_K_L": "Q4_0",
    "IQ3_S": "IQ4_NL",
    "IQ4_XS": "IQ4_NL",
    "Q4_K_S": "Q5_0",
    "Q4_K_M": "Q5_0",
    "Q5_K_S": "Q5_1",
    "Q5_K_M": "Q5_1",
}
_SMALL_BLOCK = 32
_NOTABLE = 0.25  # share of the weights from which on a file is another than was asked for


def clashes(subject: Subject) -> Iterator[Clash]:
    """Yield what speaks against running the tuned model where the project wants it."""
    types = [name.removeprefix("gguf:").upper() for name in subject.exports]
    gguf = [name for name in types if name not in ("ADAPTER", "MERGED")]
    if subject.target in _GGUF_TARGETS:
        yield from _converter(subject)
        yield from _scale(subject, types)
        yield from _blocks(subject, gguf)
    elif subject.target == "vllm":
        yield from _vllm(subject)


def _converter(subject: Subject) -> Iterator[Clash]:
    listed = lists()
    if not subject.loaded or subject.loaded in listed.gguf:
        return
    way = " Or set `target: vllm`, which takes it." if subject.loaded in listed.vllm else ""
    yield Clash(
        f"llama.cpp's converter ({listed.versions['llama_cpp']}) has no way from "
        f"{subject.loaded} to a GGUF file, which {subject.target} runs.",
        instead(subject, otherwise="Choose another model from `tunesmith models`.") + way,
        fatal=True,
        where="target",
    )


def _scale(subject: Subject, types: list[str]) -> Iterator[Clash]:
    """llama.cpp scales an adapter by alpha / rank, whatever its config says."""
    rank = subject.settings.get("lora_rank")
    if "ADAPTER" not in types or not subject.adapter or not isinstance(rank, int):
        return
    if subject.settings.get("rslora") is True and rank > 1:
        yield Clash(
            "llama.cpp knows no rank-stabilised LoRA: as a GGUF adapter it would be too weak by "
            f"a factor of {rank**0.5:.1f}.",
            "Export a merged GGUF, or use `--set rslora=false`.",
            fatal=False,
            where="rslora",
        )
    if subject.settings.get("train_embeddings") is True:
        yield Clash(
            "llama.cpp refuses an adapter that brings its own embeddings.",
            "Export a merged GGUF, or use `--set train_embeddings=false`.",
            fatal=True,
            where="train_embeddings",
        )


def _blocks(subject: Subject, types: list[str]) -> Iterator[Clash]:
    shape = subject.dimensions
    if shape is None or not shape.exact:
        return
    share = alternatives.broken_share(shape)
    falling = [name for name in types if name in _FALLBACK]
    if share < _NOTABLE or not falling:
        return
    made = alternatives.listed(f"{name} becomes {_FALLBACK[name]}" for name in falling)
    whole = all(inputs % _SMALL_BLOCK == 0 for block in shape.blocks for inputs, _ in block.linears)
    better = "Q8_0 or Q6_K" if whole else "F16"
    yield Clash(
        f"{share:.0%} of the weights stand in rows that are no multiple of 256, and there "
        f"{made}: a larger file than its name says, of another kind.".replace("%", " %"),
        f"Export {better}. "
        + instead(subject, alternatives.blocks, otherwise="").replace("Use", "Or use"),
        fatal=False,
        where="exports",
    )


def _vllm(subject: Subject) -> Iterator[Clash]:
    listed = lists()
    if subject.loaded and subject.loaded not in listed.vllm:
        way = " Or set `target: llama.cpp`." if subject.loaded in listed.gguf else ""
        yield Clash(
            f"vLLM's registry ({listed.versions['vllm']}) does not name {subject.loaded}; it runs "
            "only if vLLM's Transformers backend can take it.",
            f"Try the untuned model in vLLM first. {instead(subject, otherwise='')}{way}",
            fatal=False,
            where="target",
        )
    rank = subject.settings.get("lora_rank")
    if not subject.adapter or not isinstance(rank, int):
        return
    room = next((limit for limit in listed.vllm_ranks if limit >= rank), 0)
    if not room:
        yield Clash(
            f"vLLM serves adapters up to rank {listed.vllm_ranks[-1]}, and this one has {rank}.",
            f"Use `--set lora_rank={listed.vllm_ranks[-1]}`, or serve the merged model.",
            fatal=False,
            where="lora_rank",
        )
    elif rank > listed.vllm_default_rank:
        yield Clash(
            f"vLLM refuses an adapter above rank {listed.vllm_default_rank} until it is told; "
            f"this one has {rank}.",
            f"Start it with `--max-lora-rank {room}`, or serve the merged model.",
            fatal=False,
            where="lora_rank",
        )
    if subject.settings.get("train_embeddings") is True:
        yield Clash(
            "vLLM refuses an adapter that brings its own embeddings.",
            "Serve the merged model, or use `--set train_embeddings=false`.",
            fatal=False,
            where="train_embeddings",
        )
