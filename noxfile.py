# /// script
# dependencies = ["nox>=2025.10"]
# ///
"""Every check of the project. Plain ``nox`` runs them all; ``nox -l`` lists them.

The wheel is built once and everything that runs agentsd runs that wheel: a module that is missing
from it, or a stale copy of one, cannot hide behind the checkout.
"""

from __future__ import annotations

import configparser
import json
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.10"
nox.options.error_on_external_run = True
nox.options.stop_on_first_error = False

HERE = Path(__file__).parent
ROOMS = ("cli", "plans", "store", "supervisor", "workers")
PYTHON_FILES = (
    *ROOMS, "src", "tests", "features", "robot", "benchmarks", "crash_matrix", "evidence", "guards", "models", "limits", "soak", "docs", "typings", "examples", "noxfile.py",
)  # fmt: skip
COVERAGE_FLOOR = 97.0
"""Per cent of lines, and of branches, that tests have to reach."""

PARALLEL = ("-n", "4", "--dist", "loadfile")
"""Most tests wait for processes, not for a CPU: four at once take a third of the time on two cores."""

WITHOUT_DEPENDENCIES = (
    "crash", "faults", "guards", "machine", "models", "package",
    *(f"plans/test_{name}.py" for name in ("apply", "hostile_sandboxes", "isolation", "originals", "sandboxes", "submodules")),
)  # fmt: skip
"""Tests of what the kernel, git or the pages do: the oldest dependencies show nothing new there."""

TEST_TOOLS = (
    "pytest-xdist>=3.6",
    "pytest>=8",
    "pytest-timeout>=2.3",
    "hypothesis>=6.100",
    "behave>=1.2.6",
    "coverage[toml]>=7.10",
    "jsonschema>=4.18",
    "prometheus_client>=0.20",
    "textual>=6",
)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, the order of the rooms, dead code, Robot files."""
    session.install("ruff>=0.14", "import-linter>=2.3", "vulture>=2.14", "robotframework-robocop>=6")
    present = [name for name in PYTHON_FILES if (HERE / name).exists()]
    session.run("ruff", "check", *present)
    session.run("ruff", "format", "--check", *present)
    session.install(str(wheel(session)))
    session.run("lint-imports")
    session.run("vulture")
    session.run("robocop", "check", "robot")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Pyright strict over everything; a user's program against the wheel, by pyright and mypy. Node.js comes from PyPI."""
    session.install("pyright[nodejs]>=1.1.390", "mypy>=1.13", "nox", *TEST_TOOLS, str(wheel(session)))
    session.run("pyright")
    session.run("pytest", "-q", "tests/package/test_typing.py", env={"AGENTSD_TYPING": "required"})


@nox.session
def unit_tests(session: nox.Session) -> None:
    """The pytest suite and the behave features, measured, against the installed wheel."""
    install_under_test(session)
    erase_measurements(session, "unit")
    session.run(
        "coverage",
        "run",
        "-m",
        "pytest",
        "-m",
        "not wheel",
        "--durations=10",
        *PARALLEL,
        *session.posargs,
        env=measured("unit"),
    )
    session.run("coverage", "run", "-m", "behave", "--no-capture", "features", env=measured("unit"))


@nox.session
def integration_tests(session: nox.Session) -> None:
    """The Robot suites: the installed product, end to end."""
    install_under_test(session, "robotframework>=7")
    erase_measurements(session, "integration")
    options = ("--outputdir", "robot-results", "--pythonpath", "features", "--pythonpath", "robot/libraries")
    session.run("coverage", "run", "-m", "robot", *options, "robot", env=measured("integration"))


@nox.session(requires=["unit_tests", "integration_tests"])
def coverage_report(session: nox.Session) -> None:
    """Combine what the tests measured, job processes too, and hold lines and branches to the floor."""
    session.install("coverage[toml]>=7.10")
    erase_measurements(session, "all")
    both = [str(HERE / ".coverage-unit"), str(HERE / ".coverage-integration")]
    session.run("coverage", "combine", "--quiet", "--keep", *both, env=measured("all"))
    session.run("coverage", "report", "--skip-covered", "--show-missing", env=measured("all"))
    session.run("coverage", "json", "-q", "-o", "coverage.json", env=measured("all"))
    for name, percent in totals(HERE / "coverage.json").items():
        session.log(f"{name}: {percent:.2f} %, floor {COVERAGE_FLOOR:.0f} %")
        if percent < COVERAGE_FLOOR:
            session.error(f"{percent:.2f} % of {name} are tested, fewer than {COVERAGE_FLOOR:.0f} %")


@nox.session
def package(session: nox.Session) -> None:
    """The wheel, by way of the sdist: equal to what git tracks, and running in a bare environment."""
    install_under_test(session)
    session.run("pytest", "tests/package/test_wheel.py", env={"AGENTSD_WHEEL": str(wheel(session))})


