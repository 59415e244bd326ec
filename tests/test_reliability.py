"""docs/reliability.md can't rot: every test that a promise names is there, in the file that it names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
LINK = re.compile(r"\[((?:\w+/)?test_\w+\.py)\]\(\.\./([\w/]+\.py)\)")
NAMED = re.compile(r"`?((?:\w+/)?test_\w+\.py)`?(?:\]\([^)]*\))?`?:((?:[ ,]*`test_\w+`)+)")


def test_every_test_that_a_promise_names_is_there():
    page = PAGE.read_text(encoding="utf-8")
    places = {name: ROOT / path for name, path in LINK.findall(page)}
    promises = 0
    for row in (line for line in page.splitlines() if line.startswith("| ") and line != "| promise | test |"):
        found = NAMED.findall(row)
        assert found, f"a promise without a test: {row}"
        promises += 1
        for file, names in found:
            tree = ast.parse(places[file].read_text(encoding="utf-8"))
            there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert (asked := set(re.findall(r"test_\w+", names))) <= there, f"{file}: {asked - there}"
    assert promises > 20
