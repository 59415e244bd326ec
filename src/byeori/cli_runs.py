"""Commands about finished runs: what they tell, and where they go. One short function each, no logic.

byeori report run
"""

from __future__ import annotations

import click

from byeori.commandline import debugging


@click.command()
@click.argument("run", metavar="RUN")
@debugging
def report(run: str) -> None:
    """Make report.html and the model card of a run again."""
    from byeori.report.write import write_report
    from byeori.run import RunFolder

    for sentence in write_report(run):
        print(sentence)
    print(RunFolder(run).report)
