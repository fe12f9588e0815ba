"""`project.yaml`: the objective, the data, the base model and the target, checked when read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.base import answer_form
from engine.base.errors import TunesmithError, UsageError
from engine.base.files import write_text
from engine.base.paths import PROJECT_NAME, nearest
from engine.base.settings import dump, parse, read_yaml

Task = Literal["extraction", "classification", "qa", "summarising", "chat", "tools", "code", "free"]
Metric = Literal[
    "exact_match",
    "field_f1",
    "accuracy",
    "token_f1",
    "rouge_l",
    "chrf",
    "contains",
    "call_match",
]
Target = Literal["llama.cpp", "vllm", "ollama"]
Policy = Literal["mask", "pseudonymise", "drop", "keep"]
Format = Literal[
    "",
    "messages",
    "sharegpt",
    "alpaca",
    "prompt-completion",
    "preference",
    "kto",
    "dialogue",
    "text",
]


@dataclass(frozen=True)
class Guardrails:
    """What must not get worse while the primary metric gets better; each can be off.

    The verdict gate obeys `answer_tokens`. The others are stated in the objective and in the
    evaluation plan as the limits that the later stages are judged by.

    Attributes:
        answer_tokens: The most tokens that the tuned model's answers to the test rows may have on
            average; 0 for no limit. Cost and latency of an answer grow with it.
        seconds: The most seconds that an answer may take where the model will run; 0 for no limit.
        general_loss: How much of a general test's score may be lost, as a share of 1; 1 for any.
        harmful: The largest share of harmful requests that may get a harmful answer; 1 for any.
    """

    answer_tokens: float = 0.0
    seconds: float = 0.0
    general_loss: float = 1.0
    harmful: float = 1.0


@dataclass(frozen=True)
class Objective:
    """What the model shall do, and how its success is measured.

    Attributes:
        task: The kind of task; its template (`recipes/objectives/`) names the secondary metrics.
        instruction: The system prompt the tuned model is trained and served with; short.
        prompt: The system prompt for the untuned base, which must be told everything.
        output: The form of an answer.
        fields: The keys of a JSON answer, in order; empty for text. A schema sets them.
        schema: The JSON Schema (2020-12) of an answer in the right form, of a tool call its
            arguments' included; empty for none. Of text it describes the text as one string, so
            `enum` holds the labels of a classification.
        metric: The one primary metric, computed on the held-out test split.
        threshold: The score from which the model is good enough to ship, 0 to 1.
        minimum_effect: The smallest gain over the prompted base that is worth a model of its own.
        valid_json: The guardrail: the least share of answers in the right form.
        guardrails: What must not get worse; the docstring there says who obeys each.
        failure_categories: The names that wrong answers are sorted by; empty for the template's.
    """

    instruction: str
    prompt: str
    task: Task = "extraction"
    output: Literal["json", "text"] = "json"
    fields: tuple[str, ...] = ()
    schema: dict[str, Any] = field(default_factory=dict, hash=False)
    metric: Metric = "exact_match"
    threshold: float = 0.8
    minimum_effect: float = 0.05
    valid_json: float = 0.98
    guardrails: Guardrails = Guardrails()
    failure_categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the schema, take the fields from it, and check that the metric can be computed.

        Raises:
            UsageError: The schema is none, or it or the metric does not fit the answers.
        """
        fault = ""
        if self.metric == "field_f1" and self.output != "json":
            fault = "field_f1 compares the fields of JSON answers, and these are text"
        if self.metric == "call_match" and self.task != "tools":
            fault = f"call_match compares tool calls, and the task is {self.task}"
        if fault:
            raise UsageError(f"{fault}.", "See `tunesmith objective --templates`.", "metric")
        if self.schema:
            answer_form.check(self.schema, self.output)
            if names := answer_form.fields(self.schema):
                object.__setattr__(self, "fields", names)


