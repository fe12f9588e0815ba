"""The GPUs that recipes/gpus.yaml knows, found by the names people and NVML give them."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

import yaml

from engine.base import paths
from engine.base.errors import UsageError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one where libyaml is there
# Words of a name that tell no two boards apart.
_NOISE = frozenset(
    {"nvidia", "geforce", "rtx", "gtx", "tesla", "quadro", "gpu", "graphics", "card", "generation"}
    | {
        "edition",
        "hbm2",
        "hbm2e",
        "hbm3",
        "hbm3e",
        "tensor",
        "core",
        "the",
        "a",
        "an",
        "sxm",
        "oem",
    }
)
# Words that make another board of the one without them.
_MARKS = frozenset(
    {"ti", "super", "laptop", "ada", "pro", "blackwell", "nvl", "pcie", "d", "v", "xp", "max", "q"}
)
_SPLIT = re.compile(r"(?<=\d)(?=ti\b|tisuper\b|super\b|laptop\b|ada\b)|(?<=ti)(?=super\b)")
_GLUED = re.compile(r"\b(rtx|gtx|geforce|nvidia|tesla|quadro)(?=\d)")
_MEMORY = re.compile(r"\b(\d+)\s*(?:gib|gb|g)\b")
_SLICE = re.compile(r"\s+MIG\s.*")
_NEAR = 0.04  # of the memory that a board may differ from its entry, by driver and ECC


@dataclass(frozen=True)
class Card:
    """One GPU model.

    Attributes:
        name: What people call it.
        also: Other names of it, NVML's among them.
        memory: Memory in bytes as NVML reports it.
        capability: CUDA's compute capability.
        flops: Dense peak in operations a second: bfloat16 where it has that, else float16.
        watts: The board's power limit as the maker sets it.
        bandwidth: Memory bandwidth in bytes a second.
    """

    name: str
    also: tuple[str, ...]
    memory: int
    capability: tuple[int, int]
    flops: float
    watts: float
    bandwidth: float

    @property
    def bf16(self) -> bool:
        """Whether it calculates in bfloat16 itself: from Ampere on."""
        return self.capability >= (8, 0)


@cache
def table() -> tuple[Card, ...]:
    """Return every GPU of recipes/gpus.yaml, in its order."""
    text = (paths.recipes() / "gpus.yaml").read_text(encoding="utf-8")
    return tuple(
        Card(
            name=entry["name"],
            also=tuple(entry.get("also", ())),
            memory=int(entry["mib"]) << 20,
            capability=(int(entry["capability"]) // 10, int(entry["capability"]) % 10),
            flops=float(entry["tflops"]) * 1e12,
            watts=float(entry["watts"]),
            bandwidth=float(entry["gb_per_second"]) * 1e9,
        )
        for entry in yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader
    )


def find(text: str) -> Card:
    """Return the GPU that a person means; of several, the plainest name, then the first listed.

    Args:
        text: A name with or without maker, series, memory or capitals.

    Raises:
        UsageError: No such GPU; says the nearest names.
    """
    words = _words(text)
    found = [
        (len(other - words), place, card)
        for place, card in enumerate(table())
        for other in _names(card)
        if words and words <= other | {_size(card)}
    ]
    if found:
        return min(found, key=lambda item: item[:2])[2]
    glued = "".join(sorted(words))
    for card in table():
        if any(glued == "".join(sorted(other)) for other in _names(card)):
            return card
    raise UsageError(f"No GPU is called {text.strip()!r}.", _hint(text), "--gpu")


def known(name: str, total: int) -> Card | None:
    """Return the entry of a GPU that NVML names, or None where there is none.

    Args:
        name: The name that NVML gives it.
        total: Its memory in bytes, which tells apart what shares a name; 0 where unknown.
    """
    words = _words(_SLICE.sub("", name))
    sizes = {word for word in words if _MEMORY.fullmatch(word)}
    ranked = [
        (len(other & words), not total or abs(card.memory - total) <= _NEAR * card.memory, -place)
        for place, card in enumerate(table())
        for other in _names(card)
        if _may_be(other, words, sizes)
    ]
    return table()[-max(ranked)[2]] if ranked else None


def usual(capability: tuple[int, int]) -> Card | None:
    """Return the middle one, by speed, of the entries of one compute capability; None without."""
    alike = [card for card in table() if card.capability == capability]
    return sorted(alike, key=lambda card: card.flops)[len(alike) // 2] if alike else None


def _may_be(entry: frozenset[str], words: frozenset[str], sizes: set[str]) -> bool:
    """Return whether an entry's name may be that of a board: no word too many, no mark too few."""
    own_sizes = {word for word in entry if _MEMORY.fullmatch(word)}
    plain = entry - own_sizes
    if not plain or not plain <= words or (words - plain) & _MARKS:
        return False
    return not (sizes and own_sizes) or sizes == own_sizes


def _names(card: Card) -> list[frozenset[str]]:
    return [_words(name) for name in (card.name, *card.also)]


def _size(card: Card) -> str:
    """Return the memory that people say it has: 24gb for 24564 MiB."""
    return f"{round(card.memory / (1 << 30))}gb"


def _words(text: str) -> frozenset[str]:
    """Return the words of a name that tell boards apart, in lower case."""
    lower = _MEMORY.sub(r"\1gb", text.lower())
    lower = _SPLIT.sub(" ", _GLUED.sub(r"\1 ", lower))
    words = (re.sub(r"^sxm\d$", "sxm", word) for word in re.findall(r"[a-z0-9]+", lower))
    return frozenset(word for word in words if word not in _NOISE)


def _hint(text: str) -> str:
    plain = {" ".join(sorted(_words(card.name))): card.name for card in table()}
    asked = " ".join(sorted(_words(text)))
    near = difflib.get_close_matches(asked, plain, n=3, cutoff=0.6)
    said = [plain[name] for name in near] or ["RTX 4090", "A100 80GB", "H100 SXM"]
    lead = "Did you mean" if near else "Names are such as"
    return f"{lead} {', '.join(said)}{'?' if near else '.'} A size such as 24GB does as well."
