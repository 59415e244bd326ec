"""The command: one short function each, no logic. Flags are made from the settings' dataclasses.

byeori train --task text-classification --model klue/roberta-base --train nsmc.tsv --output run
"""

from __future__ import annotations

import codecs
import os
import sys
import warnings
from typing import Any

import click

import byeori
from byeori import settings
from byeori.bench import options as beside
from byeori.cli_export import export
from byeori.cli_runs import card, compare, push, report
from byeori.cli_serving import serve
from byeori.cli_training import replay, tune
from byeori.commandline import SCORING, Flag, Settings, answer, common, debugging, given, sharing, told, used_task
from byeori.doctor.options import KINDS
from byeori.errors import ByeoriError, DataError, SettingError
from byeori.predict.options import TOLD, Reading, Using, Written
from byeori.run import dumps
from byeori.text import tokenizer_settings as learning


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Signs a console lacks as JSON writes them (two units beyond U+FFFF), so that lines of JSON stay JSON."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)), error.end


codecs.register_error("byeori.escape", _escape)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exits with the code DESIGN gives each kind of error."""
    for stream in (sys.stdout, sys.stderr):
        # A Korean label must not end the program under LC_ALL=C or on a cp949 console.
        if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
            if (stream.encoding or "ascii").lower() in ("ascii", "ansi_x3.4-1968", "latin-1", "iso8859-1"):
                stream.reconfigure(encoding="utf-8")
            else:
                stream.reconfigure(errors="byeori.escape")
    several = os.environ.get("WORLD_SIZE", "1") != "1"
    # Of what is said before ranks know of each other: a file may be there on one machine and not on another.
    speaks = not several or os.environ.get("LOCAL_RANK", "0") == "0"
    if several:
        # DDP is told that parameters may have no gradient, and each rank warns of it where all have one.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    debug = "--debug" in (arguments if arguments is not None else sys.argv)
    # A sentence for people, without its place in the code.
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    try:
        code = cli.main(arguments, prog_name="byeori", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        if speaks:
            print("\nStopped.", file=sys.stderr)
        code = 130
    except click.ClickException as error:
        if speaks:
            print(f"byeori: {answer(error)}", file=sys.stderr)
        code = error.exit_code
    except ByeoriError as error:
        if debug:
            raise
        if not getattr(error, "said", not speaks):  # by another rank
            print(f"byeori: {error}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:
        code = _closed()
    except Exception as error:
        if debug:
            raise
        text = " ".join(str(error).split())[:400]
        if not getattr(error, "said", not speaks):
            print(
                f"byeori: something failed that has no message of its own: {type(error).__name__}: {text} (--debug shows where)",
                file=sys.stderr,
            )
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _closed() -> int:
    """Whoever read our output has gone (`| head`): what is left goes nowhere, else Python complains at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(byeori.__version__, prog_name="byeori")
@click.option("--debug", is_flag=True, help="show the traceback of an error")
def cli(debug: bool) -> None:
    """From raw text to a fine-tuned, measured, documented and served transformer."""


@cli.command(
    cls=Settings, kinds=(*settings.SECTIONS, "Training"), first=("task", "model", "train", "output"),
    needed="Needed, here or in SETTINGS.yaml",
)  # fmt: skip
@click.argument("file", metavar="[SETTINGS.yaml]", required=False)
@click.option("--task", metavar="TASK", help="what to train for, or FILE.py:CLASS; `byeori tasks` lists them")
@common
def train(file: str | None, task: str | None, as_json: bool, **values: Any) -> None:
    """Train, score and document a model.

    Flags go before what a settings file says; --no- before the name of one without a value says its opposite.
    """
    from byeori.report.table import print_summary
    from byeori.train.progress import progress_for

    with sharing(file, values["device"]) as speaks:  # what all ranks would say is said by one, from a wrong setting on
        merged = {**(settings.load_yaml(file) if file else {}), **given(values)}
        task = task or merged.pop("task", None)
        merged.pop("task", None)
        run = byeori.train(task, progress=progress_for(as_json), **merged)
    if not speaks:
        return
    if merged.get("seeds") is not None:
        from byeori.report.seeds import print_seeds

        assert run.path is not None
        print_seeds(run.path, as_json)
    elif as_json:
        print(dumps(run.metrics))
    elif run.folder is not None:
        print_summary(run.folder, run.metrics)


for command in (tune, replay, report, card, compare, push, export, serve):
    cli.add_command(command)


def _using(values: dict[str, Any]) -> dict[str, Any]:
    """The options of loading a model, taken out of `values`."""
    return {name: values.pop(name) for name in ("task", *TOLD) if name in values} | given(values, Using)


