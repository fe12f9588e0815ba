"""Writing a dataset: its folder, its record in the store, and the word of its gate."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.base import files, gates
from engine.base.errors import TunesmithError
from engine.base.project import Project
from engine.base.work import Work
from engine.data import spec
from engine.data.dataset import SPLITS, Split
from engine.data.spec import Draft
from engine.data.template import ChatTemplate

_FORMAT = 1  # part of every id: a change of the files' form makes new datasets


def identity(texts: Mapping[Split, str], project: Project, template: ChatTemplate) -> str:
    """Return a dataset's id: 12 hex characters of the hash of its rows, settings and template."""
    digest = hashlib.sha256()
    for name in SPLITS:
        digest.update(hashlib.sha256(texts[name].encode()).digest())
    digest.update(json.dumps(_settings(project), sort_keys=True).encode())
    digest.update(template.source.encode())
    return digest.hexdigest()[:12]


def _settings(project: Project) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "instruction": project.objective.instruction,
        "base_model": project.base_model,
        "test": project.data.test,
        "validation": project.data.validation,
        "pii": project.data.pii,
        "seed": project.seed,
    }


def publish(work: Work, draft: Draft, texts: Mapping[Split, str]) -> None:
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
        _write(folder, draft, texts)
    if not work.store.scalar("SELECT 1 FROM datasets WHERE id = ?", (draft.id,)):
        _record(work, draft)
    sizes = ", ".join(f"{len(draft.splits[name]):,} {name}" for name in SPLITS)
    work.log(f"Dataset {draft.id}: {sizes} rows, in {folder}.")


def _write(folder: Path, draft: Draft, texts: Mapping[Split, str]) -> None:
    with files.atomic(folder) as temporary:
        temporary.mkdir()
        for name, text in texts.items():
            (temporary / f"{name}.jsonl").write_text(text, encoding="utf-8", newline="\n")
        (temporary / "data-spec.md").write_text(spec.write(draft), encoding="utf-8")
        manifest = {
            "id": draft.id,
            "project": draft.project.name,
            "settings": _settings(draft.project),
            "sources": dict(draft.sources),
            "golden_sha256": draft.golden_sha256,
            "files": {
                f"{name}.jsonl": {
                    "rows": len(draft.splits[name]),
                    "sha256": hashlib.sha256(text.encode()).hexdigest(),
                }
                for name, text in texts.items()
            },
        }
        content = json.dumps(manifest, indent=1, ensure_ascii=False)
        (temporary / "manifest.json").write_text(content, encoding="utf-8")


def _record(work: Work, draft: Draft) -> None:
    record = {
        "id": draft.id,
        "project_id": work.project_id,
        "job_id": work.job_id,
        "path": f"datasets/{draft.id}",
        "rows_read": draft.cleaned.read,
        "rows_kept": len(draft.cleaned.rows),
        **{str(name): len(draft.splits[name]) for name in SPLITS},
        "golden_sha256": draft.golden_sha256,
        "tokens_train": sum(draft.lengths.whole[row.id] for row in draft.splits["train"]),
        "tokens_answers": sum(draft.lengths.trained[row.id] for row in draft.splits["train"]),
        "tokens_longest": max(draft.lengths.whole.values(), default=0),
        "created": time.time(),
    }
    with work.store.transaction():
        work.store.insert("datasets", record)
        for file, digest in draft.sources.items():
            rows = draft.cleaned.lines[file]
            work.store.insert(
                "dataset_sources",
                {"dataset_id": draft.id, "file": file, "sha256": digest, "rows": rows},
            )
        for finding in draft.cleaned.findings:
            work.store.insert(
                "dataset_findings",
                {
                    "dataset_id": draft.id,
                    "kind": finding.kind,
                    "file": finding.file,
                    "row": finding.row,
                    "what": finding.what,
                    "action": finding.action,
                },
            )
