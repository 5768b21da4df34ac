"""``python -m agentsd`` is the ``agents`` command."""

from agentsd.cli.main import cli

cli()
