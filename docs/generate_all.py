"""Write every generated page of the documentation anew; with ``--check`` only say which ones are old (exit code 1).

(The page of the plan file has a program of its own, ``generate_plan_file.py``, which ships its schema, too.)

python docs/generate_all.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
PAGES = {
    "generate_cli.py": "reference/cli.md",
    "generate_schemas.py": "reference/agents.schema.json",
    "generate_json_page.py": "reference/json.md",
    "generate_events.py": "reference/events.md",
    "generate_api.py": "reference/python_api.md",
}
"""Each program that prints a page, and the page."""
FOLDERS = {
    "generate_man.py": DOCS.parent / "man",
    "generate_diagrams.py": DOCS / "assets",
    "generate_tables.py": DOCS / "reference",
}
"""Each program that writes files into a folder, and the folder."""


def generated() -> dict[Path, str]:
    """Every generated file and what should be in it."""
    found = {DOCS / page: printed(program) for program, page in PAGES.items()}
    for program, folder in FOLDERS.items():
        with tempfile.TemporaryDirectory() as place:
            subprocess.run([sys.executable, DOCS / program, place], check=True)  # noqa: S603 - our own
            found |= {folder / path.name: path.read_text() for path in Path(place).iterdir()}
    return found


def printed(program: str) -> str:
    """What one of the programs prints."""
    command = [sys.executable, DOCS / program]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - our own


def main() -> int:
    """Write, or check; returns the exit code."""
    old = {file: text for file, text in generated().items() if not file.exists() or file.read_text() != text}
    for file, text in old.items():
        print(file.relative_to(DOCS.parent))
        if "--check" not in sys.argv:
            file.write_text(text)
    return int(bool(old) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
