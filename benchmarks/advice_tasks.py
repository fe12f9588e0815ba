"""Three tasks of real data, for which the right advice differs.

The thresholds were set before anything was measured: what a person who wants the task done would
ask for, not what a model reaches.
"""

from __future__ import annotations

import ast
import json
import random
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from engine.base.project import DataSettings, Objective, Project

Record = dict[str, str]
_SEED = 7


class Task(NamedTuple):
    """A task: its project, its rows, its documents, and the advice that would be right."""

    project: Project
    rows: Callable[[], list[Record]]
    documents: Callable[[], dict[str, str]]
    right: str


def write(task: Task, folder: Path) -> None:
    """Write a task's project folder."""
    from engine.base import project

    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in task.rows()]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, text in task.documents().items():
        path = folder / "documents" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    project.save(task.project, folder)


# --- prompting suffices: in which of six languages is a sentence? (chatterbot-corpus, BSD-3)

_LANGUAGES = ("english", "french", "german", "italian", "portuguese", "spanish")


def _languages() -> list[Record]:
    import yaml

    folder = _installed("chatterbot_corpus") / "data"
    found = []
    for name in _LANGUAGES:
        sentences: dict[str, None] = {}
        for path in sorted((folder / name).glob("*.yml")):
            for talk in yaml.safe_load(path.read_text("utf-8")).get("conversations", []):
                said = [str(turn).strip() for turn in talk if isinstance(turn, str)]
                sentences |= dict.fromkeys(turn for turn in said if 20 <= len(turn) <= 90)
        chosen = random.Random(_SEED).sample(sorted(sentences), min(120, len(sentences)))
        found += [{"prompt": text, "completion": name, "scenario": name} for text in chosen]
    return found


_LANGUAGE = Task(
    Project(
        "language",
        Objective(
            task="classification",
            instruction="Name the language.",
            prompt="In which language is the message? Answer with one word and nothing else: "
            f"{', '.join(_LANGUAGES[:-1])} or {_LANGUAGES[-1]}.",
            output="text",
            schema={"type": "string", "enum": list(_LANGUAGES)},
            metric="accuracy",
            threshold=0.80,
            minimum_effect=0.10,
        ),
        DataSettings(("rows.jsonl",), test=0.15, validation=0.15),
    ),
    _languages,
    dict,
    "stop: prompting is enough",
)


# --- retrieval wins: the numeric code of a country, a currency, a script (pycountry, LGPL-2.1)

_ASKED = {
    "country": (
        "What is the numeric ISO 3166-1 code of {}?",
        "Which number does ISO 3166-1 give {}?",
        "{}: numeric country code, please",
        "I need the three-digit country code for {} for a customs form",
        "Under which number is {} listed among the countries?",
    ),
    "currency": (
        "What is the numeric ISO 4217 code of the currency {}?",
        "Which number stands for {} in a payment file?",
        "Numeric currency code for amounts in {}?",
        "Our bank asks for the three digits of {}",
        "{} as ISO 4217 number",
    ),
    "script": (
        "What is the numeric ISO 15924 code of the script {}?",
        "Which number has the writing system {}?",
        "ISO 15924 number of {} script",
        "A font table wants the number of {}, what is it?",
        "{}: script number?",
    ),
}


def _entities() -> Iterator[tuple[str, str, str, str]]:
    """Yield kind, name, number and what the documents say."""
    import pycountry

    for item in pycountry.countries:
        official = getattr(item, "official_name", item.name)
        codes = f"alpha-2 code {item.alpha_2}, alpha-3 code {item.alpha_3}"
        say = f"{item.name} ({official}) has the {codes} and the numeric code {item.numeric}."
        yield "country", item.name, item.numeric, say
    for item in pycountry.currencies:
        say = f"{item.name} has the letter code {item.alpha_3} and the numeric code {item.numeric}."
        yield "currency", item.name, item.numeric, say
    for item in pycountry.scripts:
        say = f"The script {item.name} has the letter code {item.alpha_4} and the numeric code "
        yield "script", item.name, item.numeric, f"{say}{item.numeric}."


def _codes() -> list[Record]:
    chance = random.Random(_SEED)
    return [
        {
            "prompt": chance.choice(_ASKED[kind]).format(name),
            "completion": number,
            "scenario": kind,
            "group": f"{kind} {name}",
        }
        for kind, name, number, _ in _entities()
    ]


def _code_pages() -> dict[str, str]:
    """A page for each country, currency and script, as a wiki has them."""
    return {
        f"{kind}-{number}.md": f"# {name}\n\n{said}\n" for kind, name, number, said in _entities()
    }


_CODE = Task(
    Project(
        "codes",
        Objective(
            task="qa",
            instruction="Give the numeric code.",
            prompt="You look up numeric codes of countries, currencies and scripts. Answer with "
            "the three digits of the numeric code and nothing else.",
            output="text",
            schema={"type": "string", "pattern": "^[0-9]{3}$"},
            metric="exact_match",
            threshold=0.70,
            minimum_effect=0.10,
        ),
        DataSettings(("rows.jsonl",), documents=("documents",), test=0.15, validation=0.15),
    ),
    _codes,
    _code_pages,
    "use retrieval",
)


# --- tuning wins: a function's head as JSON of a house's own (Python's standard library, PSF-2.0)


def _signatures() -> list[Record]:
    found: dict[str, Record] = {}
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and 2 <= len(node.args.args) <= 6:
                head = f"def {node.name}({ast.unparse(node.args)})"
                if len(head) <= 90 and not node.name.startswith("_"):
                    found.setdefault(head, _signature(node, head, path.stem))
    return random.Random(_SEED).sample(list(found.values()), min(900, len(found)))


def _signature(node: ast.FunctionDef, head: str, module: str) -> Record:
    names = [item.arg for item in node.args.args]
    method = bool(names) and names[0] in {"self", "cls"}
    optional = names[len(names) - len(node.args.defaults) :]
    answer: dict[str, Any] = {
        "name": node.name,
        "method": method,
        "required": [name for name in names[method:] if name not in optional],
        "optional": optional,
    }
    return {"prompt": head, "completion": json.dumps(answer), "group": module}


_SIGNATURE = Task(
    Project(
        "signatures",
        Objective(
            task="extraction",
            instruction="Signature to JSON.",
            prompt="You read the head of a Python function. Answer with one JSON object and "
            'nothing else, with exactly these keys: "name": the function\'s name; "method": true '
            'if its first argument is self or cls; "required": the names of the arguments without '
            'a default, without self and cls; "optional": those of the arguments with a default.',
            fields=("name", "method", "required", "optional"),
            metric="exact_match",
            threshold=0.70,
            minimum_effect=0.10,
        ),
        DataSettings(("rows.jsonl",), test=0.15, validation=0.15, pii="keep"),
    ),
    _signatures,
    dict,
    "fine-tune",
)

TASKS = {"language": _LANGUAGE, "codes": _CODE, "signatures": _SIGNATURE}


def _installed(package: str) -> Path:
    return Path(sysconfig.get_path("purelib")) / package
