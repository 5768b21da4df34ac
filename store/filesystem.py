"""Which file system a directory is on; SQLite's WAL needs shared memory that network ones lack."""

from __future__ import annotations

import os
from pathlib import Path

from agentsd.errors import StoreError

# https://sqlite.org/wal.html: all processes using a WAL database must be on the same host.
_NETWORK = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.rclone",
        "lustre",
        "gpfs",
        "virtiofs",
    }
)


def filesystem_type(path: Path) -> str | None:
    """The type of the file system that *path* is on (``ext4``), or None where the kernel does not tell."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:  # not Linux
        return None
    for line in lines:
        mount, _, details = line.partition(" - ")
        if mount.split()[2] == wanted:
            return details.split()[0]
    return None


def refuse_network_filesystem(path: Path) -> None:
    """Raise StoreError if *path* is on a network file system."""
    kind = filesystem_type(path)
    if kind in _NETWORK:
        raise StoreError(
            f"{path} is on a network file system ({kind}), where SQLite loses data. Set AGENTS_STATE_DIR to a local disk."
        )
