"""The sentences that the report's files say: what is given to `say`, `told` or `miss`, there or in a variable of the function.

sentences()      # English templates
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import byeori.report

CALLS = ("say", "told", "miss", "_heads")


def sentences() -> set[str]:
    found: set[str] = set()
    for path in Path(byeori.report.__file__).parent.glob("*.py"):
        if path.name.startswith("card"):  # whose Korean stands in card_words.py
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function in functions:
            found |= set(_said(function))
    return found


def _said(function: ast.FunctionDef) -> Iterator[str]:
    named: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            pairs = [(node.targets[0], node.value)]
            if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = [*zip(node.targets[0].elts, node.value.elts, strict=True)]
            for target, value in pairs:
                if isinstance(target, ast.Name):
                    named.setdefault(target.id, []).append(value)
        if isinstance(node, ast.comprehension) and isinstance(node.target, ast.Name):
            named.setdefault(node.target.id, []).append(node.iter)
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            named.setdefault(node.target.id, []).append(node.iter)
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CALLS:
                for given in node.args:
                    yield from _constants(given, named)


def _constants(node: ast.expr, named: dict[str, list[ast.expr]]) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body, named)
        yield from _constants(node.orelse, named)
    elif isinstance(node, ast.Tuple | ast.List):
        for one in node.elts:
            yield from _constants(one, named)
    elif isinstance(node, ast.Dict):
        for one in node.values:
            yield from _constants(one, named)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        for one in [node.func.value, *node.args[1:]]:
            yield from _constants(one, named)
    elif isinstance(node, ast.Name):
        values = named.pop(node.id, [])  # once: a name may be made of itself
        for one in values:
            yield from _constants(one, named)
        named[node.id] = values
