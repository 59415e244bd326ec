"""Values as text of a Markdown page: nothing in them is markup.

md("a|b") == "a\\\\|b"
"""

from __future__ import annotations

import html
import re
from typing import Any

from byeori.report.visible import visible


def md(value: Any) -> str:
    """A value as plain text on one line."""
    text = " ".join(html.escape(visible(value), quote=False).split())
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text)


def code(value: Any) -> str:
    """A value as code on one line."""
    return f"`{' '.join(visible(value).replace('`', '').split())}`"
