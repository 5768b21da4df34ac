"""The phase ``count-words``: count the words of the text files below a folder.

A phase is one function. It gets a :class:`agentsd.JobContext`, does its work in a process of its own, and returns
a JSON value, which becomes the job's result. Payload::

    {"folder": "/an/absolute/path", "pattern": "**/*.md"}
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentsd.errors import BadPayloadError

if TYPE_CHECKING:
    from agentsd import JobContext

_WORD = re.compile(r"[^\W\d_]+")
_MOST_FREQUENT = 10


def count_words(job: JobContext) -> dict[str, Any]:
    """Count the words. BadPayloadError if the payload does not name a folder, an OSError if a file cannot be read."""
    folder, pattern = _read_payload(job.payload)
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    words: Counter[str] = Counter()
    for done, path in enumerate(files):
        # Somebody may have asked the job to end (a cancel, its time limit, a shutdown of the worker).
        # This raises JobCancelled then; there is nothing to tidy up here, so it just passes through.
        job.token.raise_if_set()
        # What is told here, `agents job show` shows while the job runs. It never waits.
        job.progress({"files": done, "of": len(files), "words": words.total()})
        words.update(_WORD.findall(path.read_text(encoding="utf-8", errors="replace").lower()))
    job.progress({"files": len(files), "of": len(files), "words": words.total()})
    return {
        "folder": str(folder),
        "commit": _commit(job, folder),
        "files": len(files),
        "words": words.total(),
        "most_frequent": dict(words.most_common(_MOST_FREQUENT)),
    }


def _read_payload(payload: Any) -> tuple[Path, str]:
    """The folder and the pattern. The error ends the job as failed, with the reason ``bad_payload``."""
    match payload:
        case {"folder": str(folder), **rest} if Path(folder).is_dir():
            return Path(folder), str(rest.get("pattern", "**/*.md"))
        case _:
            raise BadPayloadError(f"count-words needs a payload with an existing `folder`, got {payload!r}.")


def _commit(job: JobContext, folder: Path) -> str | None:
    """The commit that is checked out in *folder*; None if it is in no repository."""
    # Tools run through `job.run`: they get the cancel too, and nothing they start outlives the job. Their output goes
    # to a file, because a pipe that a forgotten grandchild holds open would hang the job.
    output = job.log_dir / "commit.txt"
    ended = job.run(["git", "-C", str(folder), "rev-parse", "HEAD"], output=output, timeout=10)
    return output.read_text().strip() if ended.exit_code == 0 else None
