"""The playground as Gradio has it: its fields, what its buttons do, in one language.

Invariants: what a button does goes through the server's own requests (`Within`), in the loop's thread, and never touches a model;
refusals are shown in the server's sentences; files that were given lie in the page's own folder, for an hour or two.

    blocks = made(within, "ko", folder)
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from byeori.errors import ByeoriError
from byeori.serve import playground_files as files
from byeori.serve import playground_shown as shown
from byeori.serve.ask import Ask, Refused, refusal
from byeori.serve.playground_examples import examples
from byeori.serve.playground_forms import Form, body_of, form_of, further
from byeori.serve.playground_words import LANGUAGES, words
from byeori.serve.within import Within

OFTEN = 0.08  # seconds between two looks at a text that is being written
TEXTS = (".txt", ".md")
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


class Playground:
    """What the page does, apart from how it is laid out."""

    def __init__(self, within: Within, language: str, folder: Path):
        self.within, self.language, self.folder = within, language, folder
        self.say = words(language)
        self.models = within.api.models
        self.forms: dict[str, Form] = {name: form_of(one.run) for name, one in self.models.items()}
        self.examples = {name: examples(self.forms[name], one.run) for name, one in self.models.items()}

    # what is shown of a model -------------------------------------------------------------------------------------
    def about(self, name: str) -> str:
        run, say = self.models[name].run, self.say
        assert run is not None
        engine, labels = run.engine, getattr(run.task, "labels", None)
        said = [run.task.name, say("at most {length} tokens", length=engine.encoder.max_length)]
        said += [f"{engine.device}, {engine.precision}"]
        if labels:
            more = ", …" if len(labels) > 12 else ""
            said.append(say("labels: {labels}", labels=", ".join(map(str, labels[:12])) + more))
        return f'<p class="by-about"><b>{escape(name)}</b> · {escape(" · ".join(said))}</p>'

    def report(self, name: str) -> str:
        if self.report_of(name) is None:
            said = "This model comes with no report. A run folder has one: byeori report RUN writes it."
            return f'<p class="by-none">{escape(self.say(said))}</p>'
        title = escape(f"{self.say('Report')}: {name}")
        return f'<iframe class="by-report" sandbox="allow-same-origin" title="{title}" src="/report/{quote(name)}"></iframe>'

    def report_of(self, name: str) -> Path | None:
        folder = getattr(self.models[name].run, "folder", None)
        return folder.report if folder is not None and folder.report.is_file() else None

    def listed(self, name: str) -> list[list[str]]:
        say = self.say
        rows = []
        for one in self.examples[name]:
            right = f", {say('right answer')}: {one.reference}" if one.reference else ""
            wrong = f", {say('it was wrong here')}" if one.wrong else ""
            rows.append([say(one.part) + right + wrong, one.first, one.second])
        return rows

    def shape(self, name: str) -> list[dict[str, Any]]:
        """How first, second, number, tick, the examples and the sentence that there are none look for a model."""
        form, say = self.forms[name], self.say
        hint = say("Write {mask} where a word is missing.", mask=form.hint) if form.task == "fill-mask" else ""
        info = say(form.hint) if form.second is not None and form.hint else ""
        number: dict[str, Any] = {"visible": form.number is not None}
        if form.number is not None:
            least, most, first = form.number[2]
            number |= {"label": say(form.number[1]), "minimum": least, "maximum": most, "value": first}
        tick = {
            "visible": form.tick is not None,
            "label": say(form.tick[1]) if form.tick else "",
            "value": form.streams,
        }
        found = self.listed(name)
        return [
            {"label": say(form.first), "info": hint},
            {"label": say(form.second or "Text"), "info": info, "visible": form.second is not None},
            number, tick, {"samples": found, "visible": bool(found), "elem_classes": "" if form.second else "by-one"},
            {"visible": not found},
        ]  # fmt: skip

    def changed(self, name: str) -> list[Any]:
        """Updates of those, of what is said of the model, its report, and the answer. What is typed stays."""
        return [*(gr.update(**one) for one in self.shape(name)), self.about(name), self.report(name), self.empty()]

    def empty(self) -> str:
        return f'<p class="by-none">{escape(self.say("The answer will stand here."))}</p>'

    # what its buttons do ------------------------------------------------------------------------------------------
    async def answer(
        self, name: str, first: str, second: str, number: float, tick: bool, more: str
    ) -> AsyncIterator[str]:
        """The answer as HTML; of a text that is written, as it is written."""
        started = time.perf_counter()
        form = self.forms[name]
        with self._refusals() as said:
            body = body_of(form, first or "", second or "", number, tick, more or "")
            run = self.models[name].run
            if form.streams and not _several(body["parameters"]):
                async for html in self._written(name, body):
                    yield html
                return
            ask = await self.within.ask(name, body, look=True)
            yield self._ended(shown.shown(self.say, run, body, ask), run, ask, started)
        if said:
            yield said[0]

    async def _written(self, name: str, body: dict[str, Any]) -> AsyncIterator[str]:
        started = last = time.perf_counter()
        run, text = self.models[name].run, ""
        ask: Ask | None = None
        assert run is not None
        async for piece, now in self.within.written(name, body, look=True):
            text, ask = text + piece, now
            if time.perf_counter() - last > OFTEN:
                last = time.perf_counter()
                yield shown.beside(self.say, run.task.name, body["inputs"], [text], open_=True)
        if ask is not None:
            yield self._ended(shown.shown(self.say, run, body, ask), run, ask, started)

    def _ended(self, html: str, run: Any, ask: Any, started: float) -> str:
        took = self.say("{ms} ms", ms=f"{1e3 * (time.perf_counter() - started):,.0f}")
        return f'{html}{shown.tokens(self.say, run, ask)}<p class="by-time">{escape(took)}</p>'

    async def batch(self, name: str, given: str | None, columns: str, more: str) -> AsyncIterator[list[Any]]:
        """Progress, the file of results once it is whole, and its first lines."""
        started, done = time.perf_counter(), None
        with self._refusals() as said:
            if not given:
                raise Refused(400, self.say("Give a file first."))
            path = Path(given)
            yield [self._progress("Reading the file."), gr.update(visible=False), ""]
            form = self.forms[name]
            parameters = {key: value for key, value in form.fixed if value is not None} | further(more or "")
            if form.task == "feature-extraction":
                parameters = {"pooling": "mean", **parameters}
            out = Path(tempfile.mkdtemp(dir=self.folder)) / f"{path.stem}.predictions.jsonl"
            asked = files.predicted(
                self.within, name, self.models[name].run, path, columns_of(columns or ""), parameters, out
            )
            async for done in asked:
                sentence = "{done} of {all} rows" + (", {wrong} of them with an error" if done.wrong else "")
                yield [self._progress(sentence, done), gr.update(), gr.update()]
            assert done is not None
            sentence = (
                "Done: {done} of {all} rows"
                + (", {wrong} of them with an error" if done.wrong else "")
                + ", {seconds} s"
            )
            seconds = f"{time.perf_counter() - started:.1f}"
            head = f"<h4>{escape(self.say('The first lines of the results'))}</h4>"
            lines = escape("\n".join(line if len(line) < 400 else f"{line[:400]}…" for line in done.first))
            yield [
                self._progress(sentence, done, seconds=seconds), gr.update(value=str(out), visible=True),
                f'{head}<div class="by-lines" tabindex="0">{lines}</div>',
            ]  # fmt: skip
        if said:
            yield [said[0], gr.update(visible=False), ""]

    def _progress(self, sentence: str, done: files.Batch | None = None, **values: Any) -> str:
        share = 0.0 if done is None or not done.rows else done.done / done.rows
        if done is not None:
            values |= {"done": f"{done.done:,}", "all": f"{done.rows:,}", "wrong": f"{done.wrong:,}"}
        return (
            f'<div class="by-progress" role="status"><span>{escape(self.say(sentence, **values))}</span><span class="by-track">'
            f'<i style="width:{100 * share:.1f}%"></i></span></div>'
        )

    @contextmanager
    def _refusals(self) -> Iterator[list[str]]:
        """What went wrong, as HTML."""
        said: list[str] = []
        try:
            yield said
        except Refused as refused:
            said.append(shown.refused(self.say, refused.status, refused.sentence))
        except ByeoriError as error:
            found = refusal(error)
            said.append(shown.refused(self.say, found.status, found.sentence))
        except Exception as error:
            self.within.door.failed(error)
            sentence = "Something failed that has no message of its own ({kind}); the server's log says more."
            said.append(shown.refused(self.say, 500, self.say(sentence, kind=type(error).__name__)))

    def text_of(self, given: str) -> str:
        """A text file's text."""
        path = Path(given)
        try:
            return path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise gr.Error(f"{path.name}: {error}") from error
        finally:
            path.unlink(missing_ok=True)


