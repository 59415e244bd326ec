"""The command: one short function each, no logic. Flags are made from the settings' dataclasses.

byeori train --task text-classification --model klue/roberta-base --train nsmc.tsv --output run
"""

from __future__ import annotations

import codecs
import dataclasses
import json
import os
import sys
import typing
from typing import Any

import click

import byeori
from byeori import settings
from byeori.errors import ByeoriError, SettingError

LEFT_OUT = ("task",)


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
    debug = "--debug" in (arguments if arguments is not None else sys.argv)
    try:
        code = cli.main(arguments, prog_name="byeori", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("\nStopped.", file=sys.stderr)
        code = 130
    except click.ClickException as error:
        print(f"byeori: {_answer(error)}", file=sys.stderr)
        code = error.exit_code
    except ByeoriError as error:
        if debug:
            raise
        print(f"byeori: {error}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:
        code = _closed()
    except Exception as error:
        if debug:
            raise
        text = " ".join(str(error).split())[:400]
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


def _answer(error: click.ClickException) -> str:
    """click's sentence, with the name tutorials use answered by ours."""
    if isinstance(error, click.NoSuchOption):
        known = [p.name for p in (error.ctx.command.params if error.ctx else []) if p.name]
        return settings.unknown(error.option_name, known, flag=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.format_message()} `{error.ctx.command_path} --help` shows the usage."
    return error.format_message()


class Settings(click.Command):
    """A command whose flags are settings. With `task_part`, those of the task named by --task come too."""

    def __init__(self, *args: Any, kinds: tuple[type, ...] = (), task_part: str | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.kinds, self.task_part = kinds, task_part

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        kinds = list(self.kinds)
        if self.task_part:
            kinds.append(getattr(_named_task(args), self.task_part))
        taken = {p.name for p in self.params}
        for kind in kinds:
            self.params += [
                option(f, kind) for f in dataclasses.fields(kind) if f.name not in taken and f.name not in LEFT_OUT
            ]
        return super().parse_args(ctx, args)


def _named_task(args: list[str]) -> Any:
    """The task class whose flags are wanted: --task, or a settings file's, or the first."""
    from byeori.tasks import TASKS, find

    for place, arg in enumerate(args):
        if arg == "--task" and place + 1 < len(args):
            return find(args[place + 1])
        if arg.startswith("--task="):
            return find(arg.partition("=")[2])
    files = [arg for arg in args if arg.endswith((".yaml", ".yml"))]
    if files:
        name = settings.load_yaml(files[0]).get("task")
        return find(str(name)) if name else TASKS[0]
    return TASKS[0]


def option(field: dataclasses.Field, kind: type) -> click.Option:
    """A setting as a flag; its text is converted and checked by the settings themselves."""
    hint = settings.hints(kind)[field.name]
    boolean = hint is bool or (typing.get_args(hint) and bool in typing.get_args(hint))
    name = "--" + field.name.replace("_", "-")
    help = field.metadata["help"]
    choices = field.metadata["choices"]
    if field.default is not None and not boolean:
        help += f"  [default: {field.default}]"
    if boolean:
        off = "/--no-" + field.name.replace("_", "-")
        return click.Option([name + off], default=None, help=help)
    metavar = (
        "|".join(choices)
        if choices and hint is not Any and str in (typing.get_args(hint) or (hint,))
        else _metavar(hint)
    )
    return click.Option([name], default=None, help=help, metavar=metavar, multiple=False)


def _metavar(hint: Any) -> str:
    kinds = typing.get_args(hint) or (hint,)
    return "INTEGER" if int in kinds else "NUMBER" if float in kinds else "TEXT"


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Only what was set on the command line."""
    return {name: value for name, value in values.items() if value is not None}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(byeori.__version__, prog_name="byeori")
@click.option("--debug", is_flag=True, help="show the traceback of an error")
def cli(debug: bool) -> None:
    """From raw text to a fine-tuned, measured, documented and served transformer."""


def common(command: Any) -> Any:
    for decorate in (
        click.option(
            "--json", "as_json", is_flag=True, help="JSON for programs: lines on stderr, the result on stdout"
        ),
        click.option("--debug", is_flag=True, help="show the traceback of an error"),
    ):
        command = decorate(command)
    return command


@cli.command(cls=Settings, kinds=(settings.Train,), task_part="Training")
@click.argument("file", metavar="[SETTINGS.yaml]", required=False)
@click.option("--task", help="what to train for, or FILE.py:CLASS; `byeori tasks` lists them")
@common
def train(file: str | None, task: str | None, as_json: bool, debug: bool, **values: Any) -> None:
    """Train, score and document a model. Flags go before what a settings file says."""
    from byeori.report.table import print_summary
    from byeori.train.progress import progress_for

    merged = {**(settings.load_yaml(file) if file else {}), **given(values)}
    task = task or merged.pop("task", None)
    merged.pop("task", None)
    run = byeori.train(task, progress=progress_for(as_json), **merged)
    if as_json:
        print(json.dumps(run.metrics, ensure_ascii=False))
    elif run.folder is not None:
        print_summary(run.folder, run.metrics)


READING = (
    "text",
    "text_pair",
    "label",
    "separator",
    "header",
    "encoding",
    "skip_bad_rows",
    "drop_empty",
    "drop_empty_labels",
    "max_rows",
)
USING = ("device", "precision", "threads", "revision", "trust_remote_code", "max_length", "truncation", "tokenizer")
Reading = dataclasses.make_dataclass(
    "Reading", [(n, settings.hints(settings.Train)[n], settings.names(settings.Data)[n]) for n in READING]
)
Using = dataclasses.make_dataclass(
    "Using", [(n, settings.hints(settings.Train)[n], settings.names(settings.Model)[n]) for n in USING]
)


def _open(model: str, task: str | None, values: dict[str, Any]) -> Any:
    """The run, and the values that are left."""
    chosen = {name: values.pop(name) for name in USING if name in values}
    (using,) = settings.read(given(chosen), Using)
    (reading,) = settings.read(given({name: values.pop(name) for name in READING if name in values}), Reading)
    options = {k: v for k, v in dataclasses.asdict(using).items() if chosen.get(k) is not None}
    return byeori.load_run(model, task=task, **options), {k: v for k, v in dataclasses.asdict(reading).items() if v}


@cli.command(cls=Settings, kinds=(Reading, Using))
@click.argument("model", metavar="MODEL_OR_RUN")
@click.argument("data")
@click.option("--task", help="needed for a model that doesn't say its task")
@common
def evaluate(model: str, data: str, task: str | None, as_json: bool, debug: bool, **values: Any) -> None:
    """Score a model on labelled data, with 95% intervals."""
    from byeori.report.table import print_scores

    run, reading = _open(model, task, values)
    scores = run.evaluate(data, **reading)
    print(json.dumps(scores, ensure_ascii=False)) if as_json else print_scores(scores)


@cli.command(cls=Settings, kinds=(Reading, Using), task_part="Call")
@click.argument("model", metavar="MODEL_OR_RUN")
@click.argument("input", metavar="INPUT")
@click.option("--output", default="-", help="JSONL file; - is standard output, the default")
@click.option("--with-inputs", is_flag=True, help="put the inputs beside each prediction")
@click.option("--task", help="needed for a model that doesn't say its task")
@common
def predict(
    model: str, input: str, output: str, with_inputs: bool, task: str | None, as_json: bool, debug: bool, **values: Any
) -> None:
    """Predict every row of a file (- is standard input) into JSONL, in row order."""
    from byeori.predict.files import predict_file

    run, reading = _open(model, task, values)
    found = predict_file(run, input, output, call=given(values), read=reading, with_inputs=with_inputs)
    line = f"{found['rows']:,} rows, {found['errors']:,} with errors, {found['seconds']:.1f} s, {found['rows_per_second']:.0f} rows/s"
    print(json.dumps(found) if as_json else line, file=sys.stderr)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="JSON for programs")
def tasks(as_json: bool) -> None:
    """List the tasks."""
    from byeori.tasks import TASKS

    if as_json:
        print(
            json.dumps(
                [{"name": t.name, "aliases": t.aliases, "summary": t.summary} for t in TASKS], ensure_ascii=False
            )
        )
        return
    for task in TASKS:
        also = f" (also {', '.join(task.aliases)})" if task.aliases else ""
        print(f"{task.name}{also}: {task.summary}")


@cli.command()
@click.argument("run", metavar="RUN")
def report(run: str) -> None:
    """Make report.html and the model card of a run again."""
    from byeori.report.write import write_report
    from byeori.run import RunFolder

    for sentence in write_report(run):
        print(sentence)
    print(RunFolder(run).report)


@cli.command()
@click.option("--output", default="demo-run", help="folder of the run")
@click.option("--overwrite", is_flag=True, help="replace a run that is in the folder")
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
