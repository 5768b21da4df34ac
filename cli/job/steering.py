"""What the commands that steer queued jobs share: several jobs, one after the other, the worst exit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agentsd.cli.framework import current_output
from agentsd.cli.session import find_job, session
from agentsd.cli.shapes import job_item
from agentsd.errors import AgentsError, ExitCode
from agentsd.model import AsyncJob

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


def steer(idents: Sequence[str], act: Callable[[Client, str], AsyncJob], word: str) -> ExitCode:
    """Do *act* to every job that *idents* name and show it; *word* says in the table what was done."""
    output = current_output()
    done: list[AsyncJob] = []
    worst = ExitCode.OK
    with session() as client:
        for job_id in [find_job(client, ident) for ident in idents]:
            try:
                done.append(act(client, job_id))
            except AgentsError as error:
                if len(idents) == 1:
                    raise
                output.warn(str(error))
                worst = max(worst, error.exit_code)
    items = [job_item(job, full=True) for job in done]
    data = {"jobs": items} if len(idents) > 1 else items[0]
    return output.result(data, lambda: [f"{job.job_id} {word}" for job in done], items=items, exit_code=worst)
