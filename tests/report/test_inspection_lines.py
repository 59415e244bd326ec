"""The inspection on a terminal: aligned by display width, about forty lines, the verdict last."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from inspections import inspection
from rich.cells import cell_len

from byeori.report.inspection_lines import MOST, lines

WIDTHS = [50, 80, 120]


def many(number: int, level: str = "note") -> dict:
    data = inspection()
    one = {"kind": "mixed_scripts", "level": level, "part": "train", "count": 2, "rows": [1], "advice": "See whether they belong.",
           "said": "두 줄은 다른 글자로 쓰여 있다: " + "긴 문장이 이어진다 " * 20}  # fmt: skip
    data["findings"] += [one] * number
    return data


def test_in_a_pipe_a_finding_is_a_line():
    made = lines(inspection())
    assert made[:3] == ["nsmc.tsv · text-classification · klue/roberta-base",
                        "1,101 rows in 1 file (tsv, cp949), of which 1 can't be read",
                        "text ← document, label ← label; not used: id"]  # fmt: skip
    assert made[-1] == "Don't train on this yet: 1 finding must be settled first, 1 more to look at, 1 note."
    assert made[-5:-2] == [
        'stop: leakage (test): 1 row of test stands in training: "재밌어요". → Leave it out with --skip-bad-rows.',
        "look: conflicting labels: 2 texts carry different labels. → Decide on one label for each.",
        "note: near duplicates: 35 rows nearly repeat an earlier one.",
    ]
    assert not any("\x1b" in line for line in made)


def test_parts_stand_beside_one_another_by_display_width():
    made = lines(inspection())
    start = next(place for place, line in enumerate(made) if line.split() == ["train", "test"])
    block = made[start : made.index("", start)]
    assert [re.split(r"\s{2,}", line.strip()) for line in block] == [
        ["train", "test"],
        ["rows", "1,000", "100"],
        ["긍정", "60.0%", "50.0%"],
        ["부정", "40.0%", "50.0%"],
        ["characters, text", "27 (99%: 138, longest 144)", "27 (99%: 138, longest 144)"],
        ["tokens a row", "18 (99%: 70, longest 110)", "18 (99%: 70, longest 40)"],
        ["rows cut at 64", "30 (3.0%)", "0 (0%)"],
        ["unknown tokens", "1.2%", "1.2%"],
        ["rows in Korean", "99.0%", "100%"],
        ["rows in English", "1.0%", "0%"],
    ]
    assert len({cell_len(line) for line in block}) == 1  # the last column ends at one place
    assert "a training would take: tokens an epoch 21,400, updates 96, time 70 min, memory 2.2 GiB" in made


@pytest.mark.parametrize("width", WIDTHS)
def test_on_a_terminal_nothing_is_wider_than_it(width):
    made = lines(many(3), width=width)
    assert max(map(cell_len, made)) <= width
    assert " ".join(made).replace("  ", " ").endswith("4 notes.")
    levels = [line.split()[0] for line in made if re.match("(stop|look|note) ", line)]
    assert levels == ["stop", "look", *["note"] * 4]
    starts = {cell_len(line) - cell_len(line.lstrip()) for line in made if line.lstrip().startswith("→")}
    assert starts == {6}  # advice stands under what was said


@pytest.mark.parametrize("level", ["note", "look"])
def test_what_is_too_much_is_counted(level):
    for width in (None, 100):
        made = lines(many(60, level), width=width)
        assert len(made) <= MOST
        shown = sum(bool(re.match("(stop|look|note)[: ]", line)) for line in made)
        (rest,) = [
            line for line in made if "more" in line and "mixed scripts" in line and "…" in line and "--html" in line
        ]
        assert sum(map(int, re.findall(r"(\d+) more", rest))) + shown == 63
        assert made[-1].startswith("Don't train")
    assert len(lines(many(60, level), most=0)) > 63  # all of it where it is asked for


def test_stops_are_never_left_out():
    assert sum(line.startswith("stop: ") for line in lines(many(60, "stop"))) == 61


def test_many_labels_are_counted():
    data = inspection()
    data["parts"]["train"]["labels"]["counts"] = {f"label {n}": 100 - n for n in range(50)}
    made = lines(data)
    assert "  … 46 more labels" in made and sum(line.startswith("  label ") for line in made) == 6


def test_numbers_instead_of_classes():
    data = inspection()
    for part in data["parts"].values():
        part["labels"] = {"problem_type": "regression", "mean": 2.53, "std": 1.5}
    assert any(re.fullmatch(r"label, mean ± sd +2\.5 ± 1\.5 +2\.5 ± 1\.5", line) for line in lines(data))


def test_texts_act_on_no_terminal():
    data = inspection()
    data["source"] = "/a/\x1b[2Jx.tsv"
    data["findings"][0]["said"] = "clear \x1b[2J and \u202eback\nnew line [bold]not bold[/bold]"
    for width in (None, 200):
        made = lines(data, width=width)
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", "".join(made))
        (line,) = [line for line in made if "clear" in line]
        assert "clear ⟨U+001B⟩[2J and ⟨U+202E⟩back⏎new line [bold]not bold[/bold]" in line


@pytest.mark.parametrize("data", [{}, {"parts": {}, "findings": None}, {"findings": [{}]}, {"parts": {"train": {}}}])
@pytest.mark.parametrize("width", [None, 80])
def test_what_is_missing_is_left_out(data, width):
    made = lines(data, width=width)
    assert made[-1].startswith("Look at this") and not any(a == b == "" for a, b in pairwise(made))
