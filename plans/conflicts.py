"""The kinds of conflict that stop an apply or a revert, besides those that git names itself.

People and programs read them: they are the ``kind`` of each conflict in a job's result.
"""

from __future__ import annotations

BRANCH = "branch"
OUTSIDE = "outside the plan's paths"
NESTED = "nested repository"
EDITED = "edited in the sandbox since its capture"
CHANGED_SINCE = "changed since the apply"
IGNORED_FILE = "ignored file in the way"
SPECIAL_FILE = "special file in the way"
LINK = "symbolic link in the way"
FOLDER = "folder in the way"

IN_THE_WAY = frozenset({IGNORED_FILE, SPECIAL_FILE, LINK, FOLDER})
"""What git does not know about, and an apply would have to destroy or to follow."""