@nox.session
def minimums(session: nox.Session) -> None:
    """The tests with the oldest dependencies that setup.cfg allows; without those of what has none of them."""
    session.install(str(wheel(session)), "./tests/phases_package", *TEST_TOOLS, *lowest_requirements())
    session.run("pip", "list", silent=False)
    without = [f"--ignore=tests/{name}" for name in WITHOUT_DEPENDENCIES]
    session.run("pytest", "-q", "-m", "not slow and not wheel", *PARALLEL, *without, *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site; a broken link, an unlisted page, or something that comes from elsewhere is an error."""
    session.install("mkdocs>=1.6,<2", "mkdocs-material>=9.5,<10")
    quiet = {"NO_MKDOCS_2_WARNING": "1"}
    session.run("mkdocs", "build", "--strict", "--site-dir", "site", env=quiet)
    session.run("python", "docs/check_site.py", "site")


@nox.session
def benchmark(session: nox.Session) -> None:
    """Each benchmark once, to see that it runs. For figures: ``asv run`` (see CONTRIBUTING)."""
    session.install("asv>=0.6.4", "virtualenv", str(wheel(session)), "./tests/phases_package")
    python = Path(session.bin) / "python"
    session.run("asv", "machine", "--yes")
    session.run("asv", "run", "--quick", "--dry-run", "--show-stderr", "--environment", f"existing:{python}")


@nox.session(default=False)
def limits(session: nox.Session) -> None:
    """Figures: agentsd against what this machine could do at best, as ratios. Takes twenty minutes alone on it."""
    install_under_test(session)
    session.run(
        "python", "-m", "limits", "--json", "limits.json", *session.posargs, env={"PYTHONPATH": "features"}
    )


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Ten minutes (``-- --minutes N``) of random work and kills; nothing may be lost, left or grown; writes its page."""
    install_under_test(session)
    page = () if session.posargs else ("--page", "docs/reference/soak.md")
    session.run("python", "-m", "soak", *page, *session.posargs, env={"PYTHONPATH": "features"})


@nox.session(default=False)
def crash_matrix(session: nox.Session) -> None:
    """Every fault at every point of a job's life, for real; writes its page. Half an hour; ``-- --cut``: a small part."""
    install_under_test(session)
    page = () if session.posargs else ("--page", "docs/reference/crash_matrix.md")
    session.run("python", "-m", "crash_matrix", *page, *session.posargs, env={"PYTHONPATH": "features"})


@nox.session(default=False)
def guards(session: nox.Session) -> None:
    """Remove each guard of the product in a copy of the tree, see who notices, and write the page; half an hour."""
    install_under_test(session)
    page = () if session.posargs else ("--page", "docs/reference/guards.md")
    session.run("python", "-m", "guards", *page, *session.posargs)


@nox.session(default=False)
def real_run(session: nox.Session) -> None:
    """A package from PyPI is modernised in a sandbox, tested by its own tests, reviewed, applied, reverted."""
    session.run("python", "examples/real_run/real_run.py", str(wheel(session)))


BUILT: list[Path] = []


def wheel(session: nox.Session) -> Path:
    """The wheel under test: built by way of the sdist, once per run of nox."""
    if not BUILT:
        for leftover in ("build", "dist"):
            shutil.rmtree(HERE / leftover, ignore_errors=True)
        session.install("build>=1.2")
        session.run("python", "-m", "build", "--outdir", "dist", silent=True)
        BUILT.extend((HERE / "dist").glob("*.whl"))
    return BUILT[0]


def install_under_test(session: nox.Session, *more: str) -> None:
    """Install the wheel, the test phases and the test tools."""
    session.install(str(wheel(session)), "./tests/phases_package", *TEST_TOOLS, *more)


def measured(name: str) -> dict[str, str]:
    """The environment in which coverage writes the data files of the run *name*."""
    return {"COVERAGE_FILE": str(HERE / f".coverage-{name}" / "data")}


def erase_measurements(session: nox.Session, name: str) -> None:
    """Make an empty place for the data files of the run *name*."""
    shutil.rmtree(HERE / f".coverage-{name}", ignore_errors=True)
    (HERE / f".coverage-{name}").mkdir()
    session.log("measuring into .coverage-%s", name)


def totals(report: Path) -> dict[str, float]:
    """Per cent of lines and of branches covered, from coverage's JSON report."""
    found = json.loads(report.read_text())["totals"]
    return {
        "lines": 100 * found["covered_lines"] / found["num_statements"],
        "branches": 100 * found["covered_branches"] / found["num_branches"],
    }


def lowest_requirements() -> list[str]:
    """Each run-time requirement of setup.cfg at its lower bound."""
    config = configparser.ConfigParser()
    config.read(HERE / "setup.cfg")
    lines = config["options"]["install_requires"].split()
    return [line.split(",")[0].replace(">=", "==") for line in lines]
