"""A page of the report, parsed: tags that nest, headings, attributes, tables, text.

Page("<p>…</p>").text
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "line", "circle", "polyline", "rect"}


class Page(HTMLParser):
    """Checks that tags nest; collects headings, attributes, cells of tables and the text."""

    def __init__(self, source: str):
        super().__init__()
        self.open, self.headings, self.attributes, self.tables, self.words, self.svgs = [], [], [], [], [], 0
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.svgs += tag == "svg"
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            return
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    @property
    def text(self) -> str:
        return "".join(self.words)