@cli.command(cls=Settings, kinds=(("Training", SCORING), "Columns", Reading, Using, ("Training", TOLD)))
@click.argument("model", metavar="MODEL_OR_RUN", required=False)
@click.argument("data", metavar="DATA", required=False)
@click.option("--output", cls=Flag, section=SCORING, metavar="FOLDER", help="keep what `byeori compare` needs")
@used_task
@common
def evaluate(model: str | None, data: str | None, as_json: bool, **values: Any) -> None:
    """Score a model on labelled data, with 95% intervals.

    A settings file in the place of MODEL_OR_RUN may say all of it: model, data, and the flags by their names.
    """
    from byeori.predict.sharing import ranks
    from byeori.report.table import print_scores
    from byeori.train.progress import progress_for

    values = told({"model": model, "data": data}, values)
    name, data, output = values.pop("model"), values.pop("data"), values.pop("output", None)
    using = _using(values)
    with ranks(using.get("device")) as world, world.together():
        run = byeori.load_run(name, **using)
        progress = progress_for(as_json, quiet=not world.main)
        note, run.engine.watch, run.engine.world = progress.note, progress.writing, world
        reading, own = given(values, Reading, run.task.Columns), given(values)
        with run.scoring(**own):
            rows = run.read(data, **reading)
        for line in (f"{data}: {len(rows):,} rows", *rows.notes):
            note(line)
        said = len(rows.notes)
        with progress:
            scores = run.evaluate(rows, output=output, **own)
        for line in rows.notes[said:]:
            note(line)
    if world.main:
        print(dumps(scores)) if as_json else print_scores(scores, run.of_class)


@cli.command(
    cls=Settings,
    kinds=(Written, "Call", "Columns", Reading, Using),
    without=("label", "skip_bad_rows", "drop_empty", "drop_empty_labels"),
    answers=False,
)
@click.argument("model", metavar="MODEL_OR_RUN", required=False)
@click.argument("input", metavar="INPUT", required=False)
@used_task
@common
def predict(model: str | None, input: str | None, as_json: bool, **values: Any) -> None:
    """Predict every row of a file (- is standard input) into JSONL, in row order.

    A row that can't be used keeps its line, with the reason. A settings file in the place of MODEL_OR_RUN may say all of
    it: model, input, output, and the flags by their names.
    """
    from byeori.predict.files import predict_file
    from byeori.predict.run import load_to_predict
    from byeori.predict.sharing import ranks
    from byeori.train.progress import progress_for

    values = told({"model": model, "input": input}, values)
    name, source = values.pop("model"), values.pop("input")
    (written,) = settings.read(given(values, Written), Written)
    using = _using(values)
    with ranks(using.get("device")) as world, world.together():
        run, call = load_to_predict(name, using)
        reading = given(values, Reading, run.task.Columns)
        progress = progress_for(as_json, quiet=not world.main)
        run.engine.watch = progress.writing
        with progress:
            found = predict_file(
                run, source, written.output, call={**values, **call}, read=reading, with_inputs=written.with_inputs,
                note=progress.note,
            )  # fmt: skip
    if not world.main:
        return
    line = f"{found['rows']:,} rows, {found['errors']:,} with errors, {found['seconds']:.1f} s, {found['rows_per_second']:.0f} rows/s"
    to_stdout = as_json and written.output != "-"  # where the predictions are not
    print(dumps(found) if as_json else line, file=sys.stdout if to_stdout else sys.stderr)


@cli.command(cls=Settings, kinds=KINDS, without=("from_scratch",), first=("task", "model"), needed="What it is for")
@click.argument("data", metavar="[DATA]", required=False)
@click.option("--task", metavar="TASK", help="what the data is for, or FILE.py:CLASS; told by the columns if not given")
@common
def inspect(data: str | None, task: str | None, as_json: bool, **values: Any) -> int:
    """Look for what is wrong with data before a training: exit code 3 where it should not be trained on.

    Without DATA, --text (and --text-pair) are texts, shown as --model sees them. A settings file in DATA's place looks at what
    that training would take.
    """
    values = given(values)
    try:
        found = byeori.inspect(data, task=task, **values)
    except DataError as error:
        if as_json:
            from byeori.doctor.inspection import unreadable

            print(dumps(unreadable(data, error).data))
        raise
    if as_json:
        print(dumps(found.data))
    else:
        from byeori.report.inspection_lines import lines

        told = [[] if found.source is None else lines(found.data), *(seen.lines() for seen in found.shown)]
        print("\n\n".join("\n".join(one) for one in told if one))
    stops = found.stops(values.get("fail_on"))
    if stops:
        print(f"byeori: exit code {DataError.exit_code}, for {', '.join(stops)}.", file=sys.stderr)
    return DataError.exit_code if stops else 0


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="JSON for programs")
@debugging
def tasks(as_json: bool) -> None:
    """List the tasks, and the models that `byeori.pipeline(task)` takes where none is named."""
    from byeori.tasks import TASKS
    from byeori.tasks.checkpoints import CHECKPOINTS, listed

    if as_json:
        print(dumps([
            {"name": t.name, "aliases": t.aliases, "summary": t.summary, "checkpoints": listed(t.name)} for t in TASKS
        ]))  # fmt: skip
        return
    for task in TASKS:
        also = f" (also {', '.join(task.aliases)})" if task.aliases else ""
        print(f"{task.name}{also}: {task.summary}")
        for lang, checkpoint in CHECKPOINTS.get(task.name, {}).items():
            print(f"    {lang}: {checkpoint}")


