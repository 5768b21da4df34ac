"""A plan as it was when it was created: resolved, immutable, and able to live as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agentsd.errors import BadPayloadError
from agentsd.model import JSON
from agentsd.plans.conditions import Condition


@dataclass(frozen=True, slots=True)
class RunAction:
    """A shell script."""

    script: str

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object with the one key ``run``."""
        return {"run": self.script}


@dataclass(frozen=True, slots=True)
class PythonAction:
    """A Python function, ``package.module:function``, called with keyword arguments."""

    target: str
    arguments: Mapping[str, JSON]

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object with the keys ``python`` and ``with``."""
        return {"python": self.target, "with": dict(self.arguments)}


@dataclass(frozen=True, slots=True)
class WriteAction:
    """A file with fixed content, at a path below the step's working directory."""

    path: str
    content: str

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object with the one key ``write``."""
        return {"write": {"path": self.path, "content": self.content}}


Action = RunAction | PythonAction | WriteAction


def _action(data: Mapping[str, JSON]) -> Action:
    if "run" in data:
        return RunAction(data["run"])
    if "python" in data:
        return PythonAction(data["python"], data["with"])
    return WriteAction(data["write"]["path"], data["write"]["content"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What each process of a step may use; None is no limit. Bytes, CPU seconds, descriptors, niceness."""

    memory: int | None = None
    cpu: int | None = None
    open_files: int | None = None
    nice: int | None = None

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, JSON]) -> Limits:
        """Read what :meth:`to_json` wrote; what only a newer agentsd knows is left out."""
        return cls(**{name: data.get(name) for name in cls.__slots__})

    def over(self, defaults: Limits) -> Limits:
        """These limits, and the *defaults* where there is none."""
        return Limits(
            **{name: value for name, value in defaults.to_json().items() if value is not None}
            | {name: value for name, value in self.to_json().items() if value is not None}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. *timeout* is seconds for one try; *retries* counts the tries after the first."""

    id: str
    name: str
    action: Action
    condition: Condition = Condition.SUCCESS
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    working_directory: str | None = None
    timeout: float | None = None
    retries: int = 0
    continue_on_error: bool = False

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object that :meth:`from_json` reads."""
        return {
            "id": self.id,
            "name": self.name,
            **self.action.to_json(),
            "if": self.condition.value,
            "env": dict(self.env),
            "working_directory": self.working_directory,
            "timeout": self.timeout,
            "retries": self.retries,
            "continue_on_error": self.continue_on_error,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, JSON]) -> Step:
        """Read what :meth:`to_json` wrote."""
        return cls(
            id=data["id"],
            name=data["name"],
            action=_action(data),
            condition=Condition(data["if"]),
            env=data["env"],
            working_directory=data["working_directory"],
            timeout=data["timeout"],
            retries=data["retries"],
            continue_on_error=data["continue_on_error"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenPlan:
    """A whole plan. *timeout* is seconds for the execute job, None for the setting's default.

    *include* None means the project's ``.worktreeinclude`` if there is one; *paths* empty means that
    changes may be anywhere. *project* is the root of the repository, or the folder if there is none.
    """

    name: str
    steps: tuple[Step, ...]
    project: str
    source_path: str
    source_sha256: str
    sandbox: str
    description: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout: float | None = None
    include: tuple[str, ...] | None = None
    paths: tuple[str, ...] = ()
    rerun_safe: bool = False
    limits: Limits = field(default_factory=Limits)
    branch: str | None = None
    head: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object that :meth:`from_json` reads."""
        return {
            "name": self.name,
            "description": self.description,
            "project": self.project,
            "source_path": self.source_path,
            "source_sha256": self.source_sha256,
            "sandbox": self.sandbox,
            "env": dict(self.env),
            "timeout": self.timeout,
            "include": None if self.include is None else list(self.include),
            "paths": list(self.paths),
            "rerun_safe": self.rerun_safe,
            "limits": self.limits.to_json(),
            "branch": self.branch,
            "head": self.head,
            "steps": [step.to_json() for step in self.steps],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, JSON]) -> FrozenPlan:
        """Read what :meth:`to_json` wrote; keys of a newer agentsd are ignored. BadPayloadError."""
        try:
            values = {name: data[name] for name in cls.__dataclass_fields__}
            values["steps"] = tuple(Step.from_json(step) for step in data["steps"])
            values["include"] = None if data["include"] is None else tuple(data["include"])
            values["paths"] = tuple(data["paths"])
            values["limits"] = Limits.from_json(data["limits"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadPayloadError(f"The frozen plan cannot be read: {error!r}.") from error
        return cls(**values)
