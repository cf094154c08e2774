"""Place a diagram's boxes in columns, from cause to consequence.

igraph's Sugiyama layout orders each column and leads long links past the boxes between; columns and sizes are ours.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from workbench.chain.diagram import HEIGHTS

if TYPE_CHECKING:
    from workbench.chain.diagram import Diagram, Link

#: Pixels between the middles of two rows, between two columns, and around everything.
ROW, GAP, MARGIN = 62, 58, 28
#: How far a link ends before its target, for the arrow's tip.
TIP = 6


def place(found: Diagram) -> None:
    """Give every box and link its place."""
    mark_back_links(found)
    columns = into_columns(len(found.boxes), [(x.source, x.target) for x in found.links if not x.back])
    rows, bends = into_rows(found, columns)
    widths: dict[int, float] = {}
    for box, column in zip(found.boxes, columns, strict=True):
        widths[column] = max(widths.get(column, 0), box.width)
    left: dict[int, float] = {}
    x: float = MARGIN
    for column in sorted(widths):
        left[column] = x
        x += widths[column] + GAP
    found.width = x - GAP + MARGIN

    top = MARGIN + HEIGHTS["dag"] / 2
    for box, column, row in zip(found.boxes, columns, rows, strict=True):
        box.x, box.y = left[column] + widths[column] / 2, top + row * ROW
    for number, points in bends.items():
        spots = sorted((round(column), row) for row, column in points)
        found.links[number].bends = [(left[c], left[c] + widths[c], top + row * ROW) for c, row in spots]
    found.height = (
        max([top, *(box.y for box in found.boxes), *(y for link in found.links for _, _, y in link.bends)]) + top
    )


def mark_back_links(found: Diagram) -> None:
    """Find the links that close a cycle, seen from the boxes that come first."""
    after: dict[int, list[Link]] = {}
    for each in found.links:
        after.setdefault(each.source, []).append(each)
    caused = {link.target for link in found.links}
    done: set[int] = set()
    for root in sorted(range(len(found.boxes)), key=lambda number: number in caused):
        way = [(root, iter(after.get(root, [])))] if root not in done else []
        above = {root}
        while way:  # depth first, without Python's limit on recursion
            number, links = way[-1]
            if (link := next(links, None)) is None:
                way.pop()
                above.discard(number)
                done.add(number)
            elif link.target in above:
                link.back = True
            elif link.target not in done:
                above.add(link.target)
                way.append((link.target, iter(after.get(link.target, []))))


def into_columns(count: int, links: list[tuple[int, int]]) -> list[int]:
    """Return each box the first column right of all its causes; what has no cause stands close to what it causes."""
    import igraph  # only a picture needs it

    order = igraph.Graph(n=count, edges=links, directed=True).topological_sorting()
    after: dict[int, list[int]] = {}
    for source, target in links:
        after.setdefault(source, []).append(target)
    columns = [0] * count
    for number in order:
        for target in after.get(number, []):
            columns[target] = max(columns[target], columns[number] + 1)
    for number in reversed(order):
        if number in after:
            columns[number] = min(columns[target] for target in after[number]) - 1
    return columns


def into_rows(found: Diagram, columns: list[int]) -> tuple[list[float], dict[int, list[list[float]]]]:
    """Return each box its row, and each link the rows and columns in which it bends.

    Each connected part is placed by itself, below the one before: igraph 1.0.0 mixes up the links of several parts.
    """
    import igraph  # as above

    forward = [number for number, link in enumerate(found.links) if not link.back]
    whole = igraph.Graph(n=len(found.boxes), edges=[(x.source, x.target) for x in found.links], directed=True)
    rows = [0.0] * len(found.boxes)
    bends: dict[int, list[list[float]]] = {}
    offset = 0.0
    for members in whole.connected_components(mode="weak"):
        local = {number: position for position, number in enumerate(members)}
        mine = [number for number in forward if found.links[number].source in local]
        ends = [(local[found.links[number].source], local[found.links[number].target]) for number in mine]
        part = igraph.Graph(n=len(members), edges=ends, directed=True)
        first = min(columns[number] for number in members)
        spots = part.layout_sugiyama(layers=[columns[number] - first for number in members], maxiter=500)
        paths = {number: bent for number, bent in zip(mine, spots.edge_routing, strict=False) if bent}
        coordinates = spots.coords  # a copy at each look
        lowest = spread([*coordinates, *(point for bent in paths.values() for point in bent)])
        for number, (row, _) in zip(members, coordinates, strict=True):
            rows[number] = row + offset
        for number, bent in paths.items():
            bends[number] = [[row + offset, column + first] for row, column in bent]
        offset += lowest + 1
        back = [number for number, link in enumerate(found.links) if link.back and link.source in local]
        bends |= {number: [[offset, columns[found.links[number].source]]] for number in back}
        offset += bool(back)
    return rows, bends


def spread(spots: list[list[float]]) -> float:
    """Move spots of a column apart to a row's distance, as little as that takes, so that the first row is 0.

    igraph leaves some of them half a row apart.

    :param spots: row and column; the row is changed in place.
    :return: the last row.
    """
    by_column: dict[float, list[list[float]]] = {}
    for spot in spots:
        by_column.setdefault(spot[1], []).append(spot)
    for column in by_column.values():
        column.sort()
        blocks: list[tuple[float, int]] = []  # neighbours that touch: where the first wants to be on average, how many
        for position, spot in enumerate(column):
            wish, size = spot[0] - position, 1
            while blocks and blocks[-1][0] >= wish:
                other, more = blocks.pop()
                wish, size = (wish * size + other * more) / (size + more), size + more
            blocks.append((wish, size))
        wishes = [wish for wish, size in blocks for _ in range(size)]
        for position, (spot, wish) in enumerate(zip(column, wishes, strict=True)):
            spot[0] = wish + position
    top = min(row for row, _ in spots)
    for spot in spots:
        spot[0] -= top
    return max(row for row, _ in spots)


def path(found: Diagram, link: Link) -> str:
    """Return a link's way as SVG path data."""
    source, target = found.boxes[link.source], found.boxes[link.target]
    if link.back:  # below its part of the picture, from foot to foot
        foot, end = source.y + source.height / 2, target.y + target.height / 2 + TIP
        low = link.bends[0][2]
        return f"M{source.x:.0f},{foot:.0f} C{source.x:.0f},{low:.0f} {target.x:.0f},{low:.0f} {target.x:.0f},{end:.0f}"
    start, end = source.x + source.width / 2, target.x - target.width / 2 - TIP
    stops = [(start, start, source.y), *link.bends, (end, end, target.y)]
    way = [f"M{start:.0f},{source.y:.0f}"]
    for (_, right, y), (left, end, low) in pairwise(stops):
        middle = (right + left) / 2
        way.append(f"C{middle:.0f},{y:.0f} {middle:.0f},{low:.0f} {left:.0f},{low:.0f} H{end:.0f}")
    return " ".join(way)
