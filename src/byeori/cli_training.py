"""Commands about trainings: a search for settings, a step run again. One short function each, no logic.

byeori replay run --step 200
"""

from __future__ import annotations

from typing import Any

import click

import byeori
from byeori import settings
from byeori.commandline import Settings, common, given
from byeori.run import dumps
from byeori.train.space import Tune


@click.command(
    cls=Settings, kinds=(*settings.SECTIONS, "Training", Tune), without=("search",),
    first=("output", "trials", "timeout", "metric", "sampler", "pruner"), needed="The search",
)  # fmt: skip
@click.argument("file", metavar="SETTINGS.yaml")
@click.option("--task", metavar="TASK", help="what to train for, or FILE.py:CLASS; `byeori tasks` lists them")
@common
def tune(file: str, task: str | None, as_json: bool, **values: Any) -> None:
    """Search for good settings: trainings with values that Optuna proposes.

    SETTINGS.yaml is a training's, with a section `tune` whose `search` says what to vary; flags go before what it says.
    """
    from byeori.report.trials import print_trials, trials_of
    from byeori.train.progress import progress_for
    from byeori.train.study_folder import StudyFolder

    merged = {**settings.load_yaml(file), **given(values)}
    task = task or merged.pop("task", None)
    merged.pop("task", None)
    run = byeori.tune(task, progress=progress_for(as_json), **merged)
    assert run.path is not None
    folder = StudyFolder(run.path.parent)
    print(dumps(trials_of(folder))) if as_json else print_trials(folder)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--step", type=int, required=True, help="which one, counted from 1")
@click.option(
    "--rows", type=click.IntRange(1), default=10, show_default=True, help="rows shown, those of the largest losses"
)
@click.option("--task", metavar="TASK", help="FILE.py:CLASS, for a run of an own task")
@common
def replay(run: str, step: int, rows: int, task: str | None, as_json: bool) -> None:
    """Run one step of a training again: its rows, their losses, the gradient's norm.

    From the newest checkpoint before it (--keep-checkpoints keeps them), else from the beginning. Nothing in RUN is changed.
    """
    from byeori.report.steps import print_step
    from byeori.train.progress import progress_for

    with progress_for(as_json) as progress:
        found = byeori.replay(run, step, task=task, progress=progress)
    print(dumps(found)) if as_json else print_step(found, rows)
