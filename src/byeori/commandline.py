"""Flags made from settings: what click needs for them, the help in sections, the answers to flags nobody knows.

Invariants: a flag's help, default, words and section are those of its setting; nothing heavy is imported for them.

@cli.command(cls=Settings, kinds=(Reading, Using, "Call"))
"""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from byeori import settings
from byeori.errors import DataError, SettingError
from byeori.oldnames import OLD_NAMES
from byeori.predict.options import Using
from byeori.run import read_json

ELSE = "Other"  # the section of flags that belong to no other
SCORING = "How it is scored"


class Flag(click.Option):
    """An option that stands in a section of the help. `opposite`: whether its --no- form is shown there."""

    def __init__(self, *args: Any, section: str = ELSE, opposite: bool = True, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.section, self.opposite = section, opposite

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        found = super().get_help_record(ctx)
        if found is None or self.opposite:
            return found
        return found[0].split(" / ")[0], found[1]


@contextmanager
def sharing(file: str | None, device: str | None) -> Iterator[bool]:
    """The processes that torchrun or accelerate started, if several were, as `byeori.predict.sharing.ranks`; gives whether this is the
    one that speaks. The device is that of the flag, else of the settings file."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield True
        return
    from byeori.predict.sharing import ranks

    if device is None and file is not None:
        with suppress(SettingError, DataError):  # it is read again within, where one rank says what is wrong with it
            device = settings.load_yaml(file).get("device")
    with ranks(device) as world:
        yield world.main


def debugging(command: Any) -> Any:
    """--debug, which `main` looks for itself."""
    return click.option("--debug", is_flag=True, expose_value=False, help="show the traceback of an error")(command)


def common(command: Any) -> Any:
    help = "JSON for programs: notes on stderr, the result on stdout"
    return debugging(click.option("--json", "as_json", is_flag=True, help=help)(command))


def used_task(command: Any) -> Any:
    """--task of a command that uses a model: most say their own."""
    help = "what it was trained for, or FILE.py:CLASS; needed for a model that doesn't say"
    return click.option("--task", cls=Flag, metavar="TASK", help=help, section=title(Using))(command)


class Settings(click.Command):
    """A command whose flags are settings, in sections.

    kinds: the dataclasses, in the order of the help; a word stands for the dataclass the task of --task has under it
    ("Training", "Call"), a word with {setting: help} for those of its settings, shown in the section before, one with a
    heading for those that scoring goes by.
    without: settings that this command has no use for; answers: whether it has one for columns of the right answers.
    first: settings that stand before all others, under `needed`.
    """

    def __init__(
        self,
        *args: Any,
        kinds: tuple[type | str | tuple[str, str | dict[str, str]], ...] = (),
        without: tuple[str, ...] = (),
        answers: bool = True,
        first: tuple[str, ...] = (),
        needed: str = "",
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.own, self.kinds, self.without, self.answers = list(self.params), kinds, without, answers
        self.first, self.needed = first, needed

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        made = self._made(args)
        sections = {flag.section for flag in made}
        own = [p for p in self.own if getattr(p, "section", ELSE) not in sections]
        for flag in made:  # a command's own flag goes before those of its section
            own += [p for p in self.own if getattr(p, "section", ELSE) == flag.section and p not in own]
            own.append(flag)
        self.params = own
        return super().parse_args(ctx, args)

    def _made(self, args: list[str]) -> list[Flag]:
        """The flags of the settings; where two dataclasses have a name, that of the first."""
        task = _named_task(args)
        taken = {p.name for p in self.own} | set(self.without) | set(() if self.answers else task.answers)
        made: list[Flag] = []
        section = ELSE
        for asked in self.kinds:
            word, few = asked if isinstance(asked, tuple) else (asked, None)
            kind = getattr(task, word) if isinstance(word, str) else word
            if isinstance(few, str):
                section, few = few, {name: field.metadata["help"] for name, field in settings.of_scoring(kind).items()}
            elif few is None:
                section = title(kind)
            for field in dataclasses.fields(kind):
                if field.name not in taken and (few is None or field.name in few):
                    help = field.metadata["help"] if few is None else few[field.name]
                    made.append(option(field, kind, section, help))
                    taken.add(field.name)
        return made

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Sections in the order of the flags; in each the flags in theirs, all help texts in one column."""
        column = min(36, formatter.width * 36 // 100)
        sections: dict[str, list[tuple[str, str]]] = {self.needed: []} if self.first else {}
        last: list[tuple[str, str]] = []
        params = {p.name: p for p in self.get_params(ctx) if isinstance(p, click.Option)}
        ahead = [params.pop(name) for name in self.first if name in params]
        for param in (*ahead, *params.values()):
            record = param.get_help_record(ctx)
            section = self.needed if param in ahead else getattr(param, "section", ELSE)
            if record is not None:
                rows = last if section == ELSE else sections.setdefault(section, [])
                rows.append((record[0].ljust(column), record[1]))
        for heading, rows in (*sections.items(), (ELSE, last)):
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows, col_max=column)


def title(kind: type) -> str:
    """The heading of a dataclass's section: what its docstring says."""
    return (kind.__doc__ or kind.__name__).split("\n")[0].rstrip(".")


def _named_task(args: list[str]) -> Any:
    """The task class whose flags are wanted: --task, a settings file's, a model's, or the first."""
    from byeori.tasks import TASKS, find

    for place, arg in enumerate(args):
        if arg == "--task" and place + 1 < len(args):
            return find(args[place + 1])
        if arg.startswith("--task="):
            return find(arg.partition("=")[2])
    file = next(filter(is_settings, args), None)
    if file is not None:
        found = settings.load_yaml(file)
        if found.get("task"):
            return find(str(found["task"]))
        args = [str(found.get("model", ""))]
    for arg in args:  # a run or a model folder says what it was trained for
        for path in (Path(arg) / "model" / "byeori.json", Path(arg) / "byeori.json"):
            if path.is_file():
                name = read_json(path).get("task", "")
                return next((task for task in TASKS if task.name == name), TASKS[0])
    return TASKS[0]


def is_settings(name: str | None) -> bool:
    """Whether an argument is the name of a settings file."""
    return name is not None and name.endswith((".yaml", ".yml"))


def told(places: dict[str, str | None], values: dict[str, Any]) -> dict[str, Any]:
    """What a command was told by its `places` (model, input) and flags, over what a settings file in the first place says.

    Raises SettingError for a name in the file that is neither, click's MissingParameter for a place that nothing fills.
    """
    ctx = click.get_current_context()
    said = given({**places, **values})
    first, file = next(iter(places.items()))
    if is_settings(file):
        del said[first]
        found = settings.load_yaml(str(file))
        known = [*places, *(param.name for param in ctx.command.params if isinstance(param, Flag) and param.name)]
        for name in found:
            if name not in known:
                raise SettingError(_unknown(name, ctx, known, f"{file}: "))
        said = {**found, **said}
    for param in ctx.command.params:
        if param.name in places and said.get(param.name) is None:
            raise click.MissingParameter(ctx=ctx, param=param)
    return said


def option(field: dataclasses.Field, kind: type, section: str, help: str) -> Flag:
    """A setting as a flag; its text is converted and checked by the settings themselves."""
    hint = settings.hints(kind)[field.name]
    name = "--" + field.name.replace("_", "-")
    if bool in typing.get_args(hint) and field.metadata["choices"]:  # on, off, or one of some words
        words = "|".join(["true", "false", *field.metadata["choices"]])
        return Flag([name], default=None, help=help, metavar=words, section=section)
    if hint is bool or bool in typing.get_args(hint):
        if field.default is True:
            help += "  [default: on]"
        off = "/--no-" + field.name.replace("_", "-")
        return Flag([name + off], default=None, help=help, section=section, opposite=field.default is not False)
    if field.default is not None:
        help += f"  [default: {field.default}]"
    return Flag([name], default=None, help=help, metavar=metavar(field, hint), section=section)


def metavar(field: dataclasses.Field, hint: Any) -> str:
    """What stands for a value in the help: the words it may be, and the number where it may be one too."""
    if field.metadata.get("metavar"):
        return field.metadata["metavar"]
    kinds = typing.get_args(hint) or (hint,)
    number = ["INTEGER"] if int in kinds else ["NUMBER"] if float in kinds else []
    return "|".join([*field.metadata["choices"], *number]) or "TEXT"


def given(values: dict[str, Any], *kinds: type) -> dict[str, Any]:
    """What was set on the command line; with `kinds` that of their settings, taken out of `values`."""
    if kinds:
        values = {name: values.pop(name) for name in settings.names(*kinds) if name in values}
    return {name: value for name, value in values.items() if value is not None}


def answer(error: click.ClickException) -> str:
    """click's sentence; for a flag nobody knows ours, with the name tutorials use answered by its name here."""
    ctx = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption) and ctx is not None:
        known = [opt.lstrip("-").replace("-", "_") for p in _options(ctx) for opt in p.opts]
        return _unknown(error.option_name, ctx, known)
    if isinstance(error, click.UsageError) and ctx is not None:
        return f"{error.format_message()} `{ctx.command_path} --help` shows the usage."
    return error.format_message()


def _options(ctx: click.Context) -> list[click.Option]:
    return [param for param in ctx.command.params if isinstance(param, click.Option)]


def _unknown(name: str, ctx: click.Context, known: list[str], file: str = "") -> str:
    """The sentence for a flag, or a name in a settings `file`, that a command doesn't have."""
    places = [param for param in ctx.command.params if isinstance(param, click.Argument)]
    plain = name.lstrip("-").replace("-", "_")
    here, said = OLD_NAMES.get(plain, (plain, ""))
    meant = here or plain
    if any(meant == p.name for p in places) and meant not in known:
        usage = " ".join([ctx.command_path, *(p.make_metavar(ctx) for p in places)])
        return f"there is no setting {name}. It is given by its place: {usage}"
    more = f"`{ctx.command_path} --help` lists all settings."
    if not said and meant not in known and meant in settings.names(settings.Train):
        return f"{file}there is no setting {name} here; it is one of `byeori train`. {more}"
    return file + settings.unknown(name, known, flag=not file, more=more)
