"""The live steps as text: pure functions of a look and a width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from engine.base.jobs import OPEN
from engine.base.objectives import metrics
from engine.base.paths import PROJECT_NAME
from engine.base.project import Objective
from engine.base.store import Row
from engine.plan.advice import Score
from engine.plan.plan import Plan
from engine.plan.story import story
from tui.question import Answers, Context
from tui.screens.stage import job_lines
from tui.screens.wizard.journey import Look
from tui.steps import STEPS
from tui.widgets.canvas import Line, Part
from tui.widgets.intervals import Measured, compared
from tui.widgets.page import keyed, titled, verdict, wrapped
from tui.words import duration, fit, literal, plain, size, state, tone

Lines = list[Line]
_SUBJECTS = {
    "base": "base",
    "few_shot": "few-shot",
    "similar": "similar",
    "retrieval": "retrieval",
}
_BRIEF = ("steps", "epochs", "learning_rate", "lora_rank", "micro_batch", "max_length", "precision")
_BLANK: Line = ()
_BESIDE = 84  # cells from which there is room for a value and its reason side by side
_NAMES = 16  # cells for the name of a question


def check(look: Look, folder: Path, width: int) -> Lines:
    """Show the building of the dataset, what was found, and what the data gate says."""
    lines = [*_job(look.data, width, "The examples are checked, cleaned and split: some seconds.")]
    if look.dataset is not None:
        lines += [_BLANK, *_sizes(look.dataset)]
    if look.findings:
        lines += [_BLANK, titled("Found in the rows", width), *_findings(look.findings, width)]
    if look.gate is not None and not (look.data and look.data["state"] in OPEN):
        lines += [_BLANK, *_gate(look.gate, width)]
    shell = f"tunesmith data build --project {folder}"
    return [*lines, _BLANK, *_shell(shell, width)]


def advice(look: Look, folder: Path, width: int) -> Lines:
    """Show what the untuned base can do, and whether tuning is worth it."""
    lines = _job(
        look.trial,
        width,
        "The untuned base model answers the validation rows: told how, shown fixed examples, shown "
        "similar ones and, where you named documents, given passages of them. It shows whether you "
        "need to tune at all. You may skip it.",
    )
    if look.baselines and look.project:
        lines += [_BLANK, *_scores(look.baselines, width, look.project.objective)]
    if look.advice is not None:
        symbol = "■" if look.advice.verdict.startswith("stop") else "→"
        colour = "good" if look.advice.verdict == "fine-tune" else "warn"
        lines += [_BLANK, [(f"{symbol} Advice: {look.advice.verdict}", colour)]]
        for reason in look.advice.reasons:
            lines += wrapped(literal(reason), width, first=[("  · ", "quiet")])
        if look.advice.change:
            lines += keyed("  changes it", literal(look.advice.change), width, tone="quiet")
    lines += _fault(look, width)
    return [*lines, _BLANK, *_shell(f"tunesmith advise --trial --project {folder}", width)]


def plan(look: Look, folder: Path, width: int) -> Lines:
    """Show what the training will take, and every value with its reason."""
    shell = _shell(f"tunesmith plan --project {folder}", width)
    found = look.plan
    if found is None:
        waits = "The plan needs the dataset: go back and build it." if not look.fault else ""
        return [*wrapped(waits, width, "quiet"), *_fault(look, width), _BLANK, *shell]
    lines = [
        *costs(found, width),
        _BLANK,
        *verdict(found.gate.result, "Fit gate", [literal(r) for r in found.gate.reasons], width),
        *_measured(look, width),
        _BLANK,
        titled("What will happen", width),
        *_happens(found, look.dataset, width),
        _BLANK,
        titled("Every value, and why", width),
    ]
    first = [key for key in _BRIEF if key in found.values]
    for key in (*first, *(key for key in found.values if key not in first)):
        value = found.values[key]
        head: Line = [(f"{key:<23}", ""), (f"{plain(value.value):<18}", "strong")]
        if width < _BESIDE:  # the reason stands below
            lines += [head, *wrapped(literal(value.why), width, "quiet", first=[("  ", "")])]
        else:
            lines += wrapped(literal(value.why), width, "quiet", first=head)
    return [*lines, _BLANK, *shell]


def _measured(look: Look, width: int) -> Lines:
    """The fit gate's job while it is at work, else what it tried, else the way to it."""
    job = look.fit
    if job is not None and (job["state"] in OPEN or job["state"] in ("failed", "lost")):
        return [_BLANK, *job_lines(job, width, [("m", "key"), (" measures again.", "")])]
    if not look.attempts:
        about = "steps the worst batch for real, in a minute or so, and changes what is too big."
        return wrapped(about, width, first=[("m ", "key")])
    lines: Lines = [[(f"{'tried':<34} {'predicted':>10} {'measured':>10}  result", "quiet")]]
    for row in look.attempts:
        fits = row["result"] == "fits"
        lines.append(
            [
                (fit(literal(row["change"] or "as planned"), 34), ""),
                (f" {size(row['predicted_peak_bytes']):>10}", ""),
                (f" {('' if fits else '> ') + size(row['peak_bytes']):>10}", "strong"),
                (f"  {row['result']}", "good" if fits else "bad"),
            ]
        )
    return [_BLANK, *lines]


