"""The settings of a server: where it listens, what it takes, how long it waits. One source for the flags and for Python.

(serving,) = settings.read({"port": "8000"}, Serving)
"""

from __future__ import annotations

from dataclasses import dataclass

from byeori.settings import setting

TOKEN_VARIABLE = "BYEORI_TOKEN"


@dataclass(kw_only=True)
class Serving:
    """How requests are taken."""

    host: str = setting("127.0.0.1", "address to listen at; 0.0.0.0 for all of this machine's", metavar="ADDRESS")
    port: int = setting(8000, "port to listen at; 0 for any that is free", least=0, most=65_535)
    token_file: str | None = setting(
        None, f"a file of bearer tokens, one a line, that requests must bring; {TOKEN_VARIABLE} in the environment is one too",
        metavar="FILE",
    )  # fmt: skip
    timeout: float = setting(60.0, "seconds after which a request that isn't answered is given up", least=0.1)
    max_waiting: int = setting(512, "requests that may wait at once; further ones are told to come again", least=1)
    max_body_mb: float = setting(8.0, "largest body of a request in MB", least=0.001, most=1_024)
    max_request_rows: int = setting(
        1_024, "most inputs of a request; texts asked for each, and beams, count too", least=1
    )
    max_request_tokens: int = setting(262_144, "most tokens of a request, read and written", least=1)
    window: float = setting(
        4.0, "milliseconds that are waited for further requests while several come at once", least=0
    )
    batch_tokens: int | None = setting(None, "tokens computed at once; by the device if not given", least=1)
    drain: float = setting(30.0, "seconds that requests under way have to end when the server is told to stop", least=0)
    ui: bool | None = setting(
        None, "a page to try the models in a browser, at /; there where gradio is installed if not given"
    )
    log_requests: bool = setting(True, "a line for each request")
    log_texts: bool = setting(False, "with what was asked in it, for finding mistakes; texts are left out otherwise")
