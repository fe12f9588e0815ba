"""Method, number formats, licence and length against the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.plan.compatibility import alternatives
from engine.plan.compatibility.alternatives import instead
from engine.plan.compatibility.clash import Clash
from engine.plan.compatibility.lists import lists
from engine.plan.compatibility.subject import Subject

_PREFERENCES = ("dpo", "kto")
_NEEDED_RANK = 64  # for raw text: LoRA Learns Less and Forgets Less, arXiv 2405.09673
_TRAINABLE = ("bitsandbytes", "gptq", "awq", "hqq", "eetq", "aqlm")  # is_trainable in 5.23
_PLAIN_AGAIN = ("fp8", "mxfp4", "mxfp8", "compressed-tensors")
_PERCENT = 100


def clashes(subject: Subject) -> Iterator[Clash]:
    """Yield what speaks against this method with this model."""
    yield from _prequantised(subject)
    if subject.quantised:
        yield from _nf4(subject)
    yield from _preference(subject)
    yield from _raw_text(subject)
    yield from _precision(subject)
    yield from _length(subject)
    yield from _licence(subject)


def _prequantised(subject: Subject) -> Iterator[Clash]:
    stated = subject.config.get("quantization_config")
    if not isinstance(stated, Mapping) or not stated:
        return
    method = _quant_method(stated)
    before = alternatives.original(subject)
    plain = f"the unquantised original ({before})" if before else "the unquantised original"
    nf4 = f"Use {plain} with LoRA; `--set quantization=nf4` makes it as small in training."
    if method in _PLAIN_AGAIN:
        nf4 = f"{nf4[:-1]}, or save this one with `dequantize=True` first."
    name = f"The model is already quantised ({method})"
    where = subject.where
    if subject.tuning == "full":
        what = f"{name}; full tuning needs plain weights, for whole numbers have no gradient."
        yield Clash(what, nf4, fatal=True, where=where)
    elif method not in _TRAINABLE:
        what = f"{name}, and Transformers cannot train an adapter on weights of this kind."
        yield Clash(what, nf4, fatal=True, where=where)
    elif subject.target in ("llama.cpp", "ollama"):
        what = f"{name}; an adapter cannot be merged into such weights, and so no GGUF be made."
        yield Clash(what, nf4, fatal=True, where=where)
    else:
        what = f"{name}; an adapter on it cannot be merged and runs on this very model only."
        yield Clash(what, nf4, fatal=False, where=where)
    if subject.quantised and method != "bitsandbytes" and method in _TRAINABLE:
        what = f"{name}; quantization=nf4 would quantise it a second time."
        yield Clash(what, f"{nf4[:-1]}, or set `quantization=none`.", fatal=True, where=where)


def _quant_method(stated: Mapping[str, Any]) -> str:
    if stated.get("load_in_4bit") or stated.get("load_in_8bit"):
        return "bitsandbytes"
    return str(stated.get("quant_method") or "in an unnamed way").lower()


def _nf4(subject: Subject) -> Iterator[Clash]:
    if subject.stacked:
        yield Clash(
            f"NF4 leaves the experts as they are{_kept(subject)}: bitsandbytes quantises linear "
            "maps, and Transformers keeps experts in stacked tensors.",
            instead(
                subject,
                alternatives.dense,
                otherwise="Plan for the memory of 16 bits, with `--set quantization=none`.",
            ),
            fatal=False,
            where="quantization",
        )
    elif subject.kind in lists().own_linear:
        yield Clash(
            f"NF4 saves nothing here: {subject.kind} has linear maps of a class of its own, "
            "which bitsandbytes does not replace.",
            instead(subject, otherwise="Use `--set quantization=none`, which is faster."),
            fatal=False,
            where="quantization",
        )


def _kept(subject: Subject) -> str:
    shape = subject.dimensions
    if shape is None or not shape.exact:
        return ", most of its weights"
    share = round(_PERCENT * shape.expert_parameters / shape.parameters)
    gb = 2 * shape.expert_parameters / 1e9
    return f", {share} % of its weights ({gb:.1f} GB in 16 bits)"


def _preference(subject: Subject) -> Iterator[Clash]:
    untaught = subject.chat is not None and not subject.chat.trained
    if subject.trainer in _PREFERENCES and untaught:
        yield Clash(
            f"{subject.trainer.upper()} weighs answers that the model could give by itself, and "
            f"{subject.name} was not taught to answer.",
            instead(
                subject,
                alternatives.chats,
                otherwise="Tune it on right answers first (`--recipe sft-lora`) and name that "
                "run's merged folder as the base model.",
            )
            + (" Or use ORPO, which teaches both at once." if subject.trainer == "dpo" else ""),
            fatal=False,
            where="recipe",
        )


def _raw_text(subject: Subject) -> Iterator[Clash]:
    if subject.trainer != "cpt" or not subject.adapter:
        return
    rank = subject.settings.get("lora_rank")
    if isinstance(rank, int) and rank < _NEEDED_RANK:
        yield Clash(
            f"An adapter of rank {rank} learns much less from raw text than full tuning.",
            f"Use `--set lora_rank={_NEEDED_RANK}` or more, or `--recipe cpt-full`.",
            fatal=False,
            where="lora_rank",
        )
    targets = subject.settings.get("lora_targets", "all-linear")
    if targets != "all-linear":
        yield Clash(
            "An adapter on some of the linear maps learns less from raw text than one on all.",
            "Use `--set lora_targets=all-linear`, or `--recipe cpt-full`.",
            fatal=False,
            where="lora_targets",
        )


def _precision(subject: Subject) -> Iterator[Clash]:
    precision = subject.settings.get("precision")
    if subject.bf16 is False and precision in ("bf16", "mixed"):
        narrow = (
            " In fp16, which it has, this model's numbers overflow."
            if (subject.kind.startswith("gemma"))
            else ""
        )
        yield Clash(
            f"The device does not calculate in bfloat16, which precision={precision} needs; it "
            f"is emulated there, slowly.{narrow}",
            "Use `--set precision=fp32`, which takes twice the memory, or a GPU from Ampere "
            "(2020) on.",
            fatal=False,
            where="precision",
        )


def _length(subject: Subject) -> Iterator[Clash]:
    context = subject.dimensions.context if subject.dimensions else 0
    length, longest = subject.settings.get("max_length"), subject.rows.longest
    stated = any(key in subject.text for key in ("max_position_embeddings", "n_positions"))
    if not context or not stated:
        return
    if longest > context and subject.rows.form != "text":
        yield Clash(
            f"The longest row has {longest:,} tokens, and the model reads {context:,}.",
            instead(
                subject, alternatives.reads(longest), otherwise="Shorten or split the long rows."
            ),
            fatal=True,
            where=subject.where,
        )
    elif isinstance(length, int) and length > context:
        yield Clash(
            f"max_length is {length:,}, and the model reads {context:,} tokens.",
            f"Use `--set max_length={context}`.",
            fatal=True,
            where="max_length",
        )


def _licence(subject: Subject) -> Iterator[Clash]:
    if subject.product and subject.commercial == "no":
        yield Clash(
            f"The licence ({subject.licence}) forbids what the project is for: a product.",
            instead(
                subject,
                alternatives.product,
                otherwise="Choose a model whose licence allows it: `tunesmith models`.",
            ),
            fatal=True,
            where="base_model",
        )