def _happens(found: Plan, dataset: Row | None, width: int) -> Lines:
    told = () if dataset is None else story(found, dataset)
    return [
        line for text in told for line in wrapped(literal(text), width, first=[("· ", "quiet")])
    ]


def train(look: Look, folder: Path, width: int, accepted: str) -> Lines:
    """Say what starting does."""
    if look.plan is None:
        return [*wrapped("There is no plan yet: go back one step.", width, "quiet")]
    failed = look.plan.gate.result == "fail"
    lines: Lines = [
        [("Everything is ready." if not failed or accepted else "The fit gate says no.", "strong")],
        _BLANK,
        *costs(look.plan, width),
        _BLANK,
        *wrapped(
            "Then the tuned model is evaluated against the base on rows that no training saw, and "
            "exported to files that are proved equal to it. All of it goes on when this window, or "
            "the connection, closes.",
            width,
        ),
        _BLANK,
    ]
    if failed and not accepted:
        lines += verdict("fail", "Fit gate", [literal(r) for r in look.plan.gate.reasons], width)
        lines += [[("a", "key"), (" goes on nevertheless, with a reason that is recorded.", "")]]
    else:
        if accepted:
            lines += [*keyed("accepted", literal(accepted), width, tone="warn"), _BLANK]
        lines += [[("⏎", "key"), (" starts the training.", "")]]
    shell = f"tunesmith train --project {folder}"
    return [*lines, _BLANK, *_shell(f"{shell} --accept ..." if accepted else shell, width)]


def review(answers: Answers, faults: Mapping[str, str], folder: Path, width: int) -> Lines:
    """Show every answer as it will be written, or what is missing."""
    path = folder / PROJECT_NAME
    if faults:
        lines: Lines = [[("✗ Some answers will not do yet: go back with ^b.", "bad")]]
    else:
        lines = keyed("writes", literal(path), width, room=_NAMES)
        lines += [[("⏎", "key"), (" writes it and builds the dataset.", "")]]
    context = Context(folder, answers)
    for step in STEPS:
        asked = [question for question in step.questions if question.applies(context)]
        lines += [_BLANK, titled(step.title, width)] if asked else []
        for question in asked:
            answer = literal(answers.get(question.key, "")) or "–"
            lines += keyed(question.text, answer, width, room=_NAMES)
            if question.key in faults:
                lines += keyed(
                    "", f"✗ {literal(faults[question.key])}", width, room=_NAMES, tone="bad"
                )
    return lines


