"""A file that changed after it was read is said: its hash would be of other rows."""

import os

from byeori.data.read import read_rows
from byeori.data.rows import FileInfo


def test_a_file_that_changed_since_has_no_hash(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "a fine film,1\na bad film,0\n" * 20, encoding="utf-8")
    rows = read_rows(str(path))
    whole = rows.origin.files[0].sha256
    later = FileInfo.of_file(path)
    assert later.sha256 == whole
    changed = FileInfo.of_file(path)
    os.utime(path, (1, 1))
    assert changed.sha256 is None and changed.bytes == path.stat().st_size
