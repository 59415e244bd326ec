"""The report as a browser has it: nothing from outside, nothing on the console, and what a person without eyes or mouse needs."""

from __future__ import annotations

import json
import re

import pytest
from browser import Browser, chromium

from byeori.report.style import STYLE
from byeori.report.write import write_report

BASICS = """(() => {
  const all = (what, from = document) => [...from.querySelectorAll(what)];
  const text = one => one.textContent.trim();
  return {
    lang: document.documentElement.lang, title: document.title, h1: all('h1').length, main: all('main').length,
    levels: all('h1,h2,h3,h4,h5,h6').map(one => +one.tagName[1]), empty: all('h1,h2,h3,h4,th,summary,a').filter(one => !text(one)).length,
    tables: all('table').length, captions: all('table').filter(one => one.caption && text(one.caption)).length,
    unscoped: all('th:not([scope])').length, headless: all('table').filter(one => !one.querySelector('th')).length,
    plots: all('svg').length, named: all('svg[role=img] > title').filter(text).length,
    lost: all('a[href]').filter(one => !document.getElementById(one.getAttribute('href').slice(1))).length,
    ids: all('[id]').length - new Set(all('[id]').map(one => one.id)).size,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    unreached: all('.wide').filter(one => one.scrollWidth > one.clientWidth + 1 && one.tabIndex < 0 && !one.querySelector('svg')).length,
  };
})()"""

# WCAG 2.2, 1.4.3: contrast of each text with what lies under it
CONTRAST = """(() => {
  const parts = value => { const n = value.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, place) => sum + v * [.2126, .7152, .0722][place], 0);
  const under = one => {
    if (!one) return parts(getComputedStyle(document.body).backgroundColor);
    const [r, g, b, a] = parts(getComputedStyle(one).backgroundColor);
    if (a >= 1) return [r, g, b];
    const below = under(one.parentElement);
    return [r, g, b].map((v, place) => v * a + below[place] * (1 - a));
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || one.tagName.toLowerCase() === 'title') continue;
    const style = getComputedStyle(one);
    const ink = light(parts(one.closest('svg') ? style.fill : style.color)), paper = light(under(one));
    const ratio = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
    if (ratio < 4.5) found.push([walk.currentNode.data.trim().slice(0, 40), ratio]);
  }
  return found;
})()"""


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
    for dark, width in ((False, 1000), (True, 400)):
        seen = browser.open(full / "report.html", dark, width)
        found = seen.evaluate(BASICS)
        assert seen.requests == [(full / "report.html").resolve().as_uri()] and seen.console == []
        assert found["lang"] == lang and found["title"] and found["h1"] == found["main"] == 1
        levels = found["levels"]
        assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
        assert found["tables"] == found["captions"] >= 8 and found["plots"] == found["named"] >= 3
        assert {name: found[name] for name in ("empty", "unscoped", "headless", "lost", "ids", "unreached")} == dict.fromkeys(
            ("empty", "unscoped", "headless", "lost", "ids", "unreached"), 0
        )  # fmt: skip
        assert found["wide"] <= 0, "only tables and plots scroll sideways, not the page"
        seen.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert seen.evaluate(CONTRAST) == []


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
