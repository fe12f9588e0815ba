"""The chat template against the rows' roles, and against what ends an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from engine.base.errors import TunesmithError
from engine.data.chat import chat_jinja, model_files
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Row, Turn, make
from engine.plan.compatibility import alternatives
from engine.plan.compatibility.alternatives import instead
from engine.plan.compatibility.clash import Clash
from engine.plan.compatibility.marks import Marks
from engine.plan.compatibility.subject import Subject
from engine.plan.compatibility.tokens import Tokens

_INSTRUCTION = "zqinstructionqz"
_THOUGHT = "zqthoughtqz"
_NAMES = {"user": "zquser{}qz", "assistant": "zqanswer{}qz", "tool": "zqtool{}qz"}
_MOMENTS = (datetime(2001, 2, 3, 4, 5, tzinfo=UTC), timedelta(days=400, hours=7))
_LONGEST = 240  # characters of what a template says
_OWN = "Mend the template, or convert these rows"


class _Probe(NamedTuple):
    """A template made ready, and the place of its text."""

    template: ChatTemplate
    marks: Marks
    where: str


def clashes(subject: Subject, tokens: Tokens) -> Iterator[Clash]:
    """Yield what speaks against writing these rows with this model's template."""
    try:
        source = _source(subject)
        if not source and subject.rows.form == "text":
            return
        probe = _probe(subject, tokens, source)
    except TunesmithError as error:
        found = instead(subject, alternatives.chats, otherwise=error.fix)
        yield Clash(error.what, found, fatal=True, where=error.where or str(subject.folder))
        return
    except Exception as error:  # noqa: BLE001 - a foreign template may fail in any way
        yield Clash(
            f"The model's chat template fails on a plain question ({type(error).__name__}).",
            instead(subject, alternatives.chats, otherwise="Use the publisher's files."),
            fatal=True,
            where=str(subject.folder),
        )
        return
    yield from _pure(probe)
    if subject.rows.form == "text":
        return
    yield from _end(probe)
    yield from _system(subject, probe)
    yield from _shapes(subject, probe)
    yield from _earlier(subject, probe)


def _source(subject: Subject) -> str:
    assert subject.folder is not None  # the caller has read its tokenizer
    return model_files.source(subject.folder, subject.file("tokenizer_config.json"))


def _probe(subject: Subject, tokens: Tokens, source: str) -> _Probe:
    folder = subject.folder
    assert folder is not None  # the caller has read its tokenizer
    if not source:
        raise TunesmithError(
            "The model has no chat template, so it does not know what a message is.",
            "Use its instruction-tuned variant (often called -Instruct or -it).",
        )
    config = subject.file("tokenizer_config.json")
    special = model_files.special_tokens(folder, config)
    plain = Marks(tokens, {})
    stops = model_files.stops(folder, plain, special)
    named = {text: number for number, text in tokens.texts(stops).items()}
    marks = Marks(tokens, named)
    file = "chat_template.jinja"
    where = folder / (file if (folder / file).is_file() else "tokenizer_config.json")
    return _Probe(ChatTemplate(marks, source, special, stops), marks, str(where))


def _pure(probe: _Probe) -> Iterator[Clash]:
    """The same conversation must always become the same text."""
    template = probe.template
    compiled = chat_jinja.compiled(template.source)
    first, later = _MOMENTS

    def written(moment: datetime) -> str:
        messages = [{"role": "user", "content": _NAMES["user"].format(0)}]
        text: str = compiled.render(
            messages=messages,
            add_generation_prompt=True,
            tools=None,
            documents=None,
            strftime_now=moment.strftime,
            **template.special,
        )
        return text

    try:
        texts = {written(first) for _ in range(3)}
        dated = written(first + later)
    except Exception:  # noqa: BLE001 - foreign code; a refusal is told with the rows it meets
        return
    if len(texts) > 1:
        yield Clash(
            "The chat template writes something else each time, so what is trained is not what "
            "is asked later.",
            "Take the randomness out of the template.",
            fatal=True,
            where=probe.where,
        )
    elif dated not in texts:
        yield Clash(
            "The chat template writes today's date into every prompt: the model learns the day of "
            "training, two builds differ, and later prompts have another.",
            "Put a fixed date in its place in the template, if the task needs none.",
            fatal=False,
            where=probe.where,
        )


