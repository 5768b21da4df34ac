"""The program that looks whether the site can be read without a network can find something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "docs" / "check_site.py"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<script src="assets/a.js"></script><a href="https://example.org">x</a>', ""),
        ('<link rel="canonical" href="https://example.org/">', ""),
        ('<script src="https://example.org/a.js"></script>', "<script> https://example.org/a.js"),
        ('<link rel="stylesheet" href="//example.org/a.css">', "<link> //example.org/a.css"),
        ('<img src="http://example.org/a.png">', "<img> http://example.org/a.png"),
        ('<pre class="mermaid"><code>x</code></pre>', "<pre class=mermaid>"),
    ],
)
def test_what_comes_from_elsewhere_is_named(tmp_path: Path, body: str, problem: str) -> None:
    """With the page that it is in."""
    (tmp_path / "index.html").write_text(f"<html><body>{body}</body></html>")
    done = subprocess.run([sys.executable, PROGRAM, tmp_path], capture_output=True, text=True, check=False)

    assert (done.returncode, problem in done.stdout) == (int(bool(problem)), True)


def test_a_site_that_is_not_there_is_no_success(tmp_path: Path) -> None:
    """A build that wrote elsewhere would go unseen."""
    done = subprocess.run([sys.executable, PROGRAM, tmp_path], capture_output=True, text=True, check=False)

    assert done.returncode == 1
