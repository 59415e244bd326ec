"""The inspection's page is one whole page with nothing from outside; texts of strangers do nothing on it."""

from __future__ import annotations

import copy
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inspections import inspection
from report_page import Page

from byeori.report import plots
from byeori.report.inspection_page import page
from byeori.report.visible import clipped, one_line, visible

HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><b>", "&lt;b&gt; &amp; <b>", "'; --", "]]>",
    "\x1b[2J\x07\x00", "\u202eabc\u2066", "\ud800", "a\nb\tc", "{{7*7}} ${x} %s", "<!-- -->", "", " ", "ㅋ" * 5_000,
]  # fmt: skip


def parsed(data) -> Page:
    source = page(data)
    source.encode("utf-8")  # no lone surrogate is left
    for tag in re.findall(r"<(\w+)[^>]*/>", source):
        assert tag in ("rect", "line", "circle", "polyline")
    return Page(re.sub(r"<rect([^>]*[^/])>(<title>[^<]*</title>)</rect>", r"<g\1>\2</g>", source))


def test_one_page_with_nothing_from_outside():
    data = inspection()
    source = page(data)
    made = parsed(data)
    assert source.startswith("<!DOCTYPE html>") and '<meta charset="utf-8">' in source
    assert ("html", "lang", "en") in made.attributes
    outside = [a for a in made.attributes if a[1] in ("src", "srcset", "action", "style") or a[1].startswith("on")]
    assert not outside
    places = [value for _, name, value in made.attributes if name == "href"]
    assert places and all(f'id="{place[1:]}"' in source for place in places)  # inside the page
    assert "http://" not in source and "https://" not in source and "url(" not in source and "@import" not in source
    assert "<script" not in source and "<link" not in source and "/home/" not in source
    assert made.headings[0] == 1 and made.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(made.headings, made.headings[1:], strict=False))
    assert made.svgs == len(re.findall(r'<svg role="img"[^>]*><title>[^<]+</title>', source)) >= 6
    assert page(copy.deepcopy(data)) == source == page(json.loads(json.dumps(data)))


def test_what_it_says():
    made = parsed(inspection())
    assert "Don't train on this yet: 1 finding must be settled first, 1 more to look at, 1 note." in made.text
    kinds = [word for word in ("Leakage", "Conflicting labels", "Near duplicates") if word in made.text]
    assert [made.text.index(word) for word in kinds] == sorted(made.text.index(word) for word in kinds) and len(
        kinds
    ) == 3
    leak = next(t for t in made.tables if t[0] == ["row", "text", "more"])
    assert leak[1] == ["3, 99", "재밌어요", "training: nsmc.tsv, row 99"]
    labels = next(t for t in made.tables if t[0] == ["label", "train", "test"])
    assert labels[1:] == [["긍정", "600", "50"], ["부정", "400", "50"]]
    tokens = next(t for t in made.tables if t[0][-2:] == ["rows cut", "unknown tokens"])
    assert tokens[1] == ["train", "3", "18", "21.4", "40", "70", "110", "30 (3.0%)", "1.2%"]
    assert ["뷁", "30"] in next(t for t in made.tables if t[0] == ["word", "times"])
    assert ["nsmc.tsv", "1,001", "tsv", "cp949", "1 MiB", "abababababababab"] in made.tables[-2]
    assert ["text", "document"] in made.tables[-1] and "Columns that are not used: id." in made.text
    assert ["time", "1.2 h"] not in sum(made.tables, []) and ["time", "70 min"] in sum(made.tables, [])
    source = page(inspection())
    assert "max_length 64" in source and "all within max_length 64" in source  # within in the test part
    assert "<code>--skip-bad-rows</code>" in source and '<span lang="ko">재밌어요</span>' in source


@pytest.mark.parametrize(
    ("word", "said"), [("ready", "Ready: nothing found"), ("look", "Look at this"), ("stop", "Don't train")]
)
def test_verdicts(word, said):
    data = {"verdict": word, "findings": [], "source": "a.csv"}
    assert f'class="verdict {word}"' in page(data) and said in parsed(data).text


def put(value, text):
    """`value` with every string, names and labels included, replaced."""
    if isinstance(value, dict):
        return {(text + str(at) if key in ("긍정", "부정", "train", "document", "text", "ko") else key): put(one, text)
                for at, (key, one) in enumerate(value.items())}  # fmt: skip
    if isinstance(value, list):
        return [put(one, text) for one in value]
    return text if isinstance(value, str) else value


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_do_nothing(text):
    known = {tag for tag, *_ in parsed(inspection()).attributes}
    source = page(put(inspection(), text))
    made = parsed(put(inspection(), text))
    assert {tag for tag, *_ in made.attributes} <= known
    assert not [a for a in made.attributes if a[1].startswith("on") or a[1] in ("src", "style")]
    assert "<script" not in source and "<img" not in source and "<b>" not in source.replace("<b aria", "")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", source)
    if text.strip() and text.isprintable() and len(text) < 100:
        assert text in made.text


@pytest.mark.parametrize("data", [{}, {"parts": None, "findings": None}, {"findings": ["x", 3, None, {}]},
                                  {"parts": {"train": {"labels": 3, "tokens": [], "characters": {"text": 4}}}},
                                  {"estimate": {"seconds": "soon"}, "files": [1], "columns": [], "rows": None}])  # fmt: skip
def test_what_is_missing_is_left_out(data):
    assert parsed(data).headings[0] == 1


NAMES = ["train", "labels", "counts", "tokens", "histogram", "edges", "characters", "text", "rows", "examples", "level"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**9) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(list(inspection())), ANYTHING, max_size=6))
def test_any_object_makes_a_page(data):
    assert parsed({**inspection(), **data}).headings[0] == 1


def test_many_labels_are_cut_and_counted():
    data = inspection()
    data["parts"]["train"]["labels"]["counts"] = {f"label {n}": 1_000 - n for n in range(200)}
    source = page(data)
    assert "the 30 most frequent of 202" in source and source.count("label 29") >= 1 and "label 31" not in source


def test_a_histogram_shows_its_counts():
    svg = plots.histogram("sizes", [0, 10, 20, 500], [5, 10, 1], x="tokens", line=(15, "here"))
    bars = re.findall(r'<rect class="bar" x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="([\d.]+)">', svg)
    assert len({width for _, width, _ in bars}) == 1 and len(bars) == 3
    heights = [float(height) for *_, height in bars]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2) == pytest.approx(10 * heights[2], abs=0.5)
    (at,) = re.findall(r'class="rule" x1="([\d.]+)"', svg)
    assert float(at) == pytest.approx(float(bars[1][0]) + float(bars[1][1]) / 2, abs=1)
    assert plots.histogram("none", [0, 1], [0], x="") == "" and plots.bars("none", [], []) == ""


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0%"), (1, "100%"), (0.503, "50.3%"), (0.0004, "0.04%"), (0.00001, "<0.01%")]
)
def test_percent(value, said):
    assert plots.percent(value) == said


def test_what_is_unseen_is_shown():
    assert visible("a\x1b[31mb\u202e\u200b\ud800\x85") == "a⟨U+001B⟩[31mb⟨U+202E⟩⟨U+200B⟩⟨U+D800⟩⟨U+0085⟩"
    assert visible("한글 é 👩‍👩‍👧 \n\t") == "한글 é 👩‍👩‍👧 \n\t" and one_line("a\r\nb\tc\rd") == "a⏎b c⟨U+000D⟩d"
    assert clipped("가나다라마", 6) == "가나…" and clipped("가나다", 6) == "가나다" and clipped("abcdef", 4) == "abc…"
