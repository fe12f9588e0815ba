"""The fit gate that measures: a plan's worst steps really taken, and the smallest change that fits.

Each attempt is a process of its own, so that running out of memory ends the attempt and not the
job. What is predicted only decides where to begin; what is measured decides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

from engine.base.errors import TunesmithError
from engine.base.gates import Gate
from engine.base.hardware import machine
from engine.base.store import Store
from engine.base.work import Work
from engine.plan import models
from engine.plan import plan as plans
from engine.plan.device import choose
from engine.plan.fit import Demand, fit_gate, lighter, price
from engine.plan.plan import Plan, text
from engine.plan.recipe import Scalar, Value
from engine.plan.settle import BY_PROJECT, BY_YOU
from engine.plan.words import amount
from engine.run import limits
from engine.run.fit.attempt import Ended, attempt
from engine.run.fit.measured import FITS, RAN_OUT
from engine.run.fit.request import LOADING, Request, changed

SECONDS = 12.0  # for the speed, after the worst steps
# A prediction may be this much too high before the gate trusts it and skips an attempt.
_TRUST = 1.3
_MEMORY = ("micro_batch", "accumulation", "gradient_checkpointing", "quantization")
_TIMES = ("startup_seconds", "tokens_per_second", "validation_seconds", "checkpoint_seconds")


class _Gate:
    """One job of the fit gate.

    Args:
        work: The job.
        asked: The plan to probe.
    """

    def __init__(self, work: Work, asked: Plan) -> None:
        self._work = work
        self._asked = asked
        self._settings = asked.settings
        self._demand = _demand(work.store, asked)
        self._limit = limits.present(asked.device)
        self._skipped = False
        self._fixed = frozenset(
            name for name, value in asked.values.items() if value.why in (BY_YOU, BY_PROJECT)
        )

    def run(self) -> None:
        """Try the plan and its changes until one fits; save the plan that follows."""
        pending = self._changes()
        self._skipped = bool(pending[0])
        self._work.log(f"{amount(self._limit.bytes)}: {self._limit.name}")
        total = len(pending)
        while pending:
            self._work.check_stop()
            change = pending.pop(0)
            named = _named(change) or "the plan as it is"
            self._work.progress(total - len(pending) - 1, total, f"trying {named}")
            ended = attempt(self._work, self._request(change), self._limit)
            self._record(self._asked, change, ended, _named(change))
            self._work.log(f"{named}: {_told(ended)}")
            if ended.fits:
                break
            if ended.phase == LOADING:  # smaller steps make no smaller model
                pending = [each for each in pending if _bits(each) != _bits(change)]
        self._save(change, ended)
        self._work.progress(total, total, "measured")

    def _changes(self) -> list[dict[str, Scalar]]:
        """The plan as it is, then its changes in order of cost; but none that is far too large."""
        options = lighter(self._settings, self._fixed, self._demand)
        changes = [{}, *(change for change in options if change)]
        most = _TRUST * self._limit.bytes
        likely = [change for change in changes if self._predicted(change) <= most]
        return likely or [min(changes, key=self._predicted)]

    def _predicted(self, change: Mapping[str, Scalar]) -> int:
        return self._demand.peak({**self._settings, **change})

    def _request(self, change: Mapping[str, Scalar]) -> Request:
        work, asked = self._work, self._asked
        assert asked.id is not None  # it was loaded
        return Request(
            workspace=work.store.workspace,
            project=work.project_dir,
            plan_id=asked.id,
            change=change,
            device=work.device,
            seconds=float(work.args.get("seconds", SECONDS)),
            available=self._limit.bytes,
            folder=work.store.workspace / "jobs" / f"{work.job_id}-fit",
        )

    def _record(
        self, plan: Plan, change: Mapping[str, Scalar], ended: Ended, named: str = ""
    ) -> None:
        store = self._work.store
        store.insert(
            "probes",
            {
                "plan_id": plan.id,
                "job_id": self._work.job_id,
                "position": store.scalar(
                    "SELECT count(*) FROM probes WHERE plan_id = ?", (plan.id,)
                ),
                "change": named,
                "result": FITS if ended.fits else RAN_OUT,
                "predicted_peak_bytes": self._predicted(change),
                "peak_bytes": ended.peak_bytes,
                "limit_bytes": self._limit.bytes,
                **{name: ended.measured.get(name) for name in _TIMES},
                "created": time.time(),
            },
        )

    def _save(self, change: Mapping[str, Scalar], ended: Ended) -> None:
        """Save the plan that follows, with a row that says what it was measured with."""
        made = self._asked
        if ended.fits:
            before = _named({name: self._settings.get(name, "none") for name in change})
            why = f"Changed by the fit gate: {before} {self._too_much()}."
            device = self._demand.device
            whys = {
                name: f"{why} {price({name: value}, device)}".strip()
                for name, value in change.items()
            }
            made = _measured(changed(self._asked, change, whys), ended)
        made = replace(made, id=None, gate=self._judged(change, ended))
        saved = plans.save(self._work.store, self._work.project_id, made)
        self._record(saved, change, ended)

    def _too_much(self) -> str:
        if self._skipped:  # by far, so that no attempt was spent on it
            return f"would need {amount(self._predicted({}))}"
        return "ran out of memory"

    def _judged(self, change: Mapping[str, Scalar], ended: Ended) -> Gate:
        """The gate: what was measured, and what of length and disk memory does not touch."""
        ample = replace(self._demand.device, free=2**62)
        rest = fit_gate({**self._settings, **change}, replace(self._demand, device=ample))
        limit = f"{amount(self._limit.bytes)} ({self._limit.name})"
        found = [f"Measured: {_told(ended)} There are {limit}."]
        if not ended.fits:
            found.append(self._way_out())
        elif change:
            cost = price(change, self._demand.device)
            found.append(f"The fit gate changed the plan to {_named(change)}. {cost}".strip())
        result = rest.result if ended.fits else "fail"
        return Gate("fit", result, (*found, *rest.reasons))

    def _way_out(self) -> str:
        if held := [name for name in _MEMORY if name in self._fixed]:
            return f"You set {', '.join(held)}: leave that open, and the fit gate can change it."
        return (
            "No smaller step helps. Cut long rows (`--set max_length=N`), take a smaller base "
            "model (`tunesmith fits MODEL`), or free memory."
        )


def probe(work: Work) -> None:
    """Find a plan that fits, beginning with the one in the job's arguments, and save it.

    Raises:
        Stopped: The user asked for it.
        TunesmithError: The plan is for another device, or an attempt failed, and not for want of
            memory.
    """
    asked = plans.load(work.store, int(work.args["plan_id"]))
    if asked.device != work.device:
        raise TunesmithError(
            f"The plan is for {asked.device}, but this box now has {work.device}.",
            "Make a new plan: `tunesmith plan --measure`.",
            "device",
        )
    _Gate(work, asked).run()


def _demand(store: Store, asked: Plan) -> Demand:
    return Demand(
        models.find(asked.model).dimensions,
        choose(machine.read()),
        store.scalar("SELECT tokens_longest FROM datasets WHERE id = ?", (asked.dataset_id,)),
        asked.trainer,
        asked.tuning,
        disk=asked.disk_bytes,
        disk_free=machine.disk_free(store.workspace),
    )


def _measured(plan: Plan, ended: Ended) -> Plan:
    """The plan with the measured peak and speed, and the time that follows."""
    seconds = _seconds(plan, ended.measured)
    speed = Value(
        round(ended.measured["tokens_per_second"], 1),
        f"Measured by the fit gate: {ended.measured['sampled']:.0f} steps drawn evenly from the "
        "training's own order.",
    )
    return replace(
        plan,
        values={**plan.values, "tokens_per_second": speed},
        peak_bytes=ended.peak_bytes,
        seconds=seconds,
        joules=plan.joules * seconds / plan.seconds if plan.seconds else plan.joules,
    )


def _seconds(plan: Plan, measured: Mapping[str, float]) -> float:
    """The wall time: the start, all steps, and each validation and checkpoint."""
    steps, validate, save = (
        int(plan[name]) for name in ("steps", "validate_every", "checkpoint_every")
    )
    return (
        measured["startup_seconds"]
        + measured["training_seconds"]
        + math.ceil(steps / validate) * measured["validation_seconds"]
        + math.ceil(steps / save) * measured["checkpoint_seconds"]
    )


def _bits(change: Mapping[str, Scalar]) -> Scalar:
    return change.get("quantization", "")


def _named(change: Mapping[str, Scalar]) -> str:
    return " ".join(f"{name}={text(value)}" for name, value in change.items())


def _told(ended: Ended) -> str:
    if ended.fits:
        return f"it fits, with a peak of {amount(ended.peak_bytes)}."
    if ended.measured:
        room = limits.MARGIN - 1
        return f"its peak of {amount(ended.peak_bytes)} leaves less than {room:.0%} of room."
    return f"out of memory at {amount(ended.peak_bytes)} while {ended.phase}."
