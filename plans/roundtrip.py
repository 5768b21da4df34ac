"""Files that git would call changed although nobody changed them.

A file that was committed with CRLF and is `text` by now, or a filter that does not undo itself, comes out of a checkout
in a form that is stored differently the next time. Whether git notices depends on how long ago it looked. Here
it does not: what is as a checkout leaves it is unchanged.
"""

from __future__ import annotations

import filecmp
import hashlib
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from agentsd.plans.changes import Difference, Entry, differences, set_entries
from agentsd.plans.git import Git, nul_separated

_FILE = "100"
"""How the modes of plain files begin. Links are never converted."""


def settle(
    git: Git, base: str, tree: str, folder: Path, pristine: Path | None = None
) -> tuple[str, list[Difference]]:
    """*tree* (which the index of *git* holds) without what differs from *base* only by conversion; and the rest.

    *pristine* is an index of *base*; without one it is made. Costs nothing where no file was modified. GitError.
    """
    found = differences(git, base, tree)
    modified = {each.path: each for each in found if _is_modified_file(each)}
    if not modified:
        return tree, found
    if pristine is None:
        pristine = folder / "pristine-index"
        git.using(index=pristine).call("read-tree", base)
    wanted = {path: each.new.oid for path, each in modified.items() if each.new}
    same = untouched(git, pristine, wanted, folder)
    if not same:
        return tree, found
    back = {path: each for path, each in modified.items() if path in same}
    set_entries(
        git,
        {path: Entry(each.new.mode, each.old.oid) for path, each in back.items() if each.old and each.new},
    )
    tree = git.text("write-tree")
    return tree, differences(git, base, tree)


def untouched(git: Git, pristine: Path, wanted: Mapping[str, str], folder: Path) -> set[str]:
    """Those paths of *wanted* (with the object that git would store now) that are as a checkout leaves them.

    *pristine* is the index to check out from; *folder* is scratch.
    """
    root = folder / "pristine"
    root.mkdir()
    # Without a work tree around it the attributes come from the index: those of then, not those of now.
    checkout = git.using(work_tree=root, index=pristine)
    checkout.call(
        "checkout-index", "--force", "--quiet", "-z", "--stdin", stdin=nul_separated(wanted), ok=(0, 1)
    )
    present = git.work_tree or git.cwd
    same = {path for path in wanted if _same_content(root / path, present / path)}
    if different := [path for path in wanted if path not in same]:
        same |= _stored_alike(checkout, pristine, root, {path: wanted[path] for path in different})
    return same


def _is_modified_file(difference: Difference) -> bool:
    sides = (difference.old, difference.new)
    return all(each is not None and each.mode.startswith(_FILE) for each in sides)


def _same_content(one: Path, other: Path) -> bool:
    if not _is_file(one) or not _is_file(other):
        return False
    return filecmp.cmp(one, other, shallow=False)


def _stored_alike(checkout: Git, pristine: Path, root: Path, wanted: Mapping[str, str]) -> set[str]:
    """Those paths of *wanted* whose pristine form, stored again, gives the same object as what is there now.

    That is so where every checkout gives another content, such as a date. Only files that the checkout
    converted are looked at: an edited plain file is just that.
    """
    entries = _entries(checkout)
    converted = [
        path for path in wanted if path in entries and not _is_stored_as_is(root / path, entries[path])
    ]
    if not converted:
        return set()
    index = root.with_name("again-index")
    shutil.copy2(pristine, index)
    again = checkout.using(index=index)
    again.call("update-index", "--info-only", "-z", "--stdin", stdin=nul_separated(converted))
    stored = _entries(again)
    return {path for path in converted if stored.get(path) == wanted[path]}


def _entries(git: Git) -> dict[str, str]:
    """The object of each path in the index."""
    lines = (line.partition("\t") for line in git.paths("ls-files", "--stage", "-z"))
    return {path: facts.split(" ")[1] for facts, _, path in lines}


def _is_stored_as_is(path: Path, oid: str) -> bool:
    """Whether the file holds just what the object *oid* does."""
    if not _is_file(path):
        return True
    digest = (
        hashlib.sha256()
        if len(oid) == hashlib.sha256().digest_size * 2
        else hashlib.sha1(usedforsecurity=False)
    )
    digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest() == oid


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
