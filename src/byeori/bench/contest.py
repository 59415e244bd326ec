"""A benchmark from its flags to its verdict: read and draw the rows, let the contestants take turns, say what came of it.

found = bench("predict", {"model": "run", "input": "new.tsv", "rounds": 5}, note=print); found.verdict
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byeori import settings
from byeori.bench import sources, verdict
from byeori.bench.contestants import Contestant, chosen, contestants, sizes
from byeori.bench.options import Measuring, Running
from byeori.bench.rounds import Log, Measure, take_turns
from byeori.data.wording import count

STOPPED = 130
Note = Callable[[str], None]


@dataclass
class Found:
    """`measured`: contestant → a result a round; `said`: what the benchmark was of, JSON-ready; `headline`: the score compared."""

    what: str
    said: dict[str, Any]
    contestants: list[Contestant]
    measured: dict[str, list[dict[str, Any]]]
    failed: dict[str, str]
    headline: str | None = None
    verdict: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    code: int = 0

    @property
    def data(self) -> dict[str, Any]:
        """One object for programs."""
        ratios = {
            f"{us.name} / {them.name}": None if found is None else dataclasses.asdict(found)
            for us, them, found in verdict.every_ratio(self.contestants, self.measured)
        }
        who = {
            one.name: {"what": one.described, "how": one.how, "rounds": self.measured.get(one.name, [])}
            for one in self.contestants
        }
        return {
            "bench": self.what, **self.said, "headline": self.headline, "contestants": who, "failed": self.failed, "ratios": ratios,
            "verdict": self.verdict, "warnings": self.warnings,
        }  # fmt: skip


def bench(what: str, values: dict[str, Any], note: Note = lambda _: None, measure: Measure | None = None) -> Found:
    """`what` is train, predict, generate or tokenize; `values` the settings of its command, its places among them.

    `measure` runs one job; a process of its own does, if not given. Raises SettingError, DataError, ModelError for what can't
    be benchmarked; a contestant that fails is told in the result.
    """
    values = dict(values)
    own = {name: values.pop(name) for name in settings.names(Measuring, Running) if name in values}
    measuring, running = settings.read(own, Measuring, Running)
    tried = sizes(measuring)
    prepare = {
        "train": sources.train,
        "predict": sources.predict,
        "generate": sources.generate,
        "tokenize": sources.tokenize,
    }[what]
    with tempfile.TemporaryDirectory() as folder:
        source = prepare(values, measuring, running, folder, note)
        some = chosen(
            contestants(what, running, batch_size=source.batch_size, task=source.said.get("task", "")), measuring
        )
        jobs = {
            one.name: {
                **source.job, "what": what, "name": one.name, "ours": one.ours, "how": one.how, "first": some[0].name,
                "try": tried if one.name == "tuned" else [],
            }
            for one in some
        }  # fmt: skip
        log = Log(measuring.output, _key(source), measuring.overwrite)
        note(f"{source.described}; {count(measuring.rounds, 'round')}, the contestants in turn:")
        for one in some:
            note(f"  {one.name}: {one.described}")
        turns = take_turns(jobs, measuring.rounds, log, note, measure)
    found = Found(
        what, {**source.said, "rounds": measuring.rounds}, some, turns.measured, turns.failed, source.headline
    )
    _judge(found, source.lower_is_better, turns.kept)
    found.code = STOPPED if turns.stopped else 1 if turns.failed else 0
    if turns.stopped:
        on = (
            f"the same command goes on from {measuring.output}."
            if measuring.output
            else "with --output FILE.jsonl the same command could go on from there."
        )
        note(f"Stopped before the last round; {on}")
    return found


def _judge(found: Found, lower: bool, kept: int) -> None:
    """Put verdict and warnings into what was found."""
    found.verdict = verdict.sentences(found.what, found.contestants, found.measured, found.failed)
    rounds = max((len(results) for results in found.measured.values()), default=0)
    found.warnings = verdict.warnings(found.contestants, found.measured, rounds, kept) if rounds else []
    if found.headline is not None:
        said, warning = verdict.scores_said(found.contestants, found.measured, found.headline, lower)
        found.verdict += [said] if said else []
        found.warnings = ([warning] if warning else []) + found.warnings


def _key(source: sources.Source) -> str:
    """Of everything that makes measurements comparable: the rows, the model, the settings, the versions."""
    import torch
    import transformers

    import byeori

    versions = [byeori.__version__, str(torch.__version__), transformers.__version__]
    job = {name: value for name, value in source.job.items() if name not in ("given", "rows")}  # folders of this call
    text = json.dumps(
        [source.said, source.digest, job, _files(job.get("model")), versions], sort_keys=True, default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _files(model: Any) -> list[tuple[str, int, int]]:
    """Name, size and time of the files of a model that is a folder here; what is trained anew there is another one."""
    folder = Path(str(model))
    if not folder.is_dir():
        return []
    found = [(str(file.relative_to(folder)), file.stat()) for file in sorted(folder.rglob("*")) if file.is_file()]
    return [(name, said.st_size, said.st_mtime_ns) for name, said in found]
