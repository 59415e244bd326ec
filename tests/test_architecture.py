"""The house as the design lays it out: imports run one way, a file stays readable, a task is listed once."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import byeori
from byeori.cli import cli
from byeori.tasks import TASKS, Task, find

ROOT = Path(__file__).parents[1]
PACKAGE = Path(byeori.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_imports_run_one_way():
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert "1 kept, 0 broken" in found.stdout


def test_contract_names_every_room_in_the_order_of_the_design():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    layers = contract["layers"]
    assert contract["exhaustive"] and set(ROOMS) <= set(layers)
    bottom_up = [
        layer for layer in reversed(layers) if layer in ROOMS or layer in ("errors", "settings", "run", "api", "cli")
    ]
    order = [
        "errors", "settings", "run", "data", "text", "batches", "models", "generate", "metrics", "tasks", "doctor",
        "predict", "train", "report", "serve", "bench", "api", "cli",
    ]  # fmt: skip
    assert bottom_up == [layer for layer in order if layer in bottom_up]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_file_is_short_and_says_what_it_is_for(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 450
    assert len(path.relative_to(PACKAGE).parts) <= 2, "two deep, no deeper"
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "the module says in its docstring what it is for"
    assert not [node for node in ast.walk(tree) if _is_swallowed(node)], "except: pass"
    for word in ("TODO", "FIXME", "raise NotImplementedError"):
        assert word not in text


def _is_swallowed(node: ast.AST) -> bool:
    """Everything caught and nothing done; a named error that is looked for may pass."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("suppress", "contextlib.suppress") and any(map(_is_broad, node.args))
    if not isinstance(node, ast.ExceptHandler) or not _is_broad(node.type):
        return False
    return all(
        isinstance(one, ast.Pass | ast.Continue | ast.Break)
        or isinstance(one, ast.Expr | ast.Return)
        and (one.value is None or isinstance(one.value, ast.Constant))
        for one in node.body
    )


def _is_broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple | ast.Starred):
        return any(map(_is_broad, kind.elts if isinstance(kind, ast.Tuple) else [kind.value]))
    return kind is None or ast.unparse(kind).rpartition(".")[2] in ("Exception", "BaseException")


@pytest.mark.parametrize("handler, swallowed", [
    ("except: pass", True),
    ("except Exception: ...", True),
    ("except builtins.Exception: continue", True),
    ("except (ValueError, BaseException) as error: return None", True),
    ("except Exception: 'it may fail'", True),
    ("except FileNotFoundError: pass", False),
    ("except Exception as error: raise ValueError(error)", False),
    ("except Exception as error: failed.append(error)", False),
    ("except ValueError:\n    with contextlib.suppress(KeyError, Exception): tried()", True),
    ("except ValueError:\n    with suppress(OSError): tried()", False),
])  # fmt: skip
def test_what_counts_as_swallowed(handler, swallowed):
    tree = ast.parse(f"for one in many:\n  try: done()\n  {handler.replace(chr(10), chr(10) + '  ')}")
    assert any(map(_is_swallowed, ast.walk(tree))) == swallowed


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_is_unpickled_or_evaluated(path):
    called = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not {call.id for call in called if isinstance(call, ast.Name)} & {"eval", "exec"}
    dotted = {f"{call.value.id}.{call.attr}" for call in called
              if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name)}  # fmt: skip
    assert not dotted & {"pickle.load", "pickle.loads", "torch.load", "joblib.load"}


def test_public_names_exist():
    for public in byeori.__all__:
        assert getattr(byeori, public) is not None
    assert set(byeori._LAZY) <= set(byeori.__all__) and sorted(byeori.__all__) == byeori.__all__


def test_functions_stay_functions_when_their_rooms_are_imported():
    import byeori.batches.loader
    import byeori.predict.run
    import byeori.train.loop  # noqa: F401

    assert all(callable(getattr(byeori, public)) for public in ("train", "predict", "batches", "evaluate"))


def test_each_task_is_listed_once(capsys):
    with pytest.raises(SystemExit):
        cli(["tasks"])
    listed = [line.split(":")[0].split(" ")[0] for line in capsys.readouterr().out.splitlines() if line[:1].strip()]
    assert listed == [task.name for task in TASKS] and len(listed) == len(set(listed))
    with pytest.raises(SystemExit):
        cli(["tasks", "--json"])
    names = [spelled for one in json.loads(capsys.readouterr().out) for spelled in (one["name"], *one["aliases"])]
    assert len(names) == len(set(names)), "no alias is another task's name"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_task_is_one_file_and_says_all_of_itself(task):
    assert Path(sys.modules[task.__module__].__file__).parent == PACKAGE / "tasks"
    assert sum(other.__module__ == task.__module__ for other in TASKS) == 1
    for spelled in (task.name, *task.aliases):
        assert find(spelled) is task
    wanted = ("inputs", "encode", "outputs", "loss", "decode", "references", "predictions", "score", "best", "baseline")
    for part in wanted if task.answers else ("inputs", "encode", "outputs", "decode"):
        assert getattr(task, part) is not getattr(Task, part), f"{task.__name__}.{part} is the base's"


def test_version_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "byeori.__version__"}
    assert (PACKAGE / "py.typed").is_file()
