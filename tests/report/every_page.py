"""What every page holds in a browser: nothing from outside, nothing on the console, heads, names, contrast, no sideways scrolling.

with Browser() as browser: held_by_all(browser, path, "ko", tables=8, plots=3)
"""

from __future__ import annotations

from pathlib import Path

from browser import Browser

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
