"""As text/visible.py has it, which shows the samples of a training too.

clipped(one_line("a\\nb"), 20)
"""

from byeori.text.visible import clipped, one_line, visible

__all__ = ["clipped", "one_line", "visible"]
