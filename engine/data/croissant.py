"""The data spec for machines: Croissant 1.0 as JSON-LD, with its responsible-AI (RAI) vocabulary.

Specifications: http://mlcommons.org/croissant/1.0 and http://mlcommons.org/croissant/RAI/1.0. Every
sentence follows from what the build knows; what it does not know is said to be unknown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from engine.data.dataset import SPLITS, Split
from engine.data.findings import KINDS
from engine.data.rows import Row, to_json
from engine.data.spec import Draft

_PAGE = "data-spec.md"  # the page about the dataset, in the same folder
_FEW = 20  # scenarios, files and languages named; the data spec has all

# the context that appendix 1 of the specification recommends, and the RAI prefix
_OWN = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject",
    "fileProperty", "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key",
    "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace",
    "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{name: f"cr:{name}" for name in _OWN},
}

# split -> what it is for; only the first may be trained on
_USES: dict[Split, str] = {
    "train": "Training: the only rows that a model may learn from.",
    "validation": "Validation: to watch a training and to compare settings.",
    "test": "Test: for the verdict on a finished model.",
    "golden": "Golden set: for evaluation only. Never to be trained on.",
}
_MEANINGS: dict[Split, str] = {
    "train": "https://mlcommons.org/definitions/training_split",
    "validation": "https://mlcommons.org/definitions/validation_split",
    "test": "https://mlcommons.org/definitions/test_split",
    "golden": "https://mlcommons.org/definitions/test_split",
}
_FIELDS = {
    "id": "16 hex characters of a hash of the row's content.",
    "prompt": "The last message to the model; empty in a raw text.",
    "completion": "The answer to learn; of a preference the chosen one, or the raw text.",
    "group": "Rows of one group are never in two splits.",
    "scenario": "The kind of case; may be empty.",
    "source": "Where the row was read, as file:row.",
}
_SOMETIMES = {  # a row that has the usual value leaves these keys out
    "form": "What is learnt from the row: answer where left out, preference, feedback or text.",
    "system": "The row's own system prompt; where left out, the project's instruction holds.",
    "history": "The turns before the prompt, oldest first, each as [role, content].",
    "rejected": "The answer of a preference that is not wanted.",
    "label": "Whether the completion is good: false, or true where left out.",
}
_USUAL = {"form": "answer", "system": "", "history": (), "rejected": "", "label": True}


def write(draft: Draft) -> str:
    """Return the dataset's Croissant description as JSON text, to lie beside its files.

    The description names what each split is for; the golden set is listed as never to be trained
    on. A licence and a web address are required by the specification but unknown to a project:
    the one is said to be not stated, the other is the data spec in the same folder.
    """
    objective, model = draft.project.objective, Path(draft.project.base_model)
    model_name = model.name if model.is_absolute() else draft.project.base_model
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": f"{draft.project.name}-{draft.id}",
        "description": f"Rows to teach {model_name} one task ({objective.task}, "
        f"{objective.output} answers): {objective.instruction}",
        "version": draft.id,
        "url": _PAGE,
        "datePublished": f"{datetime.now(UTC):%Y-%m-%d}",
        "creator": {"@type": "sc:Organization", "name": f"The project {draft.project.name}"},
        "license": {
            "@type": "sc:CreativeWork",
            "name": "Not stated",
            "description": "The project states no licence. The rights in the source files hold.",
        },
        "isLiveDataset": False,
        **_languages(draft),
        **_responsible(draft),
        "distribution": [_file(name, draft.splits[name]) for name in SPLITS],
        "recordSet": [
            _uses(draft.splits),
            *(_records(name, draft.splits[name]) for name in SPLITS if draft.splits[name]),
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _file(split: Split, rows: Sequence[Row]) -> dict[str, Any]:
    digest, size = sha256(), 0
    for row in rows:
        line = f"{to_json(row)}\n".encode()
        digest.update(line)
        size += len(line)
    return {
        "@type": "cr:FileObject",
        "@id": f"{split}.jsonl",
        "name": f"{split}.jsonl",
        "description": _USES[split],
        "contentUrl": f"{split}.jsonl",
        "contentSize": f"{size} B",
        "encodingFormat": "application/jsonlines",
        "sha256": digest.hexdigest(),
    }


def _uses(splits: Mapping[Split, Sequence[Row]]) -> dict[str, Any]:
    """Return the table of the splits: rows, meaning, and whether they may be trained on."""
    types = {"name": "sc:Text", "url": "sc:URL", "rows": "sc:Integer", "train_on": "sc:Boolean"}
    records = [
        {
            "name": name,
            "url": _MEANINGS[name],
            "rows": len(splits[name]),
            "train_on": name == "train",
        }
        for name in SPLITS
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits: their meaning, and whether a model may be trained on them.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"splits/{name}", "name": name, "dataType": kind}
            for name, kind in types.items()
        ],
        "data": [{f"splits/{key}": value for key, value in row.items()} for row in records],
    }


def _records(split: Split, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the description of a file's records.

    The reference reader takes the keys of JSON Lines as columns; a JSON path it cannot follow.
    """
    found = {key for row in rows for key, usual in _USUAL.items() if getattr(row, key) != usual}
    texts = _FIELDS | {key: text for key, text in _SOMETIMES.items() if key in found}
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "description": f"{_USES[split]} {len(rows):,} rows.",
        "key": {"@id": f"{split}/id"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{split}/{key}",
                "name": key,
                "description": text,
                "dataType": "sc:Boolean" if key == "label" else "sc:Text",
                **({"repeated": True} if key == "history" else {}),
                "source": {"fileObject": {"@id": f"{split}.jsonl"}, "extract": {"column": key}},
            }
            for key, text in texts.items()
        ],
    }


