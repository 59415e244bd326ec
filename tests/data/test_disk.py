"""Where rows lie that memory does not hold: on a disk, for this process alone, and not longer than it lives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

fcntl = pytest.importorskip("fcntl", reason="no such locks on this system")

_MAKES = """
import sys
from byeori.data import disk
print(disk.folder(), flush=True)
sys.stdin.read()
"""
_FULL = """
import resource, sys
from byeori.data import disk
from byeori.data.read import read_rows
from byeori.errors import DataError
disk.SHARE = 0
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    read_rows(sys.argv[1])
except DataError as error:
    print(error)
"""


def process(home: Path, code: str = _MAKES, *more: str, **variables: str) -> subprocess.Popen:
    plain = {name: value for name, value in os.environ.items() if name not in ("TMPDIR", "TEMP", "TMP")}
    return subprocess.Popen(
        [sys.executable, "-c", code, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**plain, "HF_HOME": str(home), **variables},
    )  # fmt: skip


def test_folders_of_killed_processes_are_removed_by_the_next(tmp_path):
    killed, living = process(tmp_path), process(tmp_path)
    left, used = (Path(one.stdout.readline().strip()) for one in (killed, living))
    assert left.parent == used.parent == tmp_path / "byeori" / "rows"
    (left / "rows.arrow").write_bytes(b"much")
    killed.kill()
    killed.communicate()
    assert left.is_dir()
    following = process(tmp_path)
    made = Path(following.stdout.readline().strip())
    assert not left.exists() and used.is_dir() and made.is_dir()
    for one in (living, following):
        one.communicate("")
    assert not list(made.parent.iterdir())


def test_tmpdir_and_a_home_that_cannot_be_written(tmp_path):
    asked = tmp_path / "asked"
    asked.mkdir()
    by_name = process(tmp_path / "home", TMPDIR=str(asked))
    assert Path(by_name.communicate("")[0].strip()).parent == asked
    (tmp_path / "file").write_text("no folder")
    elsewhere = process(tmp_path / "file")
    assert not elsewhere.communicate("")[0].startswith(str(tmp_path / "file"))
    assert elsewhere.returncode == 0


def test_a_full_disk_is_one_sentence(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"film {i} was long,{i % 2}\n" for i in range(20_000)))
    said, _ = process(tmp_path, _FULL, str(path)).communicate("")
    assert said.startswith(f"There is no room left in {tmp_path}/byeori/rows/byeori-rows-"), said
    assert "set TMPDIR to a folder on a larger disk" in said
