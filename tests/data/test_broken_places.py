"""What only a running system shows: rights, a file that vanishes, a pipe that is slow, memory, and the commands themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from broken import CASES
from broken.case import ROWS, Case, Stops
from broken.good import CSV
from byeori.data import disk, files, sources, stream
from byeori.data.read import read_rows
from byeori.errors import DataError
from commands import Command

NOBODY = 65534


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[None]:
    """Rights count: root, who may read anything, is somebody else for a while."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def place(tmp_path: Path, kind: str) -> Path:
    """A file, or one in a folder, that nobody may read."""
    tmp_path.chmod(0o755)
    for above in list(tmp_path.parents)[:-2]:
        above.chmod(above.stat().st_mode | 0o111)
    where = tmp_path / "folder"
    where.mkdir()
    (where / "a.csv").write_text(CSV)
    read_rows(where / "a.csv")  # somebody else may not even read the libraries
    (where / "a.csv" if kind == "file" else where).chmod(0o000)
    return where if kind == "folder" else where / "a.csv"


@pytest.mark.parametrize("kind", ["file", "folder", "file in a folder"])
def test_no_right_to_read(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    path = place(tmp_path, kind)
    request.getfixturevalue("nobody")
    with pytest.raises(
        DataError, match=r"can't be opened \(Permission denied\)\. Check the path, and the right to read it"
    ):
        read_rows(path)


def test_a_file_that_vanishes_between_looking_and_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    whole = sources.read_file

    def gone(found: Path, wish: object) -> object:
        found.unlink()
        return whole(found, wish)

    monkeypatch.setattr(sources, "read_file", gone)
    with pytest.raises(DataError, match=r"a\.csv: it can't be opened \(No such file or directory\)\. Check the path"):
        read_rows(path)


def test_a_pipe_waits_for_whoever_writes_slowly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "WAIT", 0.3)
    os.mkfifo(tmp_path / "a.csv")

    def write() -> None:
        with (tmp_path / "a.csv").open("wb", buffering=0) as pipe:
            time.sleep(0.5)  # open, and silent for longer than nobody is waited for
            for line in CSV.encode().splitlines(keepends=True):
                pipe.write(line)
                time.sleep(0.01)

    threading.Thread(target=write, daemon=True).start()
    assert read_rows(tmp_path / "a.csv").table["text"][:] == list(ROWS["text"])


@pytest.mark.parametrize("way", ["whole", "in one pass", "in blocks"])
def test_files_laid_end_to_end_whatever_their_size(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header that stands in the middle is no row, and the mark before it no text."""
    many = 15_000 if way == "in one pass" else 300
    rows = "".join(f"{at} 편의 영화를 보았다, 그리고 잊었다;{'good' if at % 2 else 'bad'}\n" for at in range(many))
    (tmp_path / "a.csv").write_text(f"text;label\n{rows}\ufefftext;label\n{rows}")
    if way == "in blocks":
        monkeypatch.setattr(disk, "SHARE", 0)
        monkeypatch.setattr(stream, "BLOCK", 2000)
        (tmp_path / "a.csv").write_text(f"text;label\n{rows}text;label\n{rows}")
    with pytest.raises(DataError, match=rf"a\.csv, row {many + 1}: the header stands here again\. .*--skip-bad-rows"):
        read_rows(tmp_path / "a.csv")
    found = read_rows(tmp_path / "a.csv", on_bad="skip")
    assert (
        len(found) == 2 * many
        and found.table["text"][many] == found.table["text"][0] == "0 편의 영화를 보았다, 그리고 잊었다"
    )
    assert found.origin.row_of[many - 1 : many + 1].tolist() == [many, many + 2]
    kept = read_rows(tmp_path / "a.csv", on_bad="keep")
    assert len(kept) == 2 * many + 1 and list(kept.errors) == [many]


# memory ---------------------------------------------------------------------------------------------------------------
HEAVY = (
    "packed-bomb.gz", "packed-bomb.zip", "packed-bomb.xz", "packed-bomb.tar", "packed-bomb-in-a-gz.gz",
    "packed-row-of-a-billion-characters", "table-ods-billion-laughs", "table-xlsx-billion-laughs", "json-nested-deeply",
)  # fmt: skip
MOST = 400  # megabytes above what the libraries take
CODE = """
import resource, sys
from byeori.data.read import read_rows
from byeori.errors import DataError
import pyarrow, openpyxl
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
for path in sys.argv[1:]:
    before = peak()
    try:
        read_rows(path)
    except DataError:
        print(peak() - before)
"""


def test_nothing_takes_much_memory(tmp_path: Path) -> None:
    """In a process of its own: what was taken at most does not come down again."""
    paths = []
    for name in HEAVY:
        where = tmp_path / name
        where.mkdir()
        paths.append(str(CASES[name].make(where)))
    done = subprocess.run([sys.executable, "-c", CODE, *paths], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    taken = [int(line) for line in done.stdout.split()]
    assert len(taken) == len(HEAVY) and max(taken) < MOST, dict(zip(HEAVY, taken, strict=False))


# the commands ---------------------------------------------------------------------------------------------------------
SAMPLE = (
    "delimited-too-few", "delimited-cut-in-a-character", "delimited-header-again-in-the-middle", "delimited-header-only",
    "delimited-nul-block-at-the-end", "encoding-one-line-of-cp949", "encoding-html", "encoding-png", "json-cut-3", "json-nested-deeply",
    "json-lines-with-keys-twice", "json-labels-one-class", "packed-bomb.gz", "packed-zip-that-climbs", "table-parquet-cut-4",
    "table-pickle", "place-link-to-itself",
)  # fmt: skip


@pytest.fixture(scope="module")
def body(tiny) -> Path:
    return tiny("bert", auto="AutoModel")


@pytest.fixture
def case(name: str) -> Case:
    assert isinstance(CASES[name].want, Stops)
    return CASES[name]


@pytest.fixture
def where(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def command(tmp_path: Path, body: Path, capsys) -> Command:
    return Command(tmp_path, body, capsys)


@pytest.mark.parametrize("name", SAMPLE)
def test_the_commands_say_it_in_a_sentence(case: Case, where: Path, command: Command) -> None:
    source, want = case.make(where), case.want
    command.train(source, task=case.task)
    command.refused(3, *want.words)
    assert command("inspect", source, "--task", case.task, "--json") == 3
    assert "Traceback" not in command.err
    seen = json.loads(command.out)
    assert seen["verdict"] == "stop" and {"rows", "bad_rows", "columns", "findings"} <= set(seen)


@pytest.mark.parametrize("name", [one for one in SAMPLE if CASES[one].want.rest])
def test_the_commands_leave_bad_rows_out_when_they_are_told_to(case: Case, where: Path, command: Command) -> None:
    want = case.want
    command("inspect", case.make(where), "--task", case.task, "--json", "--skip-bad-rows")
    assert "Traceback" not in command.err
    seen = json.loads(command.out)
    assert seen["bad_rows"] == len(want.bad)
    rows = read_rows(case.make(where), SimpleNamespace(skip_bad_rows=True))
    assert seen["rows"] == len(rows) + len(want.bad)
