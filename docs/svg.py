"""Drawing a few kinds of diagrams as SVG: text, boxes and arrows, readable on light and dark, without any script.

Scripts that draw diagrams in the browser come from the network; these pages have to be readable without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

STYLE = """\
<style>
svg { font: 13px sans-serif; }
rect { fill: #eef2fb; stroke: #4a62a8; }
rect.room { fill: none; stroke-dasharray: 4 3; }
path, line { fill: none; stroke: #4a62a8; }
line.life { stroke-dasharray: 3 4; stroke: #98a3c4; }
path.soft { stroke-dasharray: 5 4; }
polygon { fill: #4a62a8; }
text { fill: #1d2433; }
text.mid { text-anchor: middle; }
@media (prefers-color-scheme: dark) {
  rect { fill: #2a3350; stroke: #9db2f2; }
  path, line { stroke: #9db2f2; }
  line.life { stroke: #5c6890; }
  polygon { fill: #9db2f2; }
  text { fill: #e6e9f2; }
}
</style>"""
LINE = 16
"""Pixels from one line of text to the next."""


@dataclass
class Drawing:
    """An SVG that grows; sizes are pixels."""

    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, *, middle: bool = True) -> None:
        """A line of text; *y* is its middle."""
        kind = ' class="mid"' if middle else ""
        self.parts.append(f'<text x="{x:g}" y="{y + 4:g}"{kind}>{escape(words)}</text>')

    def box(self, x: float, y: float, width: float, height: float, *lines: str, kind: str = "") -> None:
        """A box with text in its middle, or a room with its name at the top."""
        name = f' class="{kind}"' if kind else ""
        self.parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"{name}/>')
        top = y + 12 if kind else y + height / 2 - (len(lines) - 1) * LINE / 2
        for number, words in enumerate(lines):
            self.text(x + width / 2, top + number * LINE, words)

    def arrow(self, *points: tuple[float, float], soft: bool = False, both: bool = False) -> None:
        """A line through *points* with a head at its end, or at both."""
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
        kind = ' class="soft"' if soft else ""
        self.parts.append(f'<path d="{path}"{kind}/>')
        self._head(points[-2], points[-1])
        if both:
            self._head(points[1], points[0])

    def _head(self, before: tuple[float, float], at: tuple[float, float]) -> None:
        dx, dy = at[0] - before[0], at[1] - before[1]
        length = (dx * dx + dy * dy) ** 0.5 or 1
        ux, uy = dx / length * 8, dy / length * 8
        corners = (at, (at[0] - ux - uy / 2, at[1] - uy + ux / 2), (at[0] - ux + uy / 2, at[1] - uy - ux / 2))
        self.parts.append(f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}"/>')

    def __str__(self) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img">'
        )
        return "\n".join((head, f"<title>{escape(self.title)}</title>", STYLE, *self.parts, "</svg>", ""))


Message = tuple[int, int, str]
"""From which actor, to which (the same: a note), and what."""


def sequence(title: str, actors: Sequence[str], messages: Sequence[Message], *, column: int = 165) -> str:
    """Who tells whom what, from top to bottom. A message that begins with ``~`` is dashed: it may get lost."""
    drawing = Drawing(column * len(actors), 70 + 34 * len(messages), title)
    middles = [column * (number + 0.5) for number in range(len(actors))]
    for middle, name in zip(middles, actors, strict=True):
        drawing.parts.append(
            f'<line class="life" x1="{middle:g}" x2="{middle:g}" y1="36" y2="{drawing.height - 8}"/>'
        )
        drawing.box(middle - column / 2 + 8, 6, column - 16, 30, name)
    for number, (sender, receiver, words) in enumerate(messages):
        y = 76 + 34 * number
        if sender == receiver:
            drawing.box(middles[sender] - column / 2 + 8, y - 14, column - 16, 24, words)
            continue
        drawing.arrow((middles[sender], y), (middles[receiver], y), soft=words.startswith("~"))
        drawing.text((middles[sender] + middles[receiver]) / 2, y - 10, words.removeprefix("~"))
    return str(drawing)
