"""The tokenizer against the model: ids, special tokens, and what ends an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.base.errors import TunesmithError
from engine.data.chat import model_files
from engine.plan.compatibility.clash import Clash
from engine.plan.compatibility.subject import Subject
from engine.plan.compatibility.tokens import FILE, Tokens

_ROLES = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token")
_SHOWN = 3


def clashes(subject: Subject, tokens: Tokens, rows: int) -> Iterator[Clash]:
    """Yield where tokenizer and model disagree.

    Args:
        subject: The model, with a folder.
        tokens: Its tokenizer.
        rows: Rows of its embeddings; 0 where unknown.
    """
    assert subject.folder is not None  # the caller has read the tokenizer in it
    config = subject.file("tokenizer_config.json")
    special = model_files.special_tokens(subject.folder, config)
    yield from _ids(subject, tokens, special, rows)
    yield from _added(subject, tokens, config)
    yield from _special(subject, tokens, special)
    yield from _end(subject, tokens, special)


def stated_ids(content: Mapping[str, Any], key: str) -> list[int]:
    """Return the ids that a config gives for a role: one, some or none."""
    value = content.get(key)
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, int) and not isinstance(item, bool)]


def _ids(
    subject: Subject, tokens: Tokens, special: Mapping[str, str], rows: int
) -> Iterator[Clash]:
    beyond = [text for text, number in tokens.vocabulary.items() if number >= rows]
    if rows and beyond:
        named = ", ".join(repr(text) for text in beyond[:_SHOWN])
        used = _used(subject, tokens, special, beyond)
        crash = "would crash it" if used else "would crash it where a text has them"
        yield Clash(
            f"The tokenizer's largest id is {tokens.largest:,}, and the embeddings have {rows:,} "
            f"rows: {named}{' and others' if len(beyond) > _SHOWN else ''} {crash}.",
            "Use the tokenizer files that came with these weights, or enlarge the model with "
            f"`model.resize_token_embeddings({tokens.largest + 1})` and save both.",
            fatal=used,
            where=str(subject.folder and subject.folder / FILE),
        )
    for source, content in _configs(subject):
        for role in ("bos", "eos", "pad"):
            wrong = [item for item in stated_ids(content, f"{role}_token_id") if rows <= item]
            if rows and wrong:
                yield Clash(
                    f"{role}_token_id is {wrong[0]:,}, and the embeddings have {rows:,} rows.",
                    f"Set it to the id of the tokenizer's {role} token.",
                    fatal=True,
                    where=f"{subject.folder}/{source}",
                )


def _used(subject: Subject, tokens: Tokens, special: Mapping[str, str], beyond: list[str]) -> bool:
    """Whether tokens without a row are met without fail: in training or in the conversion.

    Gemma 3's small text models have one for images that no text uses. llama.cpp's converter leaves
    such tokens out where it reads a SentencePiece model, and stops at them in every other case.
    """
    assert subject.folder is not None  # the caller has read the tokenizer in it
    if any(text not in tokens.added or text in special.values() for text in beyond):
        return True
    gguf = subject.target in ("llama.cpp", "ollama")
    if gguf and not (subject.folder / "tokenizer.model").is_file():
        return True
    try:
        source = model_files.source(subject.folder, subject.file("tokenizer_config.json"))
    except TunesmithError:
        return False  # told with the template
    return any(text in source for text in beyond)


def _added(subject: Subject, tokens: Tokens, config: Mapping[str, Any]) -> Iterator[Clash]:
    found = list(tokens.conflicts)
    stated = config.get("added_tokens_decoder")
    for number, item in stated.items() if isinstance(stated, Mapping) else ():
        text = item.get("content") if isinstance(item, Mapping) else item
        own = tokens.vocabulary.get(str(text))
        if str(number).isdigit() and own is not None and own != int(number):
            found.append(f"{text!r} is {number} in tokenizer_config.json and {own} in {FILE}")
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        yield Clash(
            f"The tokenizer's added tokens contradict each other: {'; '.join(found[:_SHOWN])}"
            f"{more}.",
            "Use the tokenizer files of the model's publisher.",
            fatal=True,
            where=str(subject.folder and subject.folder / FILE),
        )


def _special(subject: Subject, tokens: Tokens, special: Mapping[str, str]) -> Iterator[Clash]:
    for role in _ROLES:
        text = special.get(role, "")
        if text and text not in tokens.vocabulary:
            yield Clash(
                f"The {role} {text!r} is not in the tokenizer, so it would be read as letters.",
                f"Name a token that it has as `{role}`, or use the publisher's files.",
                fatal=role in ("eos_token", "pad_token"),
                where=f"{subject.folder}/tokenizer_config.json",
            )


def _end(subject: Subject, tokens: Tokens, special: Mapping[str, str]) -> Iterator[Clash]:
    own = tokens.vocabulary.get(special.get("eos_token", ""))
    stated = {
        source: ids
        for source, content in _configs(subject)
        if (ids := stated_ids(content, "eos_token_id"))
    }
    where = f"{subject.folder}/tokenizer_config.json"
    if not special.get("eos_token") and not stated.get("generation_config.json"):
        yield Clash(
            "Nothing says which token ends an answer: the tokenizer names no eos_token.",
            "Set `eos_token` in tokenizer_config.json to the token that ends an answer.",
            fatal=True,
            where=where,
        )
    every = {number for ids in stated.values() for number in ids}
    if own is not None and every and own not in every:
        names = tokens.texts(every)
        others = ", ".join(repr(names.get(number, str(number))) for number in sorted(every))
        yield Clash(
            f"The tokenizer ends an answer with {special['eos_token']!r}, and "
            f"{' and '.join(stated)} with {others}: what is trained to stop may run on.",
            f"Set `eos_token_id` to {own} there, or `eos_token` to what they say.",
            fatal=False,
            where=where,
        )


def _configs(subject: Subject) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "config.json", subject.text
    yield "generation_config.json", subject.file("generation_config.json")
