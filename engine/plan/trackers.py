"""The experiment trackers that a run can also write its curves to, and whether they are here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from engine.base.errors import UsageError

NONE = "none"
# Each tracker's title, and the packages that it takes; pyproject.toml has an extra for each.
_TAKES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "tensorboard": ("TensorBoard", ("tensorboard",)),
    "wandb": ("Weights & Biases", ("wandb",)),
    "mlflow": ("MLflow", ("mlflow", "sqlalchemy", "alembic")),
    "trackio": ("Trackio", ("trackio",)),
}
NAMES = tuple(_TAKES)


def chosen(text: str) -> tuple[str, ...]:
    """Return the trackers that a setting names, without repetition; none of `none`.

    Args:
        text: `none`, or names joined by commas.
    """
    names = (name.strip() for name in text.split(","))
    return tuple(dict.fromkeys(name for name in names if name not in ("", NONE)))


def title(name: str) -> str:
    """Return what people call a tracker."""
    return _TAKES[name][0]


def require(text: str) -> None:
    """Make sure that the packages of the named trackers are installed; imports none of them.

    Raises:
        UsageError: One is missing; gives the command that installs all that are.
    """
    lacking = [name for name in chosen(text) if not all(map(_installed, _TAKES[name][1]))]
    if lacking:
        raise UsageError(
            f"{' and '.join(map(title, lacking))} cannot follow this run: not installed.",
            f'Install it: `pip install "tunesmith[{",".join(lacking)}]"`, or leave it out of '
            "`trackers`.",
            "trackers",
        )


def _installed(package: str) -> bool:
    """A folder that happens to be called so, such as W&B's own, has no origin."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None
