"""docs/coverage.md is whole: every row answered by a link that leads somewhere, or open with its issue.

Invariants: ids run without gaps in each section; the 225 rows of the inventory are all there, in its groups;
a link is relative, stays in the repository, and its anchor is a heading (or line) of the file it names; a test that stands
behind the link to its file, as pytest spells it (`[file](file)::test_name`), is a function of that file.

    pytest tests/test_coverage.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
COVERAGE = ROOT / "docs" / "coverage.md"
INVENTORY = ROOT.parent / "shared" / "field" / "inventory.md"

COLUMNS = ["id", "what the tutorials expect", "in Byeori", "where", "checked by"]
OPEN_ISSUES = range(4, 11)  # raise the lower end when an issue is done: none of its rows may stay open
GROUPS = {  # heading in coverage.md → (letter of its ids, rows)
    "Data in / datasets": ("C", 45),
    "Tokenizers": ("C", 38),
    "Models, heads": ("C", 54),
    "pipeline": ("C", 11),
    "Collators, padding": ("C", 8),
    "Training": ("C", 50),
    "Metrics": ("C", 7),
    "Hub and sharing": ("C", 12),
    "Silent failures": ("F", 13),
    "Korean pitfalls": ("K", 24),
    "Errors in the tutorials": ("E", 17),
}
WIDTH = {"C": 3, "F": 2, "K": 2, "E": 2}  # digits of an id

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(\s*<?([^()\s<>]+(?:\([^()\s]*\)[^()\s<>]*)*)>?(?:\s+\"[^\"]*\")?\s*\)")
OPEN = re.compile(r"open: issue (\d+)")
NAMED = re.compile(r"\]\(([^()\s]+)\)::(\w+)")


@dataclass(frozen=True)
class Row:
    """One table row: its group (heading), id and the other four cells."""

    group: str
    id: str
    expected: str
    answer: str
    where: str
    check: str

    @property
    def open_issue(self) -> int | None:
        """Number of the issue that brings the row, or None for an answered one."""
        found = OPEN.fullmatch(self.check)
        return int(found[1]) if found else None


def without_code(text: str) -> str:
    """`text` with code blocks and code spans blanked, so that a link shown as code is not taken for one."""
    text = re.sub(r"^(```|~~~).*?^\1\s*$", "", text, flags=re.M | re.S)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)


def table_rows(text: str) -> list[Row]:
    """The rows of every table under a `## heading`. Raises ValueError for a row that has not five cells."""
    rows, group = [], ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            group = line[3:].strip()
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if cells == COLUMNS or all(set(cell) <= set(":-") and cell for cell in cells):
            continue
        if len(cells) != len(COLUMNS):
            raise ValueError(f"line {number}: {len(cells)} cells where {len(COLUMNS)} belong: {line}")
        rows.append(Row(group, *cells))
    return rows


def anchors(file: Path) -> set[str]:
    """Anchors of a Markdown file as GitHub makes them, explicit ones too; `L1`… for any other text file."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".md":
        return {f"L{number}" for number in range(1, len(text.splitlines()) + 1)}
    found = set(re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", text))
    seen: dict[str, int] = {}
    fenced = re.sub(r"^(```|~~~).*?^\1\s*$", "", text, flags=re.M | re.S)
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*\s*$", fenced, flags=re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        seen[slug] = seen.get(slug, -1) + 1
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
    return found


def links(text: str) -> list[str]:
    """Targets of the Markdown links in `text`, those of other sites left out."""
    targets = LINK.findall(without_code(text))
    return [target for target in targets if not re.match(r"[a-z][a-z0-9+.-]*:", target, flags=re.I)]


def broken_links(document: Path, root: Path) -> list[str]:
    """One sentence for each relative link of `document` that leads nowhere, or out of `root`."""
    problems = []
    for target in links(document.read_text(encoding="utf-8")):
        path, _, anchor = unquote(target).partition("#")
        file = (document.parent / path).resolve() if path else document.resolve()
        if not file.is_relative_to(root.resolve()):
            problems.append(f"{target}: leaves the repository")
        elif not file.exists():
            problems.append(f"{target}: no such file")
        elif anchor and (file.is_dir() or anchor not in anchors(file)):
            problems.append(f"{target}: no such anchor")
    return problems


def missing_tests(document: Path) -> list[str]:
    """One sentence for each test named behind a link whose file has no such function, or isn't there."""
    problems = []
    for path, name in NAMED.findall(without_code(document.read_text(encoding="utf-8"))):
        file = document.parent / unquote(path)
        if not file.is_file() or not re.search(rf"^def {name}\(", file.read_text(encoding="utf-8"), flags=re.M):
            problems.append(f"{path}::{name}: no such test")
    return problems


def row_problems(rows: list[Row]) -> list[str]:
    """One sentence for each row that is not answered or open (or is both), has an empty cell, or a wrong id."""
    problems = []
    last: dict[str, int] = {}
    for row in rows:
        letter = row.id[:1]
        expected = f"{letter}{last.get(letter, 0) + 1:0{WIDTH.get(letter, 0)}d}"
        if letter not in WIDTH or row.id != expected:
            problems.append(f"{row.id}: {expected} should stand here")
        last[letter] = last.get(letter, 0) + 1
        if not all((row.expected, row.answer, row.where, row.check)):
            problems.append(f"{row.id}: an empty cell")
        if row.open_issue is not None:
            if row.open_issue not in OPEN_ISSUES:
                problems.append(f"{row.id}: issue {row.open_issue} brings no rows any more")
            if f"issue {row.open_issue}" != row.where:
                problems.append(f"{row.id}: open, so `where` should say: issue {row.open_issue}")
        elif not links(row.where):
            problems.append(f"{row.id}: no link to where the answer lives, and not open")
        elif "open" in row.check.lower().split() or OPEN.search(row.check):
            problems.append(f"{row.id}: answered and open at once")
    return problems


def inventory_counts(text: str) -> dict[str, int]:
    """Rows of each table in the inventory's second section, by its bold heading."""
    section = re.split(r"^## ", text, flags=re.M)[2]
    counts: dict[str, int] = {}
    group = ""
    for line in section.splitlines():
        if heading := re.fullmatch(r"\*\*(.+)\*\*", line.strip()):
            group = heading[1]
        elif line.startswith("|") and not re.match(r"\|\s*(Seed\b|-)", line):
            counts[group] = counts.get(group, 0) + 1
    return counts


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return table_rows(COVERAGE.read_text(encoding="utf-8"))


def test_every_link_leads_somewhere() -> None:
    assert broken_links(COVERAGE, ROOT) == []


def test_every_test_named_is_there() -> None:
    assert missing_tests(COVERAGE) == []


def test_every_row_is_answered_or_open(rows: list[Row]) -> None:
    assert row_problems(rows) == []


def test_ids_are_unique(rows: list[Row]) -> None:
    ids = [row.id for row in rows]
    assert len(ids) == len(set(ids))


def test_groups_hold_their_rows(rows: list[Row]) -> None:
    counts: dict[str, tuple[str, int]] = {}
    for row in rows:
        letter, number = counts.get(row.group, (row.id[0], 0))
        assert row.id[0] == letter, f"{row.id} stands under {row.group!r}"
        counts[row.group] = (letter, number + 1)
    assert list(counts.items()) == list(GROUPS.items())
    assert sum(number for letter, number in counts.values() if letter == "C") == 225


@pytest.mark.skipif(not INVENTORY.exists(), reason="the inventory is not beside this checkout")
def test_rows_are_those_of_the_inventory() -> None:
    counted = inventory_counts(INVENTORY.read_text(encoding="utf-8"))
    assert counted == {group: number for group, (letter, number) in GROUPS.items() if letter == "C"}


# The checker itself, on a small sample with each fault once.

HEAD = "| id | what the tutorials expect | in Byeori | where | checked by |\n|---|---|---|---|---|\n"


def sample(tmp_path: Path, *lines: str) -> Path:
    """A repository of three files and a coverage page of the given rows."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "data.md").write_text(
        "# Data\n## Files: CSV & `TSV`\n## 한국어 파일\n## Twice\n## Twice\n```\n# not a heading\n```\n",
        encoding="utf-8",
    )
    (tmp_path / "code.py").write_text("a = 1\nb = 2\n", encoding="utf-8")
    page = tmp_path / "docs" / "coverage.md"
    page.write_text("# Coverage\n\n## Group\n\n" + HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    return page


def test_a_sound_page_passes(tmp_path: Path) -> None:
    page = sample(
        tmp_path,
        "| C001 | a | b | [code](../code.py#L2), [page](data.md#files-csv--tsv) | [test](../code.py) |",
        "| C002 | a | b | [a](#group), [b](data.md#%ED%95%9C%EA%B5%AD%EC%96%B4-파일), [c](data.md#twice-1) | reading |",
        r"| C003 | a \| b, `[no](link.md)` | [site](https://example.org/x) | issue 10 | open: issue 10 |",
    )
    assert broken_links(page, tmp_path) == []
    assert row_problems(table_rows(page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("../gone.py", "no such file"),
        ("gone.md#data", "no such file"),
        ("data.md#gone", "no such anchor"),
        ("data.md#not-a-heading", "no such anchor"),
        ("data.md#twice-2", "no such anchor"),
        ("#gone", "no such anchor"),
        ("../code.py#L3", "no such anchor"),
        ("../docs#data", "no such anchor"),
        ("../../elsewhere.md", "leaves the repository"),
    ],
)
def test_a_broken_link_is_found(tmp_path: Path, target: str, problem: str) -> None:
    page = sample(tmp_path, f"| C001 | a | b | [fine](../code.py), [x]({target}) | c |")
    assert broken_links(page, tmp_path) == [f"{target}: {problem}"]


def test_a_test_that_is_not_there_is_found(tmp_path: Path) -> None:
    links = "[t](../t.py)::test_a, [t](../t.py)::test_b, [t](../t.py)::test_c, [t](../gone.py)::test_a"
    page = sample(tmp_path, f"| C001 | a | b | [code](../code.py) | {links}, `[t](../t.py)::test_d` |")
    (tmp_path / "t.py").write_text("def test_a() -> None: ...\n    def test_b(): ...\n", encoding="utf-8")
    assert missing_tests(page) == [
        "../t.py::test_b: no such test", "../t.py::test_c: no such test", "../gone.py::test_a: no such test"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("| C002 | a | b | issue 10 | open: issue 10 |", "C001 should stand here"),
        ("| X001 | a | b | issue 10 | open: issue 10 |", "should stand here"),
        ("| C001 | a |  | issue 10 | open: issue 10 |", "an empty cell"),
        ("| C001 | a | b | issue 2 | open: issue 2 |", "brings no rows any more"),
        ("| C001 | a | b | issue 3 | open: issue 3 |", "brings no rows any more"),
        ("| C001 | a | b | issue 11 | open: issue 11 |", "brings no rows any more"),
        ("| C001 | a | b | issue 9 | open: issue 10 |", "`where` should say: issue 10"),
        ("| C001 | a | b | c | d |", "no link"),
        ("| C001 | a | b | [site](https://example.org) | d |", "no link"),
        ("| C001 | a | b | `[x](../code.py)` | d |", "no link"),
        ("| C001 | a | b | [x](../code.py) | partly, open: issue 10 |", "answered and open at once"),
    ],
)
def test_a_bad_row_is_found(line: str, problem: str) -> None:
    problems = row_problems(table_rows(HEAD + line))
    assert len(problems) == 1
    assert problem in problems[0]


def test_a_repeated_id_and_a_gap_are_found() -> None:
    line = "| {} | a | b | issue 10 | open: issue 10 |\n"
    for second in ("C001", "C003"):
        rows = table_rows(HEAD + line.format("C001") + line.format(second))
        assert row_problems(rows) == [f"{second}: C002 should stand here"]


def test_a_row_short_of_a_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="line 3: 4 cells where 5 belong"):
        table_rows(HEAD + "| C001 | a | b | open: issue 3 |")
