"""Datasets of the Hugging Face Hub: `hf:owner/name[@revision][:split]` becomes a folder."""

from __future__ import annotations

import re
from pathlib import Path

from engine.base.errors import TunesmithError, UsageError
from engine.base.paths import cache

_SOURCE = re.compile(
    r"hf:(?P<repo>(?:[\w.-]{1,96}/)?[\w.-]{1,96})(?:@(?P<revision>[\w./-]{1,200}))?"
    r"(?::(?P<split>[\w-]{1,100}))?",
    re.ASCII,
)
_ENDINGS = ("parquet", "jsonl", "json", "csv", "tsv", "arrow")
_PACKED = ("", ".gz", ".zst", ".xz", ".bz2")


def located(source: str, folder: Path = Path()) -> Path:
    """Return where a source lies: downloaded when it starts with `hf:`, else a path.

    Args:
        source: A file, a folder or `hf:owner/name`.
        folder: What a relative path is relative to.
    """
    if source.startswith("hf:"):
        return resolve(source)
    return folder / Path(source).expanduser()


def resolve(source: str) -> Path:
    """Download the data files of a dataset, never its code; return their folder.

    Args:
        source: `hf:owner/name`, with `@revision` and `:split` where wanted.

    Raises:
        UsageError: The source is not written so.
        TunesmithError: The hub cannot be reached, or has no such dataset, revision or split.
    """
    repo, revision, split = parsed(source)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name = "--".join([*repo.split("/"), revision.replace("/", "--") or "main", split or "all"])
    target = cache() / "hub" / name
    try:
        snapshot_download(
            repo,
            repo_type="dataset",
            revision=revision or None,
            local_dir=target,
            allow_patterns=_patterns(split),
        )
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", 0)
        raise _refused(status, source) from error
    except HFValidationError as error:
        raise UsageError("This is no name of a dataset.", "Write hf:owner/name.", source) from error
    except (LocalEntryNotFoundError, OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno == 28:  # no space left
            raise TunesmithError("The disk is full.", "Free some space.", str(target)) from error
        raise TunesmithError(
            "The Hugging Face Hub cannot be reached.",
            "Go online, or download the dataset elsewhere and name its folder.",
            source,
        ) from error
    if not any(path.is_file() for path in target.rglob("*") if ".cache" not in path.parts):
        raise TunesmithError(
            f"The dataset has no data files{' of this split' if split else ''} that can be read.",
            "Name one with parquet, jsonl, json or csv files.",
            source,
        )
    return target


def parsed(source: str) -> tuple[str, str, str]:
    """Return the repository, the revision and the split that a source names; "" for none.

    Raises:
        UsageError: The source is not of the form `hf:owner/name[@revision][:split]`.
    """
    found = _SOURCE.fullmatch(source)
    if found is None or ".." in source:
        raise UsageError(
            "This names no dataset of the hub.", "Write hf:owner/name, or add @revision or :split."
        )
    return found["repo"], found["revision"] or "", found["split"] or ""


def _patterns(split: str) -> list[str]:
    """Return what to download: `train.csv`, `data/train-00000-of-00002.parquet`, `train/x.jsonl`.

    The hub's own matching lets `*` run over slashes.
    """
    ends = [f"{ending}{packed}" for ending in _ENDINGS for packed in _PACKED]
    if not split:
        return [f"*.{end}" for end in ends]
    starts = (f"{split}.", f"{split}[-_/]*.", f"*[-_/]{split}.", f"*[-_/]{split}[-_/]*.")
    return [start + end for start in starts for end in ends]


def _refused(status: int, source: str) -> TunesmithError:
    if status in {401, 403}:
        return TunesmithError(
            "The hub does not give this dataset away: it is private, gated or does not exist.",
            "Check the name, or log in with `hf auth login` and accept its terms on its page.",
            source,
        )
    if status == 404:
        return TunesmithError(
            "The hub has no such dataset or revision.", "Check the name after hf:.", source
        )
    return TunesmithError(
        f"The Hugging Face Hub answered with an error ({status}).", "Try again later.", source
    )
