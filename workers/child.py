"""The life of a job process between fork and exit: become one, wait for an order, run, report.

Everything here runs inside ``try … finally: os._exit``: an exception that escaped would run the spawner's
own code a second time, in the child.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module

from agentsd.errors import JobCancelled
from agentsd.faults import reach
from agentsd.workers import kernel, limits
from agentsd.workers.becoming import become_job_process, become_this_job, forget_signals
from agentsd.workers.board import Board
from agentsd.workers.context import JobContext, JobInfo
from agentsd.workers.failure import describe, kept_result, print_traceback
from agentsd.workers.frames import FrameWriter, Kind
from agentsd.workers.json_bytes import dumps
from agentsd.workers.order import Order
from agentsd.workers.slot import Slot
from agentsd.workers.stack import CHANNEL_FD
from agentsd.workers.title import set_title
from agentsd.workers.token import CancellationToken

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from agentsd.model import JSON

BACKSTOP_MARGIN = 5.0
"""Seconds after timeout and grace at which the kernel ends a job whose spawner cannot."""
SHIELD_LIMIT = 300.0
"""Seconds that a shield holds the end of a job up at most."""
STANDBY_TITLE = "agents standby"
SPAWNER_IGNORES = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGTSTP)
"""Signals that mean nothing to a spawner: only the end of file of its link ends it."""
_ITIMER_REAL, _SIG_BLOCK, _SIG_SETMASK = (
    int(signal.ITIMER_REAL),
    int(signal.SIG_BLOCK),
    int(signal.SIG_SETMASK),
)
_RESULT = Kind.RESULT


def rehearse(board: Board, times: int = 20) -> None:
    """Run a job that does nothing in the spawner itself, before the first fork.

    Then the interpreter has looked up and specialised what the hot path needs, and the dynamic linker has bound it. In
    a job process each of those writes would be the first to its page, and copy it: for every job anew.
    """
    ours, theirs = kernel.socket_pair()
    number = board.take_slot()
    order = Order(
        job_id="", plan_id="", phase="", attempt=1, handler=f"{__name__}:do_nothing", title="", timeout=1.0, grace=1.0,
        state_root="/", log_dir="/", log_limit=1, limits={},
    )  # fmt: skip
    body = marshal.dumps({"payload": None, "plan": None, "options": {}})
    kernel.setitimer(_ITIMER_REAL, 0)
    for _ in range(times):
        os.write(ours, order.to_bytes(body))
        Order.read(theirs)
        kernel.pthread_sigmask(_SIG_BLOCK, ())
        token = CancellationToken(partial(board.cause, number))
        _run(order, body, theirs, board, number, token)
    board.give_back(number)
    os.close(ours)
    os.close(theirs)


def do_nothing(_job: JobContext) -> None:
    """The handler of a rehearsal."""


def stand_by(channel_fd: int, board: Board, slot: Slot, spawner: int) -> NoReturn:
    """Wait for an order and run that job. Never returns. Called in the child right after fork, with all signals blocked."""

    def whole_life() -> int:
        become_job_process(channel_fd, slot, spawner)
        set_title(STANDBY_TITLE)
        reach("child.ready")
        found = Order.read(CHANNEL_FD)
        if found is None:  # nobody can give one any more
            return 0
        return _live(*found, board, slot)

    _end_after(whole_life)


def _end_after(whole_life: Callable[[], int]) -> NoReturn:
    code = 1
    try:
        reach("child.begin")
        code = whole_life()
    except BaseException as error:  # noqa: BLE001 - nothing may escape into the spawner's code
        with contextlib.suppress(BaseException):
            sys.__excepthook__(type(error), error, error.__traceback__)
            _flush_output()
    finally:
        os._exit(code)


def _live(order: Order, body: bytes, board: Board, slot: Slot) -> int:
    """From an order to the exit code."""
    cause = partial(board.cause, slot.number)
    forget_signals(cause)
    become_this_job(order, slot.offered_log)
    token = CancellationToken(cause)
    _let_signals_in(order, token)
    return _run(order, body, CHANNEL_FD, board, slot.number, token)


def _let_signals_in(order: Order, token: CancellationToken) -> None:
    """From here on a TERM sets the token; one that came before is pending and is delivered now."""
    shield = SHIELD_LIMIT if order.phase == "apply" else 0.0
    kernel.setitimer(_ITIMER_REAL, order.timeout + order.grace + shield + BACKSTOP_MARGIN)
    token.install()
    kernel.pthread_sigmask(_SIG_SETMASK, ())


def _run(
    order: Order, body: bytes, channel_fd: int, board: Board, slot: int, token: CancellationToken
) -> int:
    """Run the handler and send the frame that ends the job. Returns the exit code."""
    writer, leader = FrameWriter(channel_fd), os.getpid()
    try:
        board.set_begun(slot)
        if order.limits:
            limits.apply(order.limits)
        context = _context(order, marshal.loads(body), writer, board, slot, token)  # noqa: S302 - the supervisor's own
        handler = load_handler(order.handler)
        token.may_raise = True
        try:
            token.raise_if_set()
            reach("run.begin")
            result = handler(context)
            reach("run.end")
        finally:
            token.may_raise = False
    except JobCancelled as cancelled:
        # What the handler printed goes first: whoever sees the end also sees the output.
        kind, message, code = Kind.CANCELLED, {"reason": str(cancelled), "result": kept_result(cancelled)}, 1
    except SystemExit as wish:
        return _exit_code(wish)
    except BaseException as error:  # noqa: BLE001 - whatever a handler raises is a verdict, not a crash
        print_traceback(error)
        kind, message, code = Kind.ERROR, describe(error), 1
    else:
        kind, message, code = _RESULT, {"result": result, "token": token.reason}, 0
    if os.getpid() != leader:  # the handler has forked, and this is its child: not the one whose word counts
        _flush_output()
        return code
    try:
        frame = dumps(message)
    except TypeError as error:
        kind, code = Kind.ERROR, 1
        frame = dumps(describe(TypeError(f"the result is not JSON: {error}")))
    _flush_output()
    writer.finish(kind, frame)
    reach("result.sent")
    return code


def _context(
    order: Order,
    extras: dict[str, Any],
    writer: FrameWriter,
    board: Board,
    slot: int,
    token: CancellationToken,
) -> JobContext:
    return JobContext(
        job=JobInfo(order.job_id, order.plan_id, order.phase, order.attempt, order.timeout),
        payload=extras["payload"],
        plan=extras["plan"],
        options=extras["options"],
        grace=order.grace,
        state_root=order.state_root,
        log_dir=order.log_dir,
        token=token,
        report=writer.report,
        set_shield=partial(board.set_shield, slot),
    )


def load_handler(path: str) -> Callable[[JobContext], JSON]:
    """The callable that ``module:attribute`` names. Raises ImportError, AttributeError."""
    module, _, attribute = path.partition(":")
    found: Any = sys.modules.get(module) or import_module(module)
    for name in attribute.split("."):
        found = getattr(found, name)
    return found


def _exit_code(wish: SystemExit) -> int:
    """The exit status of ``sys.exit(x)``, by the rules of the interpreter. No result: the job has failed."""
    _flush_output()
    if wish.code is None:
        return 0
    if isinstance(wish.code, int):
        return wish.code & 0xFF
    print(wish.code, file=sys.stderr, flush=True)
    return 1


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105 - see above
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, or whatever the handler has put in its place
            pass
