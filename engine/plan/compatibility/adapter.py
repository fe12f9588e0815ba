"""What an adapter reaches of an architecture, and what PEFT refuses."""

from __future__ import annotations

from collections.abc import Iterator

from engine.plan.compatibility import alternatives
from engine.plan.compatibility.clash import Clash
from engine.plan.compatibility.lists import lists
from engine.plan.compatibility.subject import Subject

_ALL = "all-linear"
_LITTLE = 0.25  # share of the weights beside the tables


def clashes(subject: Subject) -> Iterator[Clash]:
    """Yield what speaks against an adapter on these parts of the model."""
    if not subject.adapter:
        return
    targets = str(subject.settings.get("lora_targets") or _ALL)
    yield from _refused(subject, targets)
    if targets == _ALL and not subject.quantised:
        yield from _little(subject)


def _refused(subject: Subject, targets: str) -> Iterator[Clash]:
    """PEFT refuses an adapter on the way out of a Mamba layer, whose kernel goes around it."""
    allowed = lists().mamba_targets.get(subject.kind)
    named = {name.strip().rpartition(".")[2] for name in targets.split(",")}
    if allowed is None or not named & {_ALL, "out_proj", "conv1d"}:
        return
    yield Clash(
        f"PEFT refuses an adapter on out_proj of a {subject.kind} model, and lora_targets="
        f"{targets} asks for one.",
        f"Use `--set lora_targets={allowed}`.",
        fatal=True,
        where="lora_targets",
    )


def _little(subject: Subject) -> Iterator[Clash]:
    shape = subject.dimensions
    if not subject.stacked or shape is None or not shape.exact:
        return
    share = shape.linear_parameters / max(1, shape.parameters - shape.embedding_parameters)
    if share < _LITTLE:
        yield Clash(
            f"The adapter reaches {share:.0%} of the weights: all-linear means linear maps, and "
            "Transformers keeps experts in stacked tensors. It can learn less than its size "
            "suggests.".replace("%", " %"),
            alternatives.instead(
                subject,
                alternatives.dense,
                otherwise="Give it a higher rank: `--set lora_rank=64`.",
            ),
            fatal=False,
            where="lora_targets",
        )