def _languages(draft: Draft) -> dict[str, Any]:
    codes = [code for code, _ in draft.cleaned.languages.most_common() if code not in ("", "und")]
    return {"inLanguage": codes[:_FEW]} if codes else {}


def _responsible(draft: Draft) -> dict[str, Any]:
    return {
        "rai:dataCollection": "The rows were read from the project's files; how those came about "
        "is not recorded by the build.",
        "rai:dataCollectionRawData": _sources(draft),
        "rai:dataAnnotationProtocol": _answers(draft),
        "rai:dataPreprocessingProtocol": _steps(draft),
        "rai:dataManipulationProtocol": _changes(draft),
        "rai:dataLimitations": _limits(draft),
        "rai:dataBiases": _biases(draft),
        "rai:personalSensitiveInformation": _private(draft),
        "rai:dataUseCases": [
            f"{_USES[name]} {name}.jsonl, {_rows(len(draft.splits[name]))}." for name in SPLITS
        ],
        "rai:dataReleaseMaintenancePlan": "This version never changes. Other rows, settings or "
        "another base model make a version of its own, known by another id.",
    }


def _sources(draft: Draft) -> str:
    lines = draft.cleaned.lines
    names = [
        f"{name} ({_rows(lines.get(name, 0))}, sha256 {digest})"
        for name, digest in list(draft.sources.items())[:_FEW]
    ]
    more = f" and {len(draft.sources) - _FEW:,} more" if len(draft.sources) > _FEW else ""
    golden = f" Golden file: sha256 {draft.golden_sha256}." if draft.golden_sha256 else ""
    return f"{'; '.join(names)}{more}.{golden}"


def _answers(draft: Draft) -> str:
    judged = Counter(finding.kind for finding in draft.cleaned.findings)
    people = [
        f"{_rows(judged[kind])} {words}"
        for kind, words in (
            ("edited", "changed by a person"),
            ("rejected", "left out by a person"),
            ("disputed", "on which two people differed"),
        )
        if judged[kind]
    ]
    told = f" Review: {'; '.join(people)}." if people else ""
    return f"The answers are those of the source files; the build writes none.{told}"


def _steps(draft: Draft) -> list[str]:
    """Return a sentence per kind of finding, with what was done and to how many rows."""
    counts: dict[str, Counter[str]] = {}
    for finding in draft.cleaned.findings:
        counts.setdefault(finding.kind, Counter())[finding.action] += 1
    steps = [f"Records read: {draft.cleaned.read:,}."]
    for kind in sorted(counts, key=lambda kind: (list(KINDS).index(kind), kind)):
        actions = ", ".join(f"{count:,} {action}" for action, count in counts[kind].most_common())
        steps.append(f"{KINDS[kind].replace(':', ',')}: {actions}.")
    sizes = ", ".join(f"{name} {len(draft.splits[name]):,}" for name in SPLITS)
    steps.append(f"Rows kept, by split: {sizes}.")
    steps.append("Rows of one group and rows much alike are never in two splits.")
    return steps


def _changes(draft: Draft) -> str:
    data = draft.project.data
    single = ", ".join(f"{kind} {policy}" for kind, policy in sorted(data.entities.items()))
    entities = f"; for single kinds {single}" if single else ""
    return (
        f"Personal data and keys that were found are treated by the policy {data.pii}{entities}. "
        "Prompts and answers are otherwise kept as they were read, save records that were mended "
        "or edited, each of which is counted among the steps."
    )


def _limits(draft: Draft) -> list[str]:
    limits = [
        "Whether the answers are right was not checked, only whether rows contradict each other.",
        "Rephrasings with other words may remain among the rows and between the splits.",
        "The rows tell nothing about cases that none of their scenarios covers.",
    ]
    if not draft.splits["golden"]:
        limits.append("There is no golden set, so leaks into one could not be looked for.")
    if draft.gate.result != "pass":
        accepted = f" It was accepted: {draft.accepted}" if draft.accepted else ""
        limits.append(f"Data gate: {draft.gate.result}. {' '.join(draft.gate.reasons)}{accepted}")
    return limits


def _biases(draft: Draft) -> list[str]:
    rows = draft.splits["train"]
    scenarios = Counter(row.scenario or "(none)" for row in rows)
    shares = [
        f"{name} {count / len(rows):.1%}" for name, count in scenarios.most_common(_FEW) if rows
    ]
    more = f" and {len(scenarios) - _FEW:,} more" if len(scenarios) > _FEW else ""
    biases = [
        f"Scenarios of the training rows: {', '.join(shares)}{more}.",
        "Whether these shares are those of real use was not measured.",
    ]
    languages = draft.cleaned.languages
    if total := sum(languages.values()):
        spoken = ", ".join(f"{code} {n / total:.1%}" for code, n in languages.most_common(_FEW))
        biases.append(f"Languages of the rows, as detected: {spoken}.")
    if draft.cleaned.count("exact duplicate", "near duplicate"):
        biases.append("Repeats were merged, so what is frequent in the sources is rarer here.")
    return biases


def _private(draft: Draft) -> list[str]:
    found = [
        f"{what}, {kind}: {_rows(count)}."
        for what, counts in (
            ("Personal data", draft.cleaned.pii),
            ("Keys and passwords", draft.cleaned.secrets),
        )
        for kind, count in sorted(counts.items())
    ]
    for kind, what in (("sensitive", "a sensitive subject"), ("toxic", "words that may offend")):
        if number := draft.cleaned.count(kind):
            found.append(f"Flagged for {what}: {_rows(number)}.")
    measured = [draft.cleaned.detectors[name] for name in sorted(draft.cleaned.detectors)]
    nothing = "No personal data, key or password was found."
    return [*(found or [nothing]), *measured, "What no detector knows is still in the rows."]


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
