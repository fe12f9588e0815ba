"""Base models: the catalogue, and any other model by folder, config.json or Hugging Face id.

The catalogue is `recipes/models/FAMILY.yaml` with `recipes/licences.yaml`. To find one model, only
its own lines of its file are parsed: a plan needs no other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from engine.base import catalogue as lines
from engine.base import paths
from engine.base.errors import TunesmithError
from engine.base.settings import nearest_name, parse, read_yaml
from engine.plan.dimensions import Block, Dimensions
from engine.plan.shapes import dimensions

__all__ = ["Block", "Chat", "Commercial", "Dimensions", "Model", "catalogue", "dimensions", "find"]

Commercial = Literal["yes", "conditions", "no"]


@dataclass(frozen=True)
class Chat:
    """What a model's chat template takes, as its maker ships it.

    Attributes:
        trained: Whether it was taught to chat; a base model was not, and may have no template.
        system: Whether the template takes a system message.
        tools: Whether the template takes tools.
        thinking: Whether it thinks aloud before its answer: no, always, or by a switch.
        end: The token that ends an answer; empty when the template writes none.
    """

    trained: bool = True
    system: bool = False
    tools: bool = False
    thinking: Literal["no", "switch", "always"] = "no"
    end: str = ""


@dataclass(frozen=True)
class Model:
    """A base model.

    Attributes:
        name: The name it was asked for by.
        dimensions: Its shape.
        about: What it is good for, in a sentence; empty when it is not in the catalogue.
        licence: The licence's name.
        licence_means: What the licence asks, in plain words.
        commercial: Whether a product may use it: yes, within conditions, or no.
        gated: Whether the hub asks for a consent before it hands the weights out.
        family: Its family, such as qwen; empty when it is not in the catalogue.
        hub: Its Hugging Face id; empty for a folder.
        licence_url: Where the licence is to be read.
        published: Parameters as its maker counts them; 0 when it is not in the catalogue.
        chat: What its chat template takes; None when nobody looked.
    """

    name: str
    dimensions: Dimensions
    about: str
    licence: str
    licence_means: str
    commercial: Commercial = "conditions"
    gated: bool = False
    family: str = ""
    hub: str = ""
    licence_url: str = ""
    published: int = 0
    chat: Chat | None = None


@dataclass(frozen=True)
class _Licence:
    name: str
    url: str
    commercial: Commercial
    means: str


@dataclass(frozen=True)
class _Entry:
    hub: str
    about: str
    licence: str
    parameters: int
    config: dict[str, Any]
    gated: bool = False
    chat: Chat = field(default_factory=Chat)


class _Catalogue(Mapping[str, Model]):
    """The catalogue by name, smallest first; a model is read when it is asked for."""

    def __init__(self) -> None:
        self._entries = {entry.name: entry for entry in lines.entries()}

    def __getitem__(self, name: str) -> Model:
        return _model(self._entries[name])

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@cache
def catalogue() -> Mapping[str, Model]:
    """Return the models of the catalogue by name, smallest first; each is read when asked for."""
    return _Catalogue()


def find(name: str) -> Model:
    """Return a base model by catalogue name, folder, `config.json` or Hugging Face id.

    A Hugging Face id outside the catalogue costs one small download, of its config.json.

    Raises:
        TunesmithError: There is no such model, or its config.json cannot be used.
    """
    entry = lines.find(name)
    if entry is not None:
        return replace(_model(entry), name=name)
    shape = dimensions(_config(name), name)
    return Model(
        name,
        shape,
        "",
        "not known to Tunesmith",
        "Read the model's licence before you use or ship anything made from it.",
        hub="" if Path(name).expanduser().exists() else name,
    )


@cache
def _model(line: lines.Entry) -> Model:
    where = f"{line.file}: {line.name}"
    entry = parse(line.content(), _Entry, where)
    licence = _licences().get(entry.licence)
    if licence is None:
        raise TunesmithError(
            f"There is no licence {entry.licence}{nearest_name(entry.licence, list(_licences()))}.",
            "Name one of recipes/licences.yaml.",
            where,
        )
    return Model(
        name=line.name,
        dimensions=dimensions(entry.config, where),
        about=entry.about,
        licence=licence.name,
        licence_means=licence.means,
        commercial=licence.commercial,
        gated=entry.gated,
        family=line.file.stem,
        hub=entry.hub,
        licence_url=licence.url,
        published=entry.parameters,
        chat=entry.chat,
    )


@cache
def _licences() -> Mapping[str, _Licence]:
    path = paths.recipes() / "licences.yaml"
    return {
        name: parse(content, _Licence, f"{path}: {name}")
        for name, content in read_yaml(path).items()
    }


def _config(name: str) -> dict[str, Any]:
    path = Path(name).expanduser()
    if path.is_dir():
        path = path / "config.json"
    if path.suffix != ".json":
        if "/" not in name:  # on the hub every name is owner/name: no need to ask it
            raise _missing(name)
        path = _from_hub(name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TunesmithError(
            f"The model's config.json cannot be read ({error}).", "Check the folder.", str(path)
        ) from error
    return content if isinstance(content, dict) else {}


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(name, "config.json"))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise _missing(name) from error


def _missing(name: str) -> TunesmithError:
    names = list(catalogue())
    return TunesmithError(
        f"There is no base model {name}{nearest_name(name, names)}: neither in the catalogue, nor "
        "a folder here, nor to be had from the hub.",
        "Check the name and the network, or see `tunesmith models` for those that are known.",
        "base_model",
    )
