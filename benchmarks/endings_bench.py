"""How soon what is to end has ended, with all its processes: medians of the measuring in ``limits``."""

from __future__ import annotations

from limits import endings, quiet


class Cancel:
    """By kind of job; of those that ignore TERM what is over the grace."""

    params = tuple(endings.KINDS)
    param_names = ("kind",)
    timeout = 300
    unit = "ms"

    def track_cancel(self, kind: str) -> float:
        """From the request to the end of the last process."""
        return endings.cancel_one_kind(kind, 10).median


class Timeout:
    """A job that hangs in native code and ignores TERM."""

    timeout = 300
    unit = "ms"

    def track_timeout_in_native_code(self) -> float:
        """Over the timeout and the grace."""
        return endings.timeouts(5).median


class Idle:
    """A worker that has nothing to do."""

    timeout = 300

    def track_wake_ups(self) -> float:
        """A second, of the supervisor and its spawner."""
        return quiet.idle(1, 5)[1].median

    track_wake_ups.unit = "/s"  # pyright: ignore[reportFunctionMemberAccess]
