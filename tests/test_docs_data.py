"""docs/data.md can't rot: every command and every line of Python on it is run on small files, and prints what stands there.

Invariants: blocks of ```console and ```pycon are run in their order in one folder of invented reviews (docs_data.py makes
it); seconds and decimals of models may differ, nothing else; other commands are held against the flags there are.

    python tests/test_docs_data.py      # writes what is printed now into the page: read the difference before it is kept
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from byeori.cli import cli, main
from byeori.data import hub
from byeori.data.label_forms import INNER
from byeori.data.names import JUDGED_BY
from byeori.doctor.findings import KINDS, LEVELS
from byeori.settings import SECTIONS, names
from docs_data import write

PAGE = Path(__file__).parents[1] / "docs" / "data.md"
TEXT = PAGE.read_text(encoding="utf-8")
# What depends on the machine: times, and numbers that a model computed.
VARIES = re.compile(r"\d+\.\d{2,}|\d[\d,.]* (?:ms|s|seconds|minutes|MB|GB)\b")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """(command, what it prints) of a console block."""
    for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = one.partition("\n")
        yield command, printed


def piped(lines: list[str], pipe: str) -> list[str]:
    """What `head`, `tail` and `grep` leave of lines."""
    name, what = shlex.split(pipe)
    if name == "grep":
        return [line for line in lines if what in line]
    number = int(what.lstrip("-"))
    return lines[:number] if name == "head" else lines[-number:]


def run(command: str) -> str:
    """What a command prints, both streams in one, as in a terminal."""
    call, *pipes = command.split(" | ")
    words = shlex.split(call)
    assert words[0] == "byeori", command
    found = io.StringIO()
    with contextlib.redirect_stdout(found), contextlib.redirect_stderr(found), contextlib.suppress(SystemExit):
        main(words[1:])
    lines = found.getvalue().splitlines()
    for pipe in pipes:
        lines = piped(lines, pipe)
    return "\n".join(lines)


def plain(text: str) -> list[str]:
    return [VARIES.sub("#", line.rstrip()) for line in text.strip().splitlines() if line.strip()]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("page")
    write(place)
    with contextlib.chdir(place):
        yield place


SHOWN = [one for block in blocks("console") for one in commands(block)]


@pytest.mark.parametrize(("command", "printed"), SHOWN, ids=[command for command, _ in SHOWN])
def test_commands_print_what_stands_there(command, printed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert plain(run(command)) == plain(printed)


def test_python_prints_what_stands_there():
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks("pycon")):
        test = doctest.DocTestParser().get_doctest(block, names, f"block {number + 1}", str(PAGE), 0)
        told = io.StringIO()
        result = doctest.DocTestRunner(verbose=False).run(test, out=told.write, clear_globs=False)
        names = test.globs
        assert not result.failed, told.getvalue()


def test_other_commands_are_spelled_right():
    """Those that need a network: their flags exist, and what is to be an id is one."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert lines
    for line in lines:
        words = shlex.split(line.partition(" > ")[0], comments=True)
        with cli.commands[words[1]].make_context(words[1], words[2:]) as ctx:
            given = ctx.params.get("data") or ctx.params.get("train")
            assert "://" in given or given == "shop" or hub.looks_like_id(given)


def test_every_flag_named_is_one():
    known = {f"--{name.replace('_', '-')}" for name in names(*SECTIONS)}
    for words in (("inspect", ["a.csv"]), ("train", ["--task", "question-answering"]), ("train", ["--task", "summarization"]),
                  ("train", ["--task", "token-classification"]), ("train", ["--task", "text-classification"]),
                  ("train", ["--task", "fill-mask"]), ("predict", ["run", "a.csv", "--task", "question-answering"])):  # fmt: skip
        with cli.commands[words[0]].make_context(words[0], list(words[1])) as ctx:
            known |= {one for param in ctx.command.params for one in (*param.opts, *param.secondary_opts)}
    found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT))
    assert found <= known | {"--max"}, sorted(found - known)


def test_every_kind_of_finding_is_in_the_table():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", TEXT, re.MULTILINE))
    assert {kind for kind in rows if kind in KINDS} == set(KINDS)
    assert all(set(re.findall(r"stop|look|note", rows[kind])) <= set(LEVELS) for kind in KINDS)
    assert all(re.search("stop|look|note", rows[kind]) for kind in KINDS)


def test_what_is_said_of_labels_and_scores():
    assert all(f"`{score}`" in TEXT for score, _ in JUDGED_BY.values())
    assert {"label", "name", "category", "이름"} <= set(INNER)
    links = re.findall(r"\]\(#([^)]+)\)", TEXT)
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").casefold()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("#")
    }
    assert set(links) <= headings


def filled(text: str) -> str:
    """The page with what its commands and lines print now."""
    globs: dict[str, Any] = {}

    def python(found: re.Match[str]) -> str:
        lines = []
        for one in doctest.DocTestParser().get_examples(found[1]):
            told = io.StringIO()
            with contextlib.redirect_stdout(told):
                exec(compile(one.source, str(PAGE), "single"), globs)
            lines += [f">>> {one.source.rstrip()}", *told.getvalue().splitlines()]
        return "\n".join(["```pycon", *lines, "```"])

    def console(found: re.Match[str]) -> str:
        lines = [
            line
            for command, _ in commands(found[1])
            for line in (f"$ {command}", *run(command).strip("\n").splitlines())
        ]
        return "\n".join(["```console", *lines, "```"])

    text = re.sub(r"^```console\n(.*?)^```", console, text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^```pycon\n(.*?)^```", python, text, flags=re.MULTILINE | re.DOTALL)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        write(Path(made))
        with contextlib.chdir(made):
            PAGE.write_text(filled(TEXT), encoding="utf-8")