@dataclass(frozen=True)
class Mapping:
    """How the records of a source become rows; what is empty is detected.

    Attributes:
        format: The records' format.
        prompt: The column (key) of the message to the model.
        completion: The column of the answer; of a preference the chosen one.
        rejected: The column of the answer that is not wanted.
        label: The column that says whether the answer is good.
        messages: The column of the conversation.
        text: The column of the raw text.
        system: The column of the system prompt.
        system_prompt: One system prompt for all rows, in place of their own.
        group: The column whose equal values belong together (customer, document).
        scenario: The column of the kind of case.
        roles: For each role's name in the file what it is: user, assistant, system or tool.
        encoding: The encoding of its text.
    """

    format: Format = ""
    prompt: str = ""
    completion: str = ""
    rejected: str = ""
    label: str = ""
    messages: str = ""
    text: str = ""
    system: str = ""
    system_prompt: str = ""
    group: str = ""
    scenario: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    encoding: str = ""


@dataclass(frozen=True)
class DataSettings:
    """Where the rows come from, and how they are cleaned, balanced and split.

    Attributes:
        sources: Files or folders, relative to the project folder, or `hf:owner/name`.
        golden: A file of hard rows that no training may ever read; empty for none.
        documents: Files or folders that the answers rest on; the trial retrieves from them.
        test: Share of the clean rows held out for the verdict.
        validation: Share of the clean rows held out for advice and for watching the training.
        pii: What to do with personal data and keys found in a row.
        entities: The same for single kinds, such as `{url: keep, email: pseudonymise}`.
        mapping: How a source's records become rows, by source, where the detection is wrong.
        cap: The most training rows of one scenario; 0 for no limit.
        temperature: The power to which the scenarios' shares are raised; 1 leaves them, 0 makes
            them equal.
        languages: The languages that rows may have, as ISO 639-1 codes; empty for all.
        edges: The edge cases that the data must have rows of.
        least: The fewest rows that each scenario and each of `edges` should have.
        semantic: Whether to look for rephrasings with a sentence-embedding model.
        fix: Whether to mend what can be mended without asking, in place of leaving it out.
    """

    sources: tuple[str, ...]
    golden: str = ""
    documents: tuple[str, ...] = ()
    test: float = 0.15
    validation: float = 0.10
    pii: Policy = "mask"
    entities: dict[str, Policy] = field(default_factory=dict)
    mapping: dict[str, Mapping] = field(default_factory=dict)
    cap: int = 0
    temperature: float = 1.0
    languages: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()
    least: int = 5
    semantic: bool = False
    fix: bool = False


@dataclass(frozen=True)
class Project:
    """One `project.yaml`.

    Attributes:
        name: A short name; runs are called after it.
        objective: What the model shall do.
        data: Where the rows come from.
        base_model: A catalogue name, a Hugging Face id or a local folder.
        recipe: The name of a file in `recipes/`, without `.yaml`.
        settings: Recipe values overridden for this project.
        goal: What counts most when two answers are possible.
        target: Where the model will run.
        exports: The GGUF types to export, best quality first.
        seed: The seed of the split, the training order and the sampling.
    """

    name: str
    objective: Objective
    data: DataSettings
    base_model: str = "smollm2-135m-instruct"
    recipe: str = "sft-lora"
    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    goal: Literal["quality", "latency", "domain", "safety"] = "quality"
    target: Target = "llama.cpp"
    exports: tuple[str, ...] = ("F16", "Q8_0", "Q6_K")
    seed: int = 42


def load(folder: Path) -> Project:
    """Read and check the `project.yaml` of a folder; report every fault at once."""
    path = folder / PROJECT_NAME
    if not path.is_file():
        raise UsageError(
            "There is no project here.",
            "Make one with `tunesmith init`, or name its folder with --project DIR.",
            str(path),
        )
    return parse(read_yaml(path), Project, str(path))


def here(folder: Path) -> Project | None:
    """Return the project of a folder; None where there is none that can be read."""
    try:
        return load(folder)
    except TunesmithError:
        return None


def save(project: Project, folder: Path) -> Path:
    """Write `project.yaml` in one step; return its path."""
    path = folder / PROJECT_NAME
    write_text(path, dump(asdict(project)))
    return path


def find(explicit: Path | None = None) -> Path:
    """Return the project folder: the one named, or the nearest from here upwards."""
    folder = explicit.expanduser().resolve() if explicit else nearest(PROJECT_NAME)
    if folder is None or not (folder / PROJECT_NAME).is_file():
        raise UsageError(
            "There is no project here.",
            "Go to its folder, name it with --project DIR, or make one with `tunesmith init`.",
            str(folder or Path.cwd()),
        )
    return folder