def costs(found: Plan, width: int) -> Lines:
    """Return what a plan is predicted to take."""
    return [
        *keyed("model", literal(found.model), width, tone="strong"),
        *keyed("recipe", f"{found.recipe}, on {found.device}", width),
        *keyed("takes", f"{duration(found.seconds)} ({_off(found.seconds_error)})", width),
        *keyed("memory", f"{size(found.peak_bytes)} at its peak ({_off(found.peak_error)})", width),
        *keyed("disk", f"{size(found.disk_bytes)} with checkpoints and exports", width),
        *keyed("energy", f"{found.joules / 3600:.1f} Wh", width),
    ]


def _off(error: float) -> str:
    return f"give or take {error:.0%}"


def _job(job: Row | None, width: int, about: str) -> Lines:
    if job is None:
        return [*wrapped(about, width), _BLANK, [("⏎", "key"), (" starts it.", "")]]
    if job["exit_code"] != 3:
        return job_lines(job, width, [("r", "key"), (" does it again.", "")])
    return [
        [
            (state(job["state"]), tone(job["state"])),
            (f"  job {job['id']}: a gate says no", "quiet"),
        ],
        [("r", "key"), (" does it again once the data is mended", "")],
        [("a", "key"), (" goes on nevertheless, with a reason that is recorded", "")],
    ]


def _sizes(data: Row) -> Lines:
    splits: list[Part] = []
    for name in ("train", "validation", "test", "golden"):
        splits += [(f"{data[name]:,}", "strong"), (f" {name}  ", "quiet")]
    tokens = f"{data['tokens_train']:,} training tokens, the longest example has "
    return [
        [
            (f"{data['rows_kept']:,}", "strong"),
            (f" of {data['rows_read']:,} rows kept", ""),
            (f"   dataset {data['id']}", "quiet"),
        ],
        splits,
        [(f"{tokens}{data['tokens_longest']:,}", "quiet")],
    ]


def _findings(findings: tuple[Row, ...], width: int) -> Lines:
    kind = max(16, min(34, width - 44))
    lines: Lines = [[(f"{'':<{kind}} {'rows':>6}  {'action':<9} first", "quiet")]]
    for row in findings:
        lines.append(
            [
                (fit(literal(row["kind"]).replace("_", " "), kind), ""),
                (f" {row['rows']:>6,}  ", "strong"),
                (f"{fit(literal(row['action']), 9)} ", ""),
                (literal(row["place"] or ""), "quiet"),
            ]
        )
    return lines


def _gate(gate: Row, width: int) -> Lines:
    reasons = [literal(reason) for reason in gate["reasons"].split("\n") if reason]
    accepted = literal(gate["accepted"] or "")
    return verdict(gate["result"], "Data gate", reasons, width, accepted)


def _scores(trial: Mapping[str, Mapping[str, Score]], width: int, objective: Objective) -> Lines:
    metric = objective.metric
    measured = [
        Measured(
            _SUBJECTS.get(subject, subject),
            scores[metric].value,
            scores[metric].low,
            scores[metric].high,
            scores["valid_json"].value if "valid_json" in scores else None,
        )
        for subject, scores in trial.items()
        if metric in scores
    ]
    title = f"{metrics()[metric].title}, validation rows"
    lines = compared(measured, width, objective.threshold, title=title)
    lines.append([(f"┊ your threshold: {100 * objective.threshold:.0f} %", "quiet")])
    return lines


def _fault(look: Look, width: int) -> Lines:
    return [_BLANK, *wrapped(f"✗ {literal(look.fault)}", width, "bad")] if look.fault else []


def _shell(command: str, width: int) -> Lines:
    return wrapped(literal(command), width, "quiet", first=[("$ ", "faint")])


DRAWN: Mapping[str, Callable[[Look, Path, int], Lines]] = {
    "check": check,
    "advice": advice,
    "plan": plan,
}
