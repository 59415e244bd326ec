"""Files that aren't there, or aren't files: folders, pipes, loops, what may not be read, what is gone when it is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from broken.case import ROWS, Case, Reads, Stops, file, files
from broken.good import CSV, jsonl
from byeori.errors import DataError

LONG = "x" * 300 + ".csv"


def made(name: str, make: Callable[[Path], Any], want: Reads | Stops, **more) -> Case:
    return Case(name, make, want, **more)


def folder(contents: dict[str, str]) -> Callable[[Path], Path]:
    def make(where: Path) -> Path:
        (where / "x.csv").mkdir()
        for name, content in contents.items():
            file(name, content)(where / "x.csv")
        return where / "x.csv"

    return make


def pipe(where: Path) -> Path:
    os.mkfifo(where / "pipe.csv")
    return where / "pipe.csv"


def link(to: str) -> Callable[[Path], Path]:
    def make(where: Path) -> Path:
        (where / "a.csv").symlink_to(where / to)
        (where / "b.csv").symlink_to(where / "a.csv")
        return where / "a.csv"

    return make


def in_a_file(where: Path) -> Path:
    file("a.csv", CSV)(where)
    return where / "a.csv" / "b.csv"


def saved(where: Path) -> Path:
    """Said to be of `save_to_disk`, and cut."""
    (where / "x").mkdir()
    file("x/dataset_info.json", '{"description": ')(where)
    return where / "x"


TWICE = {role: [*values, *values] for role, values in ROWS.items()}

CASES = [
    made("folder-named-csv", folder({"a.csv": CSV}), Reads(ROWS)),
    made("folder-named-csv-empty", folder({}), Stops("no data file")),
    made("folder-of-several-kinds", folder({"a.csv": CSV, "b.jsonl": jsonl()}), Stops("several kinds")),
    made("folder-with-an-empty-file", folder({"a.csv": CSV, "b.csv": ""}), Stops("the file is empty", file="b.csv")),
    made(
        "folder-with-a-broken-file",
        folder({"a.csv": CSV, "b.csv": CSV.replace("Not for me,", "Not for me")}),
        Stops("1 field", row=4, file="b.csv"),
    ),
    made(
        "folder-with-other-columns",
        folder({"a.csv": CSV, "b.csv": CSV.replace("text", "words")}),
        Stops(["no column", "text"], file="b.csv"),
    ),
    made("pipe-nobody-writes-to", pipe, Stops("nothing writes")),
    made("link-to-itself", link("b.csv"), Stops("link")),
    made("link-to-nothing", link("gone.csv"), Stops(["link", "gone.csv"])),
    made("file-for-a-folder", in_a_file, Stops("no such file")),
    made("name-too-long", lambda where: where / LONG, Stops(["no such file", "too long"], file="")),
    made("name-too-long-as-text", lambda where: "a text, not a file " * 20, Stops("give a list", file="")),
    made("name-with-nul", lambda where: str(where / "a\0.csv"), Stops("NUL", file="a?.csv")),
    made("name-empty", lambda where: " ", Stops("is empty", file="")),
    made("name-of-two-lines", lambda where: "a\nb", Stops("A text was given", file="")),
    made("nowhere", lambda where: where / "none" / "a.csv", Stops("no folder")),
    made(
        "near-name",
        files({"ratings.csv": CSV}, "{}/rating.csv"),
        Stops(["no such file", "Did you mean", "ratings.csv"]),
    ),
    made("glob-of-nothing", lambda where: str(where / "*.csv"), Stops("no file matches")),
    made("glob", files({"a1.csv": CSV, "a2.csv": CSV, "b.txt": ""}, "{}/a?.csv"), Reads(TWICE)),
    made("glob-with-an-open-bracket", files({"a[1.csv": CSV}, "{}/a[1.csv"), Reads(ROWS)),
    made("bytes-for-a-path", lambda where: CSV.encode(), Stops("Bytes are not data", file="", error=DataError)),
    made("device", lambda where: Path("/dev/zero"), Stops("a device")),
    made("null-device", lambda where: Path("/dev/null"), Stops("a device")),
    made("rows-of-python-none", lambda where: [None, None], Stops("NoneType", row=1, file="rows")),
    made("rows-of-python-empty", lambda where: [], Stops("no rows", file="rows")),
    made(
        "dict-of-unequal-columns",
        lambda where: {"text": ["a", "b"], "label": [1]},
        Stops("different lengths", file="rows"),
    ),
    made("saved-folder-broken", saved, Stops("can't be loaded", file="x")),
]
