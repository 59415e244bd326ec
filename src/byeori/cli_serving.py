"""Commands that have others use a model. One short function each, no logic.

byeori serve runs/nsmc --port 8000
"""

from __future__ import annotations

from typing import Any

import click

from byeori.commandline import Settings, common, given, used_task
from byeori.predict.options import TOLD, Using
from byeori.serve.options import Serving


@click.command(cls=Settings, kinds=(Serving, Using, ("Training", TOLD)))
@click.argument("models", metavar="[NAME=]MODEL_OR_RUN...", nargs=-1, required=True)
@used_task
@common
def serve(models: tuple[str, ...], as_json: bool, **values: Any) -> int:
    """Serve models over HTTP: Hugging Face's Inference API, and OpenAI's.

    It listens at once and answers as soon as the models are loaded (GET /ready). SIGTERM or Ctrl-C ends it once what is under way
    is answered.
    """
    from byeori.serve.server import Lines
    from byeori.serve.server import serve as run

    return run(models, note=Lines(as_json), **given(values))
