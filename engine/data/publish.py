"""Writing a dataset: its folder, its record in the store, and the word of its gate."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.base import files, gates
from engine.base.errors import TunesmithError, UsageError
from engine.base.project import Project
from engine.base.work import Work
from engine.data import croissant, golden, spec
from engine.data.chat.template import ChatTemplate
from engine.data.dataset import SPLITS, Split, latest
from engine.data.divide import memory
from engine.data.rows import Row, to_json
from engine.data.spec import Draft

_FORMAT = 2  # part of every id: a change of the files' form makes new datasets


def identity(splits: Mapping[Split, list[Row]], project: Project, template: ChatTemplate) -> str:
    """Return a dataset's id: 12 hex characters of the hash of its rows, settings and template.

    Where a row came from is no part of it: the same rows in another file are the same dataset.
    """
    digest = hashlib.sha256()
    for name in SPLITS:
        digest.update(f"{name}\n".encode())
        for row in splits[name]:
            group = "" if row.group == row.id else row.group
            digest.update(f"{row.id}\0{group}\0{row.scenario}\n".encode())
    digest.update(json.dumps(_settings(project), sort_keys=True).encode())
    digest.update(template.source.encode())
    return digest.hexdigest()[:12]


def _settings(project: Project) -> dict[str, Any]:
    data = project.data
    return {
        "format": _FORMAT,
        "instruction": project.objective.instruction,
        "base_model": project.base_model,
        "test": data.test,
        "validation": data.validation,
        "pii": data.pii,
        "entities": dict(sorted(data.entities.items())),
        "cap": data.cap,
        "temperature": data.temperature,
        "seed": project.seed,
    }


def publish(work: Work, draft: Draft) -> None:
    """Record the gate; when it lets the dataset through, write and record that too.

    What is there already is left as it is: a dataset never changes.

    Raises:
        GateError: The gate failed, and that was not accepted.
        TunesmithError: No row is left, or the disk is full.
    """
    gates.record(
        work.store,
        work.project_id,
        draft.gate,
        subject=draft.id,
        job_id=work.job_id,
        accepted=draft.accepted if draft.gate.result == "fail" else "",
    )
    for reason in draft.gate.reasons:
        work.log(reason, "warning")
    gates.enforce(draft.gate, draft.accepted)
    if not draft.splits["train"]:
        raise TunesmithError("No row is left to train on.", "See the reasons above; add rows.")
    folder = work.store.workspace / "datasets" / draft.id
    if not (folder / "manifest.json").is_file():
        _write(folder, draft)
    if draft.golden_sha256:
        golden.freeze(work.store, work.project_id, draft.golden_sha256, draft.cleaned.golden)
    with work.store.transaction():
        if not work.store.scalar("SELECT 1 FROM datasets WHERE id = ?", (draft.id,)):
            _record(work, draft)
        memory.remember(work.store, work.project_id, work.project, draft.cleaned, draft.splits)
    sizes = ", ".join(f"{len(draft.splits[name]):,} {name}" for name in SPLITS)
    work.log(f"Dataset {draft.id}: {sizes} rows, in {folder}.")


def _write(folder: Path, draft: Draft) -> None:
    with files.atomic(folder) as temporary:
        temporary.mkdir()
        for name in SPLITS:
            with (temporary / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n") as stream:
                stream.writelines(to_json(row) + "\n" for row in draft.splits[name])
        (temporary / "data-spec.md").write_text(spec.write(draft), encoding="utf-8")
        (temporary / "croissant.json").write_text(croissant.write(draft), encoding="utf-8")
        manifest = {
            "id": draft.id,
            "project": draft.project.name,
            "settings": _settings(draft.project),
            "sources": dict(draft.sources),
            "golden_sha256": draft.golden_sha256,
            "files": {
                f"{name}.jsonl": {
                    "rows": len(draft.splits[name]),
                    "sha256": files.sha256(temporary / f"{name}.jsonl"),
                }
                for name in SPLITS
            },
        }
        content = json.dumps(manifest, indent=1, ensure_ascii=False)
        (temporary / "manifest.json").write_text(content, encoding="utf-8")


def _parent(work: Work, dataset_id: str) -> str | None:
    """Return the project's dataset before this one."""
    try:
        parent = latest(work.store, work.project_id, but=dataset_id)
    except UsageError:
        return None
    return parent


def _record(work: Work, draft: Draft) -> None:
    record = {
        "id": draft.id,
        "project_id": work.project_id,
        "job_id": work.job_id,
        "parent_id": _parent(work, draft.id),
        "path": f"datasets/{draft.id}",
        "form": draft.cleaned.form,
        "rows_read": draft.cleaned.read,
        "rows_kept": len(draft.cleaned.rows),
        **{str(name): len(draft.splits[name]) for name in SPLITS},
        "golden_sha256": draft.golden_sha256,
        "tokens_train": sum(draft.lengths.whole[row.id] for row in draft.splits["train"]),
        "tokens_answers": sum(draft.lengths.trained[row.id] for row in draft.splits["train"]),
        "tokens_longest": max(draft.lengths.whole.values(), default=0),
        "created": time.time(),
    }
    work.store.insert("datasets", record)
    for file, digest in draft.sources.items():
        rows = draft.cleaned.lines[file]
        work.store.insert(
            "dataset_sources",
            {"dataset_id": draft.id, "file": file, "sha256": digest, "rows": rows},
        )
    work.store.write_all(
        "dataset_findings",
        ({"dataset_id": draft.id, **asdict(finding)} for finding in draft.cleaned.findings),
    )
