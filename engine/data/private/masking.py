"""What happens to personal data and secrets in a row: masked, pseudonymised, dropped or kept."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Literal, NamedTuple

from engine.base.errors import UsageError
from engine.base.project import Policy
from engine.data.private import pii, secrets
from engine.data.private.json_view import View
from engine.data.private.pseudonyms import pseudonym, short
from engine.data.private.spans import Span, add, plain, without
from engine.data.rows import Row, Turn, changed

Action = Literal["masked", "pseudonymised", "dropped", "kept"]
_SECRET = "secret"  # noqa: S105 - the name of a kind
KINDS = (*(kind.lower() for kind in pii.KINDS), _SECRET)
_ACTIONS: dict[Policy, Action] = {
    "mask": "masked",
    "pseudonymise": "pseudonymised",
    "drop": "dropped",
    "keep": "kept",
}
_SEPARATED = ("PHONE", "CARD", "IBAN", "SSN", "CN_ID")  # blanks and hyphens do not matter
_SEPARATOR = r"[ ().\-/]{0,2}"
_LEAST_SUFFIX = 7  # digits in which two spellings of one phone number agree


class Found(NamedTuple):
    """A find, without its value.

    Attributes:
        kind: A kind of `pii.KINDS`, or the provider of a secret; lower case.
        secret: Whether it is a key or a password.
        part: The text it stands in: prompt, completion, system, rejected, or history[N] from 0.
        start: The place in that text, before anything was replaced.
        end: The end of that place.
        action: What was done with it.
        fingerprint: 8 hex characters of a keyed hash; equal for equal values.
    """

    kind: str
    secret: bool
    part: str
    start: int
    end: int
    action: Action
    fingerprint: str


class Treated(NamedTuple):
    """A row after its treatment; none where the policy drops it."""

    row: Row | None
    found: tuple[Found, ...]


class Masked(NamedTuple):
    """A row with its finds replaced; `pii` and `secrets` name the kinds that were found."""

    row: Row
    pii: tuple[str, ...]
    secrets: tuple[str, ...]


class Privacy:
    """The policies of a data set.

    A URL is kept where `entities` does not name it: it identifies no person by itself. A secret
    that is to be pseudonymised is masked: nothing can be learnt from the form of a key.

    Args:
        default: What to do with a kind that `entities` does not name.
        entities: What to do with single kinds; `secret` stands for all keys and passwords.
        key: The secret of the data set, which fingerprints and pseudonyms follow from.

    Raises:
        UsageError: `entities` names an unknown kind.
    """

    def __init__(self, default: Policy, entities: Mapping[str, Policy], key: bytes) -> None:
        for name in entities:
            if name not in KINDS:
                near = difflib.get_close_matches(name.lower(), KINDS, n=1, cutoff=0)[0]
                raise UsageError(
                    f"There is no kind of personal data called `{name[:40]}`.",
                    f"The nearest is `{near}`; there are {', '.join(KINDS)}.",
                    "data.entities",
                )
        usual: dict[str, Policy] = {**dict.fromkeys(KINDS, default), "url": "keep"}
        self._policies = usual | dict(entities)
        if self._policies[_SECRET] == "pseudonymise":
            self._policies[_SECRET] = "mask"
        self._key = short(key)

    def treat(self, row: Row) -> Treated:
        """Find what a row holds and do with it what the policies say.

        One value has one placeholder (`<EMAIL_1>`) or one pseudonym in all texts of the row,
        however it is written. A JSON text stays JSON.
        """
        return self._apply(row, self._policies)

    def masked(self, row: Row) -> Row:
        """Return the row with all but URLs masked, whatever the policies say; to show it."""
        policies: dict[str, Policy] = {**dict.fromkeys(KINDS, "mask"), "url": "keep"}
        return self._apply(row, policies).row or row

    def _apply(self, row: Row, policies: Mapping[str, Policy]) -> Treated:
        texts = _texts(row)
        if not any(_holds(text) for text in texts.values()):
            return Treated(row, ())
        names = _Names(self._key, policies, texts)
        views = {part: View(text) for part, text in texts.items()}
        hits = {part: names.hits(view.seen) for part, view in views.items()}
        hits = {part: names.again(views[part].seen, found) for part, found in hits.items()}
        drop = any(names.policy(hit) == "drop" for found in hits.values() for hit in found)
        found = tuple(
            self._found(part, hit, views[part], "drop" if drop else names.policy(hit))
            for part in texts
            for hit in hits[part]
        )
        if drop:
            return Treated(None, found)
        new = {part: views[part].replaced(names.changes(hits[part])) for part in texts}
        return Treated(row if new == texts else _with(row, new), found)

    def _found(self, part: str, hit: _Hit, view: View, policy: Policy) -> Found:
        said = f"{hit.kind}\0{hit.key}".encode(errors="surrogatepass")
        fingerprint = blake2b(said, key=self._key, digest_size=4).hexdigest()
        place = view.place(hit.start, hit.end)
        return Found(hit.name, hit.kind == "SECRET", part, *place, _ACTIONS[policy], fingerprint)


class _Hit(NamedTuple):
    """A find: its kind, its name in reports, its place, and what its spellings share."""

    kind: str
    name: str
    start: int
    end: int
    key: str
    value: str


class _Names:
    """The values of one row, each with what stands for it."""

    def __init__(self, key: bytes, policies: Mapping[str, Policy], texts: dict[str, str]) -> None:
        self._key = key
        self._policies = policies
        self._texts = texts
        self._values: dict[tuple[str, str], _Hit] = {}
        self._names: dict[tuple[str, str], str] = {}

    def policy(self, hit: _Hit) -> Policy:
        return self._policies[hit.kind.lower()]

    def hits(self, text: str) -> list[_Hit]:
        """Return the finds of a text."""
        private = secrets.find(text)
        names = {span.start: span.kind.lower() for span in private}
        spans = [Span("SECRET", span.start, span.end) for span in private]
        add(spans, pii.find(without(text, spans)))
        return [
            self._hit(span, names[span.start] if span.kind == "SECRET" else span.kind.lower(), text)
            for span in spans
        ]

    def _hit(self, span: Span, name: str, text: str) -> _Hit:
        value = text[span.start : span.end]
        key = self._known(span.kind, pii.key(span.kind, value))
        hit = _Hit(span.kind, name, span.start, span.end, key, value)
        self._values.setdefault((span.kind, key), hit)
        return hit

    def _known(self, kind: str, key: str) -> str:
        """Return the key of a value met before that is the same phone number, or the key."""
        if kind != "PHONE" or (kind, key) in self._values:
            return key
        for other_kind, other in self._values:
            least = min(len(key), len(other))
            same = least >= _LEAST_SUFFIX and key[-least:] == other[-least:]
            if other_kind == "PHONE" and same:
                return other
        return key

    def again(self, text: str, hits: list[_Hit]) -> list[_Hit]:
        """Return the finds of a text, and the values of other texts that nothing else shows."""
        spans = [Span(h.kind, h.start, h.end) for h in hits if self.policy(h) != "keep"]
        more = list(hits)
        seen = plain(text)
        for first in self._values.values():
            if first.kind == "URL" or self.policy(first) == "keep":
                continue
            for match in _spellings(first).finditer(seen):
                span = Span(first.kind, *match.span())
                before = len(spans)
                add(spans, [span])
                if len(spans) > before:
                    more.append(first._replace(start=span.start, end=span.end))
        return sorted(more, key=lambda hit: hit.start)

    def changes(self, hits: Iterable[_Hit]) -> list[tuple[int, int, str]]:
        """Return what to put in the place of each find."""
        policies = (self.policy(hit) for hit in hits)
        return [
            (hit.start, hit.end, self._name(hit, policy))
            for hit, policy in zip(hits, policies, strict=True)
            if policy != "keep"
        ]

    def _name(self, hit: _Hit, policy: Policy) -> str:
        key = (hit.kind, hit.key)
        if key not in self._names:
            first = self._values[key].value
            made = pseudonym(hit.kind, first, self._key) if policy == "pseudonymise" else ""
            self._names[key] = made or self._placeholder(hit.kind)
        return self._names[key]

    def _placeholder(self, kind: str) -> str:
        number = 1 + sum(other == kind for other, _ in self._names)
        taken = set(self._names.values())
        while (name := f"<{kind}_{number}>") in taken or any(
            name in text for text in self._texts.values()
        ):
            number += 1
        return name


def mask(row: Row) -> Masked:
    """Replace personal data and secrets by `<EMAIL_1>`, `<PHONE_1>`, `<SECRET_1>` and so on."""
    treated = _MASK.treat(row)
    replaced = [found for found in treated.found if found.action == "masked"]
    kinds = {secret: {f.kind for f in replaced if f.secret is secret} for secret in (False, True)}
    return Masked(treated.row or row, tuple(sorted(kinds[False])), tuple(sorted(kinds[True])))


def _texts(row: Row) -> dict[str, str]:
    texts = {"system": row.system} if row.system else {}
    for i, turn in enumerate(row.history):
        texts[f"history[{i}]"] = turn.content
    texts |= {"prompt": row.prompt, "completion": row.completion}
    return texts | {"rejected": row.rejected} if row.rejected else texts


def _with(row: Row, texts: dict[str, str]) -> Row:
    history = tuple(Turn(turn.role, texts[f"history[{i}]"]) for i, turn in enumerate(row.history))
    others = {part: text for part, text in texts.items() if not part.startswith("history")}
    return changed(row, history=history, **others)


def _holds(text: str) -> bool:
    """Say whether a text holds a find, as it stands or behind the escapes of JSON."""
    if pii.find(text) or secrets.find(text):
        return True
    if "\\" not in text or text.lstrip()[:1] not in ("{", "["):
        return False
    seen = View(text).seen
    return seen != text and bool(pii.find(seen) or secrets.find(seen))


def _spellings(hit: _Hit) -> re.Pattern[str]:
    """Return a pattern for a value in whatever spelling."""
    if hit.kind in _SEPARATED:
        phone = hit.kind == "PHONE" and len(hit.key) >= _LEAST_SUFFIX
        characters = hit.key.partition("x")[0] if phone else filter(str.isalnum, plain(hit.value))
        body = _SEPARATOR.join(map(re.escape, characters))
        if phone:  # before it the country's code, an area or a nought
            body = rf"\+?(?:\d{_SEPARATOR}){{0,5}}{body}"
    else:
        body = re.escape(plain(hit.value))
    flags = re.NOFLAG if hit.kind == "SECRET" else re.IGNORECASE
    return re.compile(rf"(?<![A-Za-z0-9]){body}(?![A-Za-z0-9])", flags)


_MASK = Privacy("mask", {}, b"")
