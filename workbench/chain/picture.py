"""Write the graph as SVG, or as an HTML page around it: one file, no network, dark and light."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from workbench.chain.layout import path
from workbench.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.chain.diagram import Box, Diagram, Link

STYLE = """
svg { --paper:#fbfbfd; --ink:#1f2430; --soft:#69707f; --line:#aab1c0; --dag:#ffffff; --dag-line:#3b6fd4;
  --asset:#e8f4f1; --asset-line:#2b8a78; --good:#1a8f4b; --bad:#d0342c; --wait:#c77d0a; background:var(--paper);
  font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif; font-size:13px }
@media (prefers-color-scheme:dark) { svg { --paper:#14171f; --ink:#e8eaf0; --soft:#99a1b3; --line:#566078;
  --dag:#1f2533; --dag-line:#7ba2f0; --asset:#17302d; --asset-line:#58b8a5; --good:#4cc47e; --bad:#ff7a70;
  --wait:#f0b04c } }
text { fill:var(--ink); text-anchor:middle; dominant-baseline:central }
.note { fill:var(--soft); font-size:11px }
.dag rect { fill:var(--dag); stroke:var(--dag-line); stroke-width:1.6 }
.dag text:first-of-type { font-weight:600 }
.asset rect, .alias rect { fill:var(--asset); stroke:var(--asset-line); stroke-width:1.2 }
.alias rect { stroke-dasharray:5 3 }
.gate rect { fill:var(--paper); stroke:var(--line); stroke-width:1.2 }
.gate text { fill:var(--soft); font-size:11px }
.success rect { stroke:var(--good); stroke-width:2.4 } .success .note { fill:var(--good) }
.failed rect, .cycle rect { stroke:var(--bad); stroke-width:2.4 } .failed .note, .cycle .note { fill:var(--bad) }
.waiting rect { stroke:var(--wait); stroke-width:2.4; stroke-dasharray:7 4 } .waiting .note { fill:var(--wait) }
.held rect, .outside rect { stroke:var(--line) } .held text, .outside text { fill:var(--soft) }
.link { fill:none; stroke:var(--line); stroke-width:1.6 }
.back { stroke:var(--bad); stroke-dasharray:6 4 }
marker path { fill:var(--line) } #tip-back path { fill:var(--bad) }
.over .link { opacity:.18 } .over g { opacity:.35 } .over .near { opacity:1 }
.over .link.near { stroke:var(--dag-line); stroke-width:2.4 }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{title}</title><style>
body {{ margin:0; font:14px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif; background:#fbfbfd;
  color:#1f2430 }}
@media (prefers-color-scheme:dark) {{ body {{ background:#14171f; color:#e8eaf0 }} }}
header, footer {{ padding:18px 28px 0 }} h1 {{ font-size:19px; margin:0 }} p {{ margin:2px 0; opacity:.75 }}
main {{ overflow:auto }} main svg {{ display:block }} footer {{ padding:0 28px 24px }}
</style></head><body><header><h1>{title}</h1><p>{subtitle}</p></header><main>
{svg}</main><footer>{notes}</footer><script>{script}</script></body></html>
"""
#: The pointer on a box shows what it is linked to.
SCRIPT = """
const svg = document.querySelector('main svg');
for (const box of svg.querySelectorAll('g[data-box]')) {
  const links = [...svg.querySelectorAll('.link')].filter(
    l => l.dataset.from === box.dataset.box || l.dataset.to === box.dataset.box);
  const ends = new Set([box.dataset.box, ...links.flatMap(l => [l.dataset.from, l.dataset.to])]);
  const near = [...links, ...[...svg.querySelectorAll('g[data-box]')].filter(b => ends.has(b.dataset.box))];
  box.addEventListener('mouseenter', () => {
    svg.classList.add('over'); near.forEach(e => e.classList.add('near')); });
  box.addEventListener('mouseleave', () => {
    svg.classList.remove('over'); near.forEach(e => e.classList.remove('near')); });
}
"""
RADII = {"dag": 9, "asset": 15, "alias": 15, "gate": 13}


def write(file: Path, found: Diagram, title: str, subtitle: str, notes: list[str]) -> None:
    """Write one file; its name's ending decides which kind.

    :raises UserError: where it cannot be written, or is neither .svg nor .html.
    """
    if file.suffix not in (".svg", ".html"):
        raise UserError(
            f"{file} is no picture", "its name's ending is neither .svg nor .html", "--graph chain.html or chain.svg"
        )
    text = svg(found, title)
    if file.suffix == ".html":
        lines = "".join(f"<p>{escape(note)}</p>" for note in notes)
        text = PAGE.format(title=escape(title), subtitle=escape(subtitle), svg=text, notes=lines, script=SCRIPT)
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file} cannot be written", str(error), "--graph with another file") from None


def svg(found: Diagram, title: str) -> str:
    """Return the picture as one SVG element."""
    size = f'width="{found.width:.0f}" height="{found.height:.0f}"'
    view = f'viewBox="0 0 {found.width:.0f} {found.height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view} role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style><defs>{_marker('tip')}{_marker('tip-back')}</defs>",
        *(_link(found, link) for link in found.links),
        *(_box(number, box) for number, box in enumerate(found.boxes)),
        "</svg>\n",
    ]
    return "\n".join(lines)


def _marker(name: str) -> str:
    shape = 'viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    return f'<marker id="{name}" {shape}><path d="M0,0 L8,4 L0,8 z"/></marker>'


def _link(found: Diagram, link: Link) -> str:
    kind, tip = ("link back", "tip-back") if link.back else ("link", "tip")
    ends = f'data-from="{link.source}" data-to="{link.target}"'
    return f'<path class="{kind}" {ends} d="{path(found, link)}" marker-end="url(#{tip})"/>'


def _box(number: int, box: Box) -> str:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    shape = f'x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{RADII[box.kind]}"'
    first = box.y - 8 if box.note else box.y
    second = f'<text class="note" x="{box.x:.1f}" y="{box.y + 11:.1f}">{escape(box.note)}</text>' if box.note else ""
    return (
        f'<g class="{box.kind} {box.mark}" data-box="{number}"><title>{escape(box.tip)}</title><rect {shape}/>'
        f'<text x="{box.x:.1f}" y="{first:.1f}">{escape(box.label)}</text>{second}</g>'
    )
