"""See that the built site can be read without a network: no page loads a script, a style, a font or a picture from elsewhere.

    python docs/check_site.py site

Prints what it found and exits with 1 if that is anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

LOADING = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "object": "data"}
"""Elements that load something when the page is read, and the attribute that says what."""
HARMLESS = {"canonical", "prev", "next"}
"""Kinds of links that load nothing."""


class Loads(HTMLParser):
    """What a page loads from elsewhere, and the diagrams that only a script from elsewhere would draw."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called for each element."""
        given = dict(attrs)
        place = given.get(LOADING.get(tag, "")) or ""
        if place.startswith(("http:", "https:", "//")) and given.get("rel") not in HARMLESS:
            self.found.append(f"<{tag}> {place}")
        if "mermaid" in (given.get("class") or "").split():
            self.found.append(f"<{tag} class=mermaid>")


def problems(site: Path) -> Iterator[str]:
    """Each page with what it would load."""
    for page in sorted(site.rglob("*.html")):
        loads = Loads()
        loads.feed(page.read_text())
        for found in loads.found:
            yield f"{page.relative_to(site)}: {found}"


def main() -> int:
    """Print the problems; 1 if there are any, or if there is no site."""
    site = Path(sys.argv[1])
    found = [*problems(site)] if (site / "index.html").exists() else [f"{site}: no site is here"]
    print("\n".join(found) or f"{site}: every page can be read without a network")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
