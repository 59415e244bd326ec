"""Commands about finished runs: what they tell, and where they go. One short function each, no logic.

byeori report run
"""

from __future__ import annotations

import sys
from typing import Any

import click

from byeori.commandline import common, debugging
from byeori.errors import SettingError
from byeori.run import dumps


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--lang",
    type=click.Choice(["ko", "en"]),
    help="language of the page; that of most of the run's samples if not given",
)
@debugging
def report(run: str, lang: str | None) -> None:
    """Make report.html and the model card of a run again."""
    from byeori.report.write import write_report
    from byeori.run import RunFolder

    for sentence in write_report(run, lang):
        print(sentence)
    print(RunFolder(run).report)


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("repo_id", metavar="REPO_ID")
@click.option("--public", is_flag=True, help="everyone may read the repository; private if not given")
@click.option(
    "--revision", metavar="BRANCH", help="branch that gets the commit; made if it isn't there  [default: main]"
)
@click.option(
    "--tag", metavar="NAME", help="the commit's name; v1, v2 … if not given, the next free one; none for no tag"
)
@click.option("--message", metavar="TEXT", help="the commit's message; task, score and step if not given")
@click.option(
    "--with", "extras", multiple=True, metavar="PARTS",
    help="what goes besides (a,b): report, samples, mistakes, watched, predictions, history, metrics, slices, settings, data, or a "
    "file of model/ by name",
)  # fmt: skip
@click.option("--allow", multiple=True, metavar="FILES", help="files (a,b) that may go whatever was found in them")
@click.option("--dry-run", is_flag=True, help="show what would go; the Hub isn't asked anything")
@click.option("--yes", is_flag=True, help="send without asking")
@common
def push(run: str, repo_id: str, public: bool, dry_run: bool, yes: bool, as_json: bool, **values: Any) -> None:
    """Send a run's model to the Hub, after showing what goes and asking.

    What goes is RUN's model/ with its card. Secrets, and rows of the data, in a file that would go stop it.
    REPO_ID is USER/NAME; a name alone is one of yours.
    """
    from byeori.report.push import Plan
    from byeori.report.push import push as send
    from byeori.report.push_lines import done_lines, plan_lines

    def ask(plan: Plan) -> bool:
        if not as_json:
            print("\n".join(plan_lines(plan)), flush=True)
        if yes or dry_run or plan.leaks:
            return True
        if not sys.stdin.isatty():
            raise SettingError(
                "push asks before it sends, and nobody is there to answer. Add --yes, or --dry-run to look only."
            )
        return click.confirm("\nSend it?", err=True)

    def note(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    shown = sys.stderr.isatty()
    found = send(run, repo_id, private=not public, dry_run=dry_run, ask=ask, note=note, bars=shown, **values)
    print(dumps(found) if as_json else "\n".join(["", *done_lines(found)]))


@click.command()
@click.argument("runs", metavar="RUN RUN…", nargs=-1, required=True)
@click.option("--baseline", metavar="RUN", help="what the others are compared with; the first if not given")
@click.option("--part", type=click.Choice(["test", "validation"]), default="test", show_default=True, help="whose rows")
@click.option("--html", metavar="FILE", help="write one page with plots")
@click.option(
    "--lang", type=click.Choice(["ko", "en"]),
    help="language of that page; that of most of the runs' samples if not given",
)  # fmt: skip
@click.option(
    "--permutations", type=click.IntRange(100), default=10_000, show_default=True, help="of which p is a share"
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="of resamples and permutations")
@click.option("--task", metavar="TASK", help="FILE.py:CLASS, for runs of an own task")
@common
def compare(runs: tuple[str, ...], html: str | None, as_json: bool, **values: Any) -> None:
    """Compare runs on the same test rows: differences with intervals and p, rows that changed, settings that differ.

    RUN is a run folder, what `byeori evaluate --output` wrote, or a folder of several seeds (`byeori train --seeds`).
    """
    import byeori
    from byeori.report.compare_lines import lines

    found = byeori.compare(*runs, html=html, **values)
    print(dumps(found) if as_json else "\n".join(lines(found)))
    if html is not None and not as_json:
        print(html)


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--lang",
    type=click.Choice(["en", "ko"]),
    help="language of the card; that of the card that is there, else English, if not given",
)
@click.option("--print", "shown", is_flag=True, help="print the card and write nothing")
@click.option(
    "--overwrite", is_flag=True, help="also over a card that was changed outside of the parts that are a person's"
)
@debugging
def card(run: str, lang: str | None, shown: bool, overwrite: bool) -> None:
    """Write the model card of a run again, model/README.md: what was measured, and blanks for what only you know.

    What you wrote between <!-- yours: … --> and <!-- /yours: … -->, and in the metadata at the top, is kept.
    """
    from byeori.report.write import card_text, write_card
    from byeori.run import RunFolder

    if shown:
        print(card_text(run, lang), end="")
        return
    for sentence in write_card(run, lang, overwrite=overwrite):
        print(sentence)
    print(RunFolder(run).model / "README.md")
