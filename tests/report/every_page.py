"""What every page holds in a browser: nothing from outside, nothing on the console, heads, names, contrast, no sideways scrolling.

with Browser() as browser: held_by_all(browser, path, "ko", tables=8, plots=3)
"""

from __future__ import annotations

from pathlib import Path

from browser import CONTRAST, Browser

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


def held_by_all(browser: Browser, path: Path, lang: str, *, tables: int, plots: int) -> None:
    for dark, width in ((False, 1000), (True, 400)):
        seen = browser.open(path, dark, width)
        found = seen.evaluate(BASICS)
        assert seen.requests == [path.resolve().as_uri()] and seen.console == []
        assert found["lang"] == lang and found["title"] and found["h1"] == found["main"] == 1
        levels = found["levels"]
        assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
        assert found["tables"] == found["captions"] >= tables and found["plots"] == found["named"] >= plots
        assert {name: found[name] for name in ("empty", "unscoped", "headless", "lost", "ids", "unreached")} == dict.fromkeys(
            ("empty", "unscoped", "headless", "lost", "ids", "unreached"), 0
        )  # fmt: skip
        assert found["wide"] <= 0, "only tables and plots scroll sideways, not the page"
        seen.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert seen.evaluate(CONTRAST) == []
