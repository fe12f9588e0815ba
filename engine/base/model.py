"""From a base model's name (catalogue, folder, hub id) to a local folder."""

from __future__ import annotations

from pathlib import Path

from engine.base import catalogue, embedded
from engine.base.errors import TunesmithError

EMBEDDED = embedded.NAME
_NEEDED = ("config.json", "tokenizer_config.json", "tokenizer.json")
_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model"]
# The same weights once more, in their makers' own formats.
_TWICE = ["consolidated*", "original/*", "metal/*"]


def locate(name: str) -> Path:
    """Return the local folder of a base model, made or fetched when it is not there yet.

    Args:
        name: `smollm2-135m-instruct` (comes with Tunesmith), another name of the catalogue, a
            folder, or a Hugging Face id. A catalogue name means the catalogue's model even where a
            folder is called the same; `./NAME` means the folder.

    Raises:
        TunesmithError: The model cannot be had, or the folder is no model.
    """
    if name == EMBEDDED:
        return embedded.folder()
    local = Path(name).expanduser()
    hub = hub_id(name)
    if hub == name and local.is_dir():
        return _checked(local.resolve())
    return _checked(_from_hub(hub))


def hub_id(name: str) -> str:
    """Return the Hugging Face id of a catalogue name; any other name as it is."""
    found = catalogue.find(name)
    return found.hub if found else name


def is_local(name: str) -> bool:
    """Say whether a base model can be used at once, with nothing to fetch."""
    return name == EMBEDDED or (hub_id(name) == name and Path(name).expanduser().is_dir())


def _checked(folder: Path) -> Path:
    missing = [file for file in _NEEDED if not (folder / file).is_file()]
    if missing:
        raise TunesmithError(
            f"This folder is no usable model: {', '.join(missing)} missing.",
            "Save model and fast tokenizer into it with `save_pretrained`.",
            str(folder),
        )
    if not any(folder.glob("*.safetensors")):
        raise TunesmithError(
            "This model has no safetensors weights; other formats can run code when opened.",
            "Convert it with `save_pretrained(..., safe_serialization=True)`.",
            str(folder),
        )
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        return Path(snapshot_download(name, allow_patterns=_WANTED, ignore_patterns=_TWICE))
    except GatedRepoError as error:
        raise TunesmithError(
            f"The maker of {name} asks for your consent before it hands the weights out.",
            f"Agree at https://huggingface.co/{name}, then run `hf auth login`.",
            name,
        ) from error
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise TunesmithError(
            f"The base model {name} is neither a folder here nor to be had from the hub.",
            f"Check the name and the network, or use {EMBEDDED}, which comes with Tunesmith.",
            name,
        ) from error
