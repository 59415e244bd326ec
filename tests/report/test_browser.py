"""The report as a browser has it: nothing from outside, nothing on the console, and what a person without eyes or mouse needs."""

from __future__ import annotations

import json
import re

import pytest
from comparisons import comparison, seeds
from every_page import held_by_all

from browser import Browser, chromium
from byeori.report.compare_page import page as compared
from byeori.report.style import STYLE
from byeori.report.write import write_report


@pytest.fixture(scope="module")
def browser():
    if chromium() is None:
        pytest.skip("no Chromium is installed here (apt-get install chromium)")
    with Browser() as found:
        yield found


@pytest.fixture(params=["single", "multi", "regression"])
def full(request):
    """A run with all that a report can show, hostile texts among it."""
    run = request.getfixturevalue(request.param)
    score = dict.fromkeys(("accuracy", "micro_f1", "pearson"), {"value": 0.8, "low": 0.7, "high": 0.9})
    write(run / "slices.json", {"part": "test", "length": {"slices": [
        {"low": 4, "high": 9, "rows": 40, "scores": score}, {"low": 10, "high": 60, "rows": 41, "scores": score},
    ]}, "source": {"column": "<i>domain", "slices": [{"name": "<img src=//x.example/a.png>", "rows": 3, "scores": {}}]}})  # fmt: skip
    text = "돈이 아깝다 \u202e<script>console.error(1)</script><img src=http://x.example/y.png>"
    words = {"text": [[0, 2, -0.4], [3, 6, 0.31], [7, 20, -0.01]]}
    rows = [
        {"row": row, "where": "a.tsv, row 9", "inputs": {"text": text}, "of": "긍정", "score": 0.9, "words": words}
        for row in (2, 3, 4, 5)
    ]
    write(run / "mistakes.json", {"part": "test", "rows": rows})
    watched = [
        {
            "step": step,
            "row": row,
            "inputs": {"text": text},
            "prediction": "긍정",
            "score": 0.5,
            "reference": "부정",
            "right": False,
        }
        for step in (100, 200, 300)
        for row in (1, 9)
    ]
    (run / "watched.jsonl").write_text("".join(json.dumps(one) + "\n" for one in watched), encoding="utf-8")
    data = json.loads((run / "data.json").read_text(encoding="utf-8"))
    example = {"rows": [3], "texts": [text]}
    data["findings"] = [
        {"kind": kind, "level": level, "part": "train", "count": 2, "rows": [3, 4], "said": "Said.", "advice": "Use --clean.",
         "examples": [example]}
        for kind, level in (("near_duplicates", "look"), ("truncated", "note"))
    ]  # fmt: skip
    write(run / "data.json", data)
    lines = (run / "predictions" / "test.jsonl").read_text(encoding="utf-8")
    (run / "predictions" / "test.jsonl").write_text(lines * 12, encoding="utf-8")  # enough for a reliability diagram
    return run


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


@pytest.mark.parametrize("lang", ["ko", "en"])
def test_the_report_in_a_browser(browser, full, lang):
    missing = write_report(full, lang=lang)
    assert missing == []
    held_by_all(browser, full / "report.html", lang, tables=8, plots=3)


@pytest.mark.parametrize("lang", ["ko", "en"])
@pytest.mark.parametrize("found", [comparison(), seeds()], ids=["two", "seeds"])
def test_a_comparison_in_a_browser(browser, tmp_path, found, lang):
    path = tmp_path / "page.html"
    path.write_text(compared(found, lang), encoding="utf-8")
    held_by_all(browser, path, lang, tables=3, plots=2)


def colours() -> list[dict[str, tuple[float, ...]]]:
    """The variables of both schemes as red, green, blue."""
    found = []
    for block in re.findall(r":root\{([^}]*)\}", STYLE)[:2]:
        scheme = {}
        for name, value in re.findall(r"--(\w+):([^;}]+)", block.replace("\n", "")):
            if value.startswith("#"):
                digits = value[1:] if len(value) == 7 else "".join(2 * sign for sign in value[1:])
                scheme[name] = tuple(int(digits[at : at + 2], 16) for at in (0, 2, 4))
            elif "," in value:
                scheme[name] = tuple(map(int, value.split(",")))
        found.append(scheme)
    return found


def ratio(ink, paper) -> float:
    """Contrast as WCAG 2.2 reckons it."""

    def light(colour):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (one / 255 for one in colour)]
        return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((light(ink), light(paper)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_stand_out_in_both_schemes(scheme):
    from byeori.report.wrong import STRONGEST

    now = colours()[scheme]
    assert len(now) >= 11
    for paper in ("bg", "card"):
        for ink in ("fg", "soft", "accent", "good", "bad", "open"):
            assert ratio(now[ink], now[paper]) >= 4.5, (ink, paper)
        for shade in ("rgb", "warm"):  # marked words and the confusion matrix
            mixed = [a * STRONGEST + b * (1 - STRONGEST) for a, b in zip(now[shade], now[paper], strict=True)]
            assert ratio(now["fg"], mixed) >= 4.5, (shade, paper)