@cli.command()
@click.option("--output", default="demo-run", help="folder of the run")
@click.option("--overwrite", is_flag=True, help="replace a run that is in the folder")
@debugging
def demo(output: str, overwrite: bool) -> None:
    """Train on the sample data that ships with the package and predict three messages; no network."""
    from byeori.demo import run_demo

    run_demo(output, overwrite)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell; e.g. byeori completion bash >> ~/.bashrc"""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise SettingError(f"there is no completion for {shell}.")
    print(kind(cli, {}, "byeori", "_BYEORI_COMPLETE").source())


@cli.group()
def tokenizer() -> None:
    """Learn a tokenizer from texts, or measure one on them."""


@tokenizer.command(
    "train",
    cls=Settings,
    kinds=learning.SECTIONS,
    first=("algorithm", "vocab_size", "output"),
    needed="Needed, here or in SETTINGS.yaml",
)
@click.argument("data", metavar="[SETTINGS.yaml] DATA...", nargs=-1)
@common
def tokenizer_train(data: tuple[str, ...], as_json: bool, **values: Any) -> None:
    """Learn a tokenizer: WordPiece, byte-level BPE, Unigram, words or characters.

    Texts are read as a stream, of any size. Flags, and data named here, go before what a settings file says.
    """
    from byeori.report.tokenizers import trained_lines
    from byeori.train.progress import progress_for

    found = learning.from_command(data, given(values))
    trained = byeori.train_tokenizer(found.pop("data"), note=progress_for(as_json).note, **found)
    print(dumps(trained.report) if as_json else "\n".join(trained_lines(trained)))


@tokenizer.command("report", cls=Settings, kinds=(learning.Texts, learning.Comparing))
@click.argument("name", metavar="TOKENIZER")
@click.argument("data", metavar="DATA...", nargs=-1, required=True)
@common
def tokenizer_report(name: str, data: tuple[str, ...], as_json: bool, **values: Any) -> None:
    """Coverage, fertility, unknown words and speed of a tokenizer on texts, beside another with --beside."""
    from byeori.report.tokenizers import report_lines

    report = byeori.report_tokenizer(name, data, **given(values))
    print(dumps(report) if as_json else "\n".join(report_lines(report)))


@cli.group()
def bench() -> None:
    """Byeori beside transformers on your own model and file: speed, padding, memory, scores."""


def _measured(what: str, as_json: bool, values: dict[str, Any]) -> int:
    """Run a benchmark and print it; the exit code."""
    from byeori.bench.contest import bench
    from byeori.bench.table import print_bench
    from byeori.train.progress import progress_for

    found = bench(what, given(values), progress_for(as_json).note)
    print(dumps(found.data)) if as_json else print_bench(found)
    return found.code


@bench.command(
    "train", cls=Settings, kinds=(beside.Learning, beside.Measuring, beside.Running, Reading, "Training"), without=beside.UNUSED,
    first=("task", "model", "train"), needed="Needed",
)  # fmt: skip
@click.option("--task", metavar="TASK", help="what to train for; `byeori tasks` lists them")
@common
def bench_train(as_json: bool, **values: Any) -> int:
    """Train beside transformers' Trainer: as the tutorials set it, and tuned. Scored on the same rows."""
    return _measured("train", as_json, values)


@bench.command(
    "predict", cls=Settings, kinds=(beside.Measuring, beside.Running, ("Call", beside.CALLS), Reading, "Columns"),
    without=(*beside.UNUSED, "label"), answers=False,
)  # fmt: skip
@click.argument("model", metavar="MODEL_OR_RUN")
@click.argument("input", metavar="INPUT")
@used_task
@common
def bench_predict(as_json: bool, **values: Any) -> int:
    """Predict a file beside transformers' pipeline: as it comes, and tuned. The answers are compared."""
    return _measured("predict", as_json, values)


@bench.command(
    "generate", cls=Settings, kinds=(beside.Measuring, ("Call", beside.DECODING), beside.Running, Reading, "Columns"),
    without=(*beside.UNUSED, "label"), answers=False,
)  # fmt: skip
@click.argument("model", metavar="MODEL_OR_RUN")
@click.argument("input", metavar="INPUT")
@used_task
@common
def bench_generate(as_json: bool, **values: Any) -> int:
    """Write texts beside `generate` in a loop: the tutorials', and a tuned one. The texts are compared."""
    return _measured("generate", as_json, values)


@bench.command(
    "tokenize", cls=Settings, kinds=(beside.Measuring, beside.Running, Reading),
    without=(*beside.UNUSED, "label", "device", "precision", "drop_empty_labels"),
)  # fmt: skip
@click.argument("model", metavar="TOKENIZER")
@click.argument("input", metavar="INPUT")
@common
def bench_tokenize(as_json: bool, **values: Any) -> int:
    """Tokenize a file beside `datasets.map`: as it comes, and tuned. The ids are compared."""
    return _measured("tokenize", as_json, values)