def _end(probe: _Probe) -> Iterator[Clash]:
    template = probe.template
    if template.marks_end:
        return
    row = make(_NAMES["user"].format(0), _NAMES["assistant"].format(0))
    after = template.texts("", row)[1].partition(row.completion)[2]
    mark = probe.marks.first(after)
    stop = probe.marks.id_to_token(template.eos_id) or str(template.eos_id)
    if mark:
        yield Clash(
            f"The template ends an answer with {mark!r}, at which the model does not stop "
            f"(it stops at {stop!r}); where it runs it writes that mark, or runs on and on.",
            f"Set `eos_token` to {mark!r} in tokenizer_config.json, and add its id to "
            "`eos_token_id` in generation_config.json.",
            fatal=False,
            where=probe.where,
        )


def _system(subject: Subject, probe: _Probe) -> Iterator[Clash]:
    used = subject.instruction or subject.rows.system
    if not (used and probe.template.folds):
        return
    yield Clash(
        "The template takes no system text; Tunesmith puts it before the first message of the "
        "user, and every program that asks the model must do so too.",
        instead(subject, alternatives.takes_system, otherwise="Do so where it runs.").replace(
            "Use", "Do so where it runs, or use"
        ),
        fatal=False,
        where=probe.where,
    )


def _shapes(subject: Subject, probe: _Probe) -> Iterator[Clash]:
    """Every order of roles that the rows have, tried once."""
    refused, lost = [], set()
    for shape in subject.rows.shapes:
        row, contents = _row(shape)
        system = _INSTRUCTION if subject.instruction or subject.rows.system else ""
        try:
            prompt, answer = probe.template.texts(system, row)
        except TunesmithError as error:
            refused.append((shape, error.what[:_LONGEST]))
            continue
        except Exception as error:  # noqa: BLE001 - foreign code may raise anything
            refused.append((shape, f"The chat template fails on it ({type(error).__name__})."))
            continue
        lost |= {role for role, text in contents if text not in prompt + answer}
    if refused:
        yield _refusal(subject, probe, *refused[0], more=len(refused) - 1)
    for role in sorted(lost):
        wish = alternatives.takes_tools if role == "tool" else alternatives.chats
        yield Clash(
            f"The template leaves out what stands in the role {role!r}, so the model would not "
            "read it.",
            instead(subject, wish, otherwise=f"{_OWN}: put it into the user's message."),
            fatal=True,
            where=probe.where,
        )


def _refusal(
    subject: Subject, probe: _Probe, shape: Sequence[str], why: str, *, more: int
) -> Clash:
    way = f"{_OWN}: " + (
        "put what tools return into the user's message."
        if "tool" in shape
        else "join messages of one role that follow each other."
    )
    wish = alternatives.takes_tools if "tool" in shape else alternatives.chats
    use = instead(subject, wish, otherwise="").replace("Use", " Or use")
    return Clash(
        f"The template refuses rows with the order {', '.join(shape)}"
        f"{f' and {more} other orders' if more else ''}: {why}",
        way + use,
        fatal=True,
        where=probe.where,
    )


def _earlier(subject: Subject, probe: _Probe) -> Iterator[Clash]:
    """Whether the answers before the last one are learnt as well, and their thoughts kept."""
    if not subject.rows.turns:
        return
    row, _ = _row(("user", "assistant", "user", "assistant"))
    try:
        example: Any = probe.template.example("", row)
        thinking = _row(("user", "assistant", "user", "assistant"), thinking=True)[0]
        kept = _THOUGHT in probe.template.texts("", thinking)[0]
    except Exception:  # noqa: BLE001 - a refusal is told by `_shapes`
        return
    if example.last_only:
        yield Clash(
            "The template writes an earlier answer otherwise than it was asked for, so of each "
            "conversation only the last answer is learnt.",
            "Make a row of its own of each answer, if the earlier ones shall be learnt too.",
            fatal=False,
            where=probe.where,
        )
    if subject.rows.thinking and not kept:
        yield Clash(
            "The template drops the thoughts of earlier answers, so they are neither read nor "
            "learnt.",
            "Make a row of its own of each answer whose thoughts shall be learnt.",
            fatal=False,
            where=probe.where,
        )


def _row(shape: Sequence[str], *, thinking: bool = False) -> tuple[Row, list[tuple[str, str]]]:
    """Return a row with this order of roles, and what stands in each."""
    thought = f"<think>\n{_THOUGHT}\n</think>\n\n" if thinking else ""
    contents = [
        (role, (thought if role == "assistant" else "") + _NAMES.get(role, "zq{}qz").format(place))
        for place, role in enumerate(shape)
    ]
    turns = [Turn(role, text) for role, text in contents]
    *before, last = turns
    prompt = before.pop().content if before and before[-1].role == "user" else ""
    return make(prompt, last.content, history=tuple(before)), contents
