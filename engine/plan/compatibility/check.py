"""The whole check: what config.json tells, and what the files tell where they are here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from engine.base import catalogue, paths
from engine.base.errors import TunesmithError
from engine.base.files import write_text
from engine.base.project import Project
from engine.data.chat import model_files
from engine.plan.compatibility import (
    adapter,
    alternatives,
    architecture,
    local,
    method,
    target,
    weights,
)
from engine.plan.compatibility.clash import Clash
from engine.plan.compatibility.rows import RowFacts
from engine.plan.compatibility.subject import Subject
from engine.plan.device import Device
from engine.plan.models import Model
from engine.plan.setting import Scalar, Trainer, Tuning

_SETTINGS = ("lora_targets", "quantization")  # those that the files are looked at with
_REMEMBERED = 200
_READ = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
)


def check(subject: Subject) -> tuple[Clash, ...]:
    """Return what does not go together, the fatal first.

    Without a folder only what config.json and the catalogue tell is checked. Nothing is fetched,
    and neither torch nor transformers is loaded.
    """
    found = list(architecture.clashes(subject))
    if not any(clash.fatal for clash in found):
        found += [
            *method.clashes(subject),
            *adapter.clashes(subject),
            *target.clashes(subject),
        ]
        found += _files(subject) if subject.folder else _told(subject)
    return tuple(sorted(dict.fromkeys(found), key=lambda clash: not clash.fatal))


def clashes(
    project: Project,
    model: Model,
    trainer: Trainer,
    tuning: Tuning,
    settings: Mapping[str, Scalar],
    rows: RowFacts,
    device: Device | None = None,
    *,
    product: bool = False,
) -> tuple[Clash, ...]:
    """Return what does not go together in a plan; its files are read where they are here.

    Args:
        project: Its base model, instruction, target and exports.
        model: The base model.
        trainer: The recipe's trainer.
        tuning: The recipe's tuning.
        settings: The plan's settings.
        rows: What the dataset's rows hold.
        device: Where the training runs, or None not to judge its number formats.
        product: Whether the project says that the model goes into a product.

    Raises:
        TunesmithError: A file of the model is no JSON.
    """
    folder = local.folder(project.base_model)
    return check(
        Subject(
            name=model.name,
            config=_config(model, folder),
            dimensions=model.dimensions,
            folder=folder,
            chat=model.chat,
            commercial=model.commercial,
            licence=model.licence,
            trainer=trainer,
            tuning=tuning,
            settings=settings,
            rows=rows,
            instruction=bool(project.objective.instruction),
            target=project.target,
            exports=tuple(project.exports),
            product=product,
            bf16=device.bf16 if device else None,
        )
    )


def _config(model: Model, folder: Path | None) -> Mapping[str, Any]:
    """Return a model's config.json; the catalogue's keys where the file is not here."""
    if folder:
        return model_files.read(folder / "config.json")
    entry = catalogue.find(model.name)
    stated = entry.content().get("config") if entry else None
    return stated if isinstance(stated, Mapping) else {"model_type": model.dimensions.kind}


def _told(subject: Subject) -> Iterator[Clash]:
    """What the catalogue says of the template, where the files are not here."""
    chat, rows = subject.chat, subject.rows
    yield Clash(
        f"{subject.name} is not on this box yet, so its tokenizer and template were not looked at.",
        "`tunesmith data build` fetches it; plan again after that.",
        fatal=False,
        where="base_model",
    )
    if chat is None or rows.form == "text":
        return
    if not chat.trained and subject.trainer not in ("dpo", "kto"):
        yield Clash(
            f"{subject.name} was not taught to chat and may have no chat template.",
            alternatives.instead(
                subject, alternatives.chats, otherwise="Use its instruction-tuned variant."
            ),
            fatal=False,
            where="base_model",
        )
    elif chat.trained and rows.tools and not chat.tools:
        yield Clash(
            f"The rows have what tools return, and {subject.name}'s template has no place for it.",
            alternatives.instead(
                subject,
                alternatives.takes_tools,
                otherwise="Put what tools return into the user's message.",
            ),
            fatal=False,
            where="base_model",
        )


def _files(subject: Subject) -> list[Clash]:
    """What the folder's files tell; remembered, for a tokenizer takes a while to read."""
    assert subject.folder is not None  # as the caller has made sure
    memory = paths.cache() / "compatibility" / f"{_key(subject)}.json"
    try:
        return [Clash(**item) for item in json.loads(memory.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        found = _looked(subject, subject.folder)
    with suppress(OSError):  # a full or locked disk costs time only
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_text(memory, json.dumps([asdict(clash) for clash in found]))
        kept = sorted(memory.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for old in kept[:-_REMEMBERED]:
            old.unlink(missing_ok=True)
    return found


def _looked(subject: Subject, folder: Path) -> list[Clash]:
    from engine.plan.compatibility import template, tokenizer, tokens

    held = weights.shapes(folder)
    stated = subject.text.get("vocab_size")
    rows = weights.rows(held) or (stated if isinstance(stated, int) else 0)
    found = list(weights.clashes(subject, held))
    try:
        known = tokens.read(folder)
        found += tokenizer.clashes(subject, known, rows)
    except TunesmithError as error:
        return [*found, Clash(error.what, error.fix, fatal=True, where=error.where)]
    return [*found, *template.clashes(subject, known)]


def _key(subject: Subject) -> str:
    """Return a name for everything that the answer depends on: files, subject, and this code."""
    folder = subject.folder
    assert folder is not None  # as the caller has made sure
    chat = Path(model_files.__file__).parent
    own = [*sorted(Path(__file__).parent.glob("*.py")), *sorted(chat.glob("*.py"))]
    files = [*(folder / name for name in _READ), *sorted(folder.glob("*.safetensors")), *own]
    recipes = [paths.recipes() / "architectures.yaml", *sorted(paths.recipes().glob("models/*"))]
    states = [(str(file), *_state(file)) for file in (*files, *recipes)]
    kept = {name: subject.settings[name] for name in _SETTINGS if name in subject.settings}
    asked = replace(subject, trainer="sft", settings=kept, exports=(), bf16=None)
    digest = blake2b(repr((states, asked)).encode(), digest_size=12)
    return digest.hexdigest()


def _state(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
