"""Plain-text tables whose columns stand straight: a Korean letter is two cells wide.

Invariant: no line is cut; what is too long for a column was shortened by whoever gave it.

    table(("token", "id"), [("번역", 11), ("##이", 12)], right={1})
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from rich.cells import cell_len

WIDTH = 100  # cells
GAP = "  "


def table(head: Sequence[str], rows: Sequence[Sequence[object]], right: Container[int] = ()) -> list[str]:
    """Lines of a table, its heading first; columns in `right` end straight, the others begin straight."""
    cells = [[str(one) for one in head], *([shown(one) for one in row] for row in rows)]
    widths = [max(cell_len(row[column]) for row in cells) for column in range(len(head))]
    return [
        GAP.join(fitted(cell, width, column in right) for column, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in cells
    ]  # fmt: skip


def across(names: Sequence[str], columns: Sequence[Sequence[object]], width: int = WIDTH) -> list[str]:
    """Rows side by side, as the tutorials lay tokens out: a name a line, a column a place; as many blocks as it takes.

    names: of the lines. columns: the values of each place, one a line.
    """
    side = max((cell_len(name) for name in names), default=0)
    blocks: list[list[list[str]]] = [[]]
    used = side
    for column in columns:
        cells = [shown(one) for one in column]
        wide = max(cell_len(one) for one in cells) + len(GAP)
        if blocks[-1] and used + wide > width:
            blocks.append([])
            used = side
        blocks[-1].append(cells)
        used += wide
    found: list[str] = []
    for number, block in enumerate(blocks):
        if number:
            found.append("")
        widths = [max(cell_len(one) for one in cells) for cells in block]
        for line, name in enumerate(names):
            own = (fitted(cells[line], wide) for cells, wide in zip(block, widths, strict=True))
            found.append(GAP.join([fitted(name, side), *own]).rstrip())
    return found


def fitted(text: str, width: int, right: bool = False) -> str:
    """Filled up with spaces to so many cells."""
    room = " " * (width - cell_len(text))
    return room + text if right else text + room


def shown(value: object) -> str:
    """A value in one cell: line breaks and what is invisible can be seen; nothing for None."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else str(value)
    escaped = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "".join(escaped.get(one, one if one.isprintable() or one == " " else f"\\u{ord(one):04x}") for one in text)
