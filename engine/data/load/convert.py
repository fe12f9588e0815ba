"""From a record to a row, or to what is wrong with it."""

from __future__ import annotations

from typing import Any

from engine.base.project import Mapping
from engine.data.load import formats
from engine.data.load.cells import Cells, blank
from engine.data.load.draft import Draft, clean
from engine.data.load.fill import FILLERS, talk
from engine.data.load.formats import Plan
from engine.data.load.reading import MAP, Reading, kind_of
from engine.data.load.records import Broken, Record
from engine.data.load.shown import shown
from engine.data.load.texts import examine, suspect
from engine.data.load.turns import Complaint, FaultyError, turns
from engine.data.rows import Problem, Row, make


class Converter:
    """Makes rows of the records of one file.

    Args:
        mapping: What the user said about its columns.
        usual: How most of its records are read; None where they fit no format.
        cells: What its tables write for an empty cell.
        by_keys: How most records of certain keys are read.
    """

    def __init__(
        self,
        mapping: Mapping,
        usual: Plan | None,
        cells: Cells,
        by_keys: dict[tuple[str, ...], Plan] | None = None,
    ) -> None:
        self.mapping, self.usual, self.cells = mapping, usual, cells
        self._by_keys = by_keys or {}
        self._plans: dict[Any, Plan] = {}

    def convert(self, record: Record | Broken) -> Row | Problem:
        """Return the row of a record, or its problem."""
        if isinstance(record, Broken):
            repaired = None
            if record.mended is not None:
                again = self.convert(Record(record.file, record.number, record.mended))
                repaired = again if isinstance(again, Row) else again.repaired
            return Problem(record.file, record.number, record.what, record.fix, repaired)
        content = record.content
        if content.__class__ is dict:
            if "" in content:  # the name of no column
                record = record._replace(content={k: v for k, v in content.items() if k})
                content = record.content
            plan = self._plans.get(tuple(content))
            if plan is None:
                plan = self._plan(content)
                self._plans[tuple(content)] = plan
            if plan.format == "prompt-completion" and not record.cells:
                row = self._quick(record, content, plan)
                if row is not None:
                    return row
        else:
            plan = formats.recognise(content, self.mapping) or Plan("", 0)
            if isinstance(content, str) and self.usual != plan:  # a text among records
                plan = Plan("", 0)
        return self._carefully(record, plan)

    def _plan(self, content: dict[Any, Any]) -> Plan:
        """Return how records with these keys are read.

        The file's usual way holds where all its columns are there, whatever this record's values,
        but for a way that uses more of them.
        """
        if len(self._plans) > 1000:  # a file of keys that never repeat
            self._plans.clear()
        usual = self.usual
        found = self._by_keys.get(tuple(content)) or formats.recognise(content, self.mapping)
        if not usual or not usual.used():
            return found or formats.missing(content, self.mapping)
        if usual.used() <= content.keys():
            return found if found and found.used() > usual.used() else usual
        lacks = usual.format == "kto" and found and found.used() < usual.used()
        return usual if lacks or not found else found

    def _quick(self, record: Record, content: dict[str, Any], plan: Plan) -> Row | None:
        """Return the row of a plain record without any fault, or None: look carefully then."""
        prompt, completion = content.get(plan.prompt), content.get(plan.completion)
        group, scenario = content.get(plan.group, ""), content.get(plan.scenario, "")
        if not (
            prompt.__class__ is completion.__class__ is group.__class__ is scenario.__class__ is str
        ) or (plan.system and content.get(plan.system)):
            return None
        if suspect(prompt) or suspect(completion) or (group and suspect(group)):
            return None
        if (scenario and suspect(scenario)) or prompt == completion:
            return None
        if not prompt or not completion or prompt.isspace() or completion.isspace():
            return None
        if self.mapping.system_prompt:
            return None
        return make(
            prompt,
            completion,
            group=group,
            scenario=scenario,
            source=f"{record.file}:{record.number}",
        )

    def _carefully(self, record: Record, plan: Plan) -> Row | Problem:
        draft = Draft()
        try:
            if not isinstance(record.content, dict | list) and plan.format != "text":
                raise FaultyError(
                    f"The record is {kind_of(record.content)}, not an object.",
                    'Write it as an object: {"prompt": "...", "completion": "..."}.',
                )
            if not plan.format:
                raise FaultyError("The record fits no known format.", MAP)
            self._fill(draft, record, plan)
            group = self._name(record, plan.group, draft)
            scenario = self._name(record, plan.scenario, draft)
        except FaultyError as error:
            found = error.complaint
            return Problem(record.file, record.number, found.what, found.fix)
        if self.mapping.system_prompt:
            draft.system = self.mapping.system_prompt
        clean(draft)
        complaints = draft.complaints
        row = None
        if all(item.mended for item in complaints):
            row = self._row(draft, record, group, scenario)
        if not complaints and row is not None:
            return row
        first = next((item for item in complaints if not item.mended), complaints[0])
        return Problem(record.file, record.number, first.what, first.fix, row)

    def _row(self, draft: Draft, record: Record, group: str, scenario: str) -> Row:
        return make(
            draft.prompt,
            draft.completion,
            group=group,
            scenario=scenario,
            source=f"{record.file}:{record.number}",
            form=draft.form,
            system=draft.system,
            history=draft.history,
            rejected=draft.rejected,
            label=draft.label,
        )

    def _fill(self, draft: Draft, record: Record, plan: Plan) -> None:
        content = record.content
        if isinstance(content, list):
            talk(draft, turns(content, self.mapping.roles))
            return
        if isinstance(content, str):
            draft.form, draft.completion = "text", content
            return
        reading = Reading(content, record.cells, self.mapping, self.cells, draft)
        if plan.system:
            draft.system = reading.optional(plan.system)
        FILLERS[plan.format](draft, reading, plan)

    def _name(self, record: Record, column: str, draft: Draft) -> str:
        """Return a record's group or scenario."""
        value = record.content.get(column) if column else None
        if value is None or (record.cells and blank(value)):
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise FaultyError(
                f"`{shown(column)}` is {kind_of(value)}, not text.", "Put it in quotes."
            )
        try:
            text, faults = examine(str(value))
        except ValueError as error:
            raise FaultyError(f"`{shown(column)}` is too long a number.", "Shorten it.") from error
        for item in faults:
            what = f"`{shown(column)}` {item.what}."
            draft.complaints.append(Complaint(what, item.fix, item.mended))
        return text
