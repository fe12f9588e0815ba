"""GGUF files: the types there are, and how a quantised one is made from F16."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.base.errors import TunesmithError, UsageError
from engine.base.files import atomic
from engine.base.hardware import machine
from engine.base.settings import nearest_name
from engine.ship.runtime import last_words, library


@dataclass(frozen=True)
class Type:
    """A GGUF type.

    Attributes:
        ftype: llama.cpp's number for it (`enum llama_ftype`).
        bits: Bits a weight takes, for predicting the size of a file. Tensors whose rows are no
            multiple of 256 fall back to a wider type, so a small model's file may be larger.
    """

    ftype: int
    bits: float


# numbers: llama.cpp's llama.h; bits: llama.cpp's tools/quantize/README.md
TYPES = {
    "F16": Type(1, 16.0),
    "Q8_0": Type(7, 8.5),
    "Q6_K": Type(18, 6.57),
    "Q5_K_M": Type(17, 5.69),
    "Q5_0": Type(8, 5.5),
    "Q4_K_M": Type(15, 4.84),
    "Q4_K_S": Type(14, 4.58),
    "IQ4_XS": Type(30, 4.25),
    "Q4_0": Type(2, 4.5),
}


def checked(types: Sequence[str]) -> tuple[str, ...]:
    """Return the types to make, F16 first, because every other is made from it.

    Raises:
        UsageError: A name is unknown.
    """
    for name in types:
        if name not in TYPES:
            raise UsageError(
                f"There is no GGUF type {name}{nearest_name(name.upper(), list(TYPES))}.",
                f"Choose from {', '.join(TYPES)}.",
                "--to",
            )
    return tuple(dict.fromkeys(("F16", *types)))


def quantise(source: Path, out: Path, name: str) -> None:
    """Make a quantised file from the F16 one, in one step.

    Raises:
        TunesmithError: llama.cpp cannot; with its reason.
    """
    lib = library()
    settings = lib.llama_model_quantize_default_params()
    settings.ftype = TYPES[name].ftype
    settings.nthread = machine.read().cores
    with atomic(out) as temporary:
        paths = str(source).encode(), str(temporary).encode()
        if lib.llama_model_quantize(*paths, ctypes.byref(settings)) != 0:
            raise TunesmithError(
                f"llama.cpp cannot make {name} of this model: {last_words()}",
                "Choose other types with --to.",
                str(source),
            )