def columns_of(text: str) -> dict[str, Any]:
    """text=document, label=y → a dict. Raises Refused."""
    found: dict[str, Any] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        role, sign, column = part.partition("=")
        if not sign or not column.strip():
            raise Refused(400, f"{part}: ROLE=COLUMN is needed, such as text=document.", "columns")
        found[role.strip()] = column.strip()
    return found


def _several(parameters: dict[str, Any]) -> bool:
    """Whether more than one text is asked for, which no stream has."""
    return parameters.get("num_return_sequences") not in (None, 1)


def made(within: Within, language: str, folder: Path) -> Any:
    """The page in a language. `folder` is for the files it writes."""
    play, say = Playground(within, language, folder), words(language)
    names = list(play.models)
    looks = play.shape(names[0])
    limit = f"{within.api.limits.size / 1e6:g}"
    with gr.Blocks(
        title=f"Byeori: {say('Playground')}", analytics_enabled=False, delete_cache=(1_800, 3_600)
    ) as blocks:
        others = "".join(
            f'<a href="/{one}/" lang="{one}" hreflang="{one}"{" aria-current=page" if one == language else ""}>{name}</a>'
            for one, name in LANGUAGES.items()
        )
        gr.HTML(
            f'<header class="by-head"><h1>Byeori</h1><span class="by-about">{say("Playground")}</span><nav>{others}</nav></header>'
        )
        choices = [(f"{name} — {one.run.task.name}" if one.run else name, name) for name, one in play.models.items()]
        model = gr.Dropdown(choices, value=names[0], label=say("Model"), elem_id="by-model", filterable=len(names) > 8)
        about = gr.HTML(play.about(names[0]))
        with gr.Tab(say("Try it")):
            with gr.Row():
                with gr.Column(scale=1, min_width=300):
                    first = gr.Textbox(
                        **looks[0], lines=4, max_lines=20, elem_id="by-first", max_length=within.api.most.tokens * 16
                    )
                    opened = gr.UploadButton(
                        say("Open a text file"), file_types=list(TEXTS), size="sm", elem_id="by-open"
                    )
                    second = gr.Textbox(**looks[1], lines=3, max_lines=20, elem_id="by-second")
                    number = gr.Slider(**looks[2], step=1, elem_id="by-number")
                    tick = gr.Checkbox(**looks[3], elem_id="by-tick")
                    with gr.Accordion(say("Further settings (JSON)"), open=False):
                        example = '{"num_beams": 4}'
                        info = say("As in the API's parameters, for example {example}", example=example)
                        more = gr.Textbox(lines=2, show_label=False, info=info, elem_id="by-more")
                    with gr.Row():
                        run = gr.Button(say("Run"), variant="primary", elem_id="by-run")
                        stop = gr.Button(say("Stop"), elem_id="by-stop")
                with gr.Column(scale=1, min_width=300):
                    out = gr.HTML(
                        play.empty(), elem_id="by-out", elem_classes="by-out", label=say("Answer"), min_height=80
                    )
            info = say("From the data of this run; which part, and the right answer, stand in front.")
            heads = [
                gr.Textbox(visible=False, label=say("Examples")),
                gr.Textbox(visible=False),
                gr.Textbox(visible=False),
            ]
            several = gr.Dataset(
                components=heads, headers=[say("Part"), say("Text"), say("Second text")], **looks[4], label=f"{say('Examples')}. {info}",
                samples_per_page=8, elem_id="by-examples",
            )  # fmt: skip
            nothing = gr.HTML(f'<p class="by-none">{escape(say("This model keeps no examples."))}</p>', **looks[5])
        with gr.Tab(say("A whole file")):
            hint = say("CSV, TSV, JSON, JSONL or text, up to {size} MB", size=limit)
            gr.HTML(f'<p class="by-about">{escape(hint)}</p>')
            given = gr.File(
                label=say("A file with a row for each text"),
                file_types=list(files.SUFFIXES),
                elem_id="by-file",
                height=140,
            )
            with gr.Row():
                example = say("for example {example}", example="text=document")
                columns = gr.Textbox(
                    label=say("Columns, where they have other names"), info=example, elem_id="by-columns"
                )
                settings = gr.Textbox(
                    label=say("Further settings (JSON)"), info=say("for example {example}", example='{"top_k": 3}')
                )
            with gr.Row():
                every = gr.Button(say("Predict all rows"), variant="primary", elem_id="by-all")
                halt = gr.Button(say("Stop"))
            progress = gr.HTML(elem_id="by-progress")
            results = gr.DownloadButton(say("Results (JSONL)"), visible=False, elem_id="by-results")
            lines = gr.HTML(elem_id="by-lines")
        with gr.Tab(say("Report"), elem_id="by-report"):
            report = gr.HTML(play.report(names[0]))

        looking = [first, second, number, tick, several, nothing, about, report, out]
        model.change(play.changed, model, looking, **PRIVATE)
        fields = [model, first, second, number, tick, more]
        ran = [
            run.click(play.answer, fields, out, **PRIVATE, concurrency_limit=None),
            first.submit(play.answer, fields, out, **PRIVATE, concurrency_limit=None),
        ]
        stop.click(None, cancels=[*ran], **PRIVATE)
        asked = every.click(
            play.batch, [model, given, columns, settings], [progress, results, lines], **PRIVATE, concurrency_limit=2
        )
        halt.click(None, cancels=[asked], **PRIVATE)
        several.click(lambda row: [row[1], row[2]], several, [first, second], **PRIVATE)
        opened.upload(play.text_of, opened, first, **PRIVATE)
    blocks.queue(max_size=within.api.owner.most, default_concurrency_limit=None)
    return blocks
