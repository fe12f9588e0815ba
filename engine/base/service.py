"""Going on after a restart of the box: a systemd unit of the user's, or a line of crontab.

Both run `tunesmith resume --lost` in a workspace, once, and hold nothing in memory afterwards.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

from engine.base.errors import TunesmithError

# What decides where locks and caches are and which GPUs are seen; a login does not set these.
_KEPT = ("TMPDIR", "TUNESMITH_CACHE", "HF_HOME", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES")
_UNIT = """\
[Unit]
Description={description}

[Service]
Type=oneshot
ExecStart={command}
{environment}# the jobs that it starts go on when it is done
KillMode=process

[Install]
WantedBy=default.target
"""


def unit_file(workspace: Path) -> Path:
    """Return where the unit of a workspace belongs; it need not be there."""
    digest = hashlib.sha256(os.fsencode(workspace)).hexdigest()[:12]
    return _folder() / f"tunesmith-{digest}.service"


def unit(workspace: Path) -> str:
    """Return the text of a workspace's unit.

    Raises:
        TunesmithError: The folder's name has a line break, which neither form can hold.
    """
    kept = [f"{name}={os.environ[name]}" for name in _KEPT if os.environ.get(name)]
    return _UNIT.format(
        description=_escaped(f"Tunesmith goes on with the lost jobs of {workspace}"),
        command=" ".join(_quoted(word, dollars=True) for word in _command(workspace)),
        environment="".join(f"Environment={_quoted(pair)}\n" for pair in kept),
    )


def crontab(workspace: Path) -> str:
    """Return the line of crontab that does the same."""
    kept = [f"{name}={os.environ[name]}" for name in _KEPT if os.environ.get(name)]
    words = [*(["env", *kept] if kept else []), *_command(workspace)]
    return "@reboot " + shlex.join(words).replace("%", r"\%")


def available() -> bool:
    """Say whether systemd runs this box."""
    return Path("/run/systemd/system").is_dir()


def install(workspace: Path) -> Path:
    """Write the unit and have it started at login; return its file."""
    path = unit_file(workspace)
    text = unit(workspace)
    try:
        wants = _wants(path)
        wants.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        wants.unlink(missing_ok=True)
        wants.symlink_to(Path("..") / path.name)
    except OSError as error:
        raise TunesmithError(
            f"The unit cannot be written ({error.strerror}).",
            "Mend this, or take the line of crontab that `tunesmith service show` prints.",
            str(path),
        ) from error
    _reload()
    return path


def remove(workspace: Path) -> bool:
    """Remove the unit; return whether there was one. Jobs at work go on."""
    path = unit_file(workspace)
    there = path.exists()
    _wants(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    if there:
        _reload()
    return there


def installed(workspace: Path) -> bool:
    """Say whether the unit is there and started at login."""
    path = unit_file(workspace)
    return path.exists() and _wants(path).is_symlink()


def _folder() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "systemd" / "user"


def _wants(path: Path) -> Path:
    return path.parent / "default.target.wants" / path.name


def _reload() -> None:
    """Tell a running systemd of the change; without one the next login reads it."""
    if available():
        subprocess.run(
            ["systemctl", "--user", "daemon-reload"], capture_output=True, timeout=30, check=False
        )


def _command(workspace: Path) -> list[str]:
    if "\n" in str(workspace):
        raise TunesmithError(
            "A folder whose name has a line break cannot be resumed at login.",
            "Move the workspace to another folder.",
            str(workspace),
        )
    ours = Path(sys.executable).with_name("tunesmith")
    start = [str(ours)] if ours.exists() else [sys.executable, "-P", "-m", "tui.cli"]
    return [*start, "--workspace", str(workspace), "resume", "--lost"]


def _quoted(word: str, *, dollars: bool = False) -> str:
    """Quote a word for a unit; systemd expands `$` in commands only."""
    text = _escaped(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text.replace("$", "$$") if dollars else text}"'


def _escaped(text: str) -> str:
    """Escape what systemd would take for one of its specifiers; leave control characters out."""
    return "".join(char for char in text if char.isprintable()).replace("%", "%%")
