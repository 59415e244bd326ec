"""Files at addresses, on a server of the loopback: fetched once, asked about again, never in part, never for ever."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest

from byeori.data import urls
from byeori.data.objects import is_paths
from byeori.data.read import read_rows, read_splits
from byeori.errors import DataError

CSV = "text,label\n재미있다,1\n별로다,0\n".encode()
TEXTS = ["재미있다", "별로다"]
PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"


class Server:
    def __init__(self):
        self.files, self.asked, self.tokens = {}, [], []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                served.asked.append((self.path, self.headers.get("If-None-Match")))
                served.tokens.append(self.headers.get("Authorization"))
                answer = served.files.get(unquote(urlsplit(self.path).path))
                if answer is None:
                    self.send_error(404)
                elif callable(answer):
                    answer(self)
                else:
                    etag = f'"{hashlib.sha256(answer).hexdigest()[:8]}"'
                    if self.headers.get("If-None-Match") == etag:
                        self.send_response(304)
                        self.end_headers()
                        return
                    send(self, answer, ETag=etag)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def send(handler, content, status=200, length=None, **headers):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    for key, value in headers.items():
        handler.send_header(key.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture
def server(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.casefold().endswith("_proxy")]:
        monkeypatch.delenv(name)
    served = Server()
    yield served
    served.server.shutdown()
    served.server.server_close()


def test_fetched_once_and_asked_about_again(server):
    server.files["/data/리뷰.csv"] = CSV
    source = f"{server.url}/data/%EB%A6%AC%EB%B7%B0.csv"
    rows = read_rows(source)
    file = rows.origin.files[0]
    assert rows.table["text"][:] == TEXTS
    assert (file.path, file.sha256, file.bytes) == (source, hashlib.sha256(CSV).hexdigest(), len(CSV))
    assert any("fetched" in note and file.sha256[:12] in note for note in rows.notes)
    again = read_rows(source)
    assert any("unchanged, taken from the cache" in note for note in again.notes)
    assert server.asked[1][1] is not None
    server.files["/data/리뷰.csv"] = CSV + "하나 더,1\n".encode()
    assert len(read_rows(source)) == 3
    server.server.shutdown()
    server.server.server_close()
    gone = read_rows(source)
    assert len(gone) == 3
    assert any("not reached now" in note for note in gone.notes)
    with pytest.raises(DataError, match="can't be fetched .*Look at the address and the network"):
        read_rows(f"{server.url}/other.csv")


@pytest.mark.parametrize("query", ["?download=1", "?raw=true&x=a/b.json", "#top"])
def test_queries_are_no_part_of_the_name(server, query):
    server.files["/a.csv"] = CSV
    source = f"{server.url}/a.csv{query}"
    assert read_rows(source).table["text"][:] == TEXTS
    assert is_paths([source])
    assert read_rows([source, source]).table["text"][:] == TEXTS * 2


def test_names_by_headers_and_types(server):
    server.files["/get"] = lambda h: send(h, CSV, Content_Disposition='attachment; filename="reviews.csv"')
    server.files["/rows"] = lambda h: send(h, b'{"text": "a"}\n', Content_Type="application/x-ndjson")
    server.files["/evil"] = lambda h: send(h, CSV, Content_Disposition='attachment; filename="../../evil.csv"')
    assert read_rows(f"{server.url}/get?id=3").table["text"][:] == TEXTS
    assert read_rows(f"{server.url}/rows").origin.files[0].format == "jsonl"
    assert urls.fetch(f"{server.url}/evil").path.is_relative_to(urls.cache())


def test_archives_at_an_address(server, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("set/train.csv", CSV)
        archive.writestr("set/test.csv", CSV)
    server.files["/a.zip"] = (tmp_path / "a.zip").read_bytes()
    server.files["/a.csv.gz"] = gzip.compress(CSV)
    assert list(read_splits(f"{server.url}/a.zip")) == ["train", "test"]
    rows = read_rows(f"{server.url}/a.zip::set/test.csv")
    assert rows.origin.files[0].path == f"{server.url}/a.zip::set/test.csv"
    assert read_rows(f"{server.url}/a.csv.gz", SimpleNamespace(split="train[:50%]")).table["text"][:] == TEXTS[:1]


def test_redirects_keep_the_token_at_home(server, monkeypatch):
    from huggingface_hub import constants

    other = Server()
    other.files["/a.csv"] = CSV
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.files["/datasets/x/a.csv"] = lambda h: send(h, b"", 302, Location=f"{other.url}/a.csv")
    assert read_rows(f"{server.url}/datasets/x/a.csv").table["text"][:] == TEXTS
    assert (server.tokens, other.tokens) == (["Bearer hf_secret"], [None])
    read_rows(f"{other.url}/a.csv")
    assert other.tokens == [None, None]
    other.server.shutdown()
    other.server.server_close()


def test_failures_are_one_sentence(server, monkeypatch):
    def cut(handler):
        send(handler, CSV, length=len(CSV) * 2)

    server.files |= {
        "/page.csv": lambda h: send(h, PAGE, Content_Type="text/html"),
        "/gated.csv": lambda h: send(h, b"", 401),
        "/broken.csv": lambda h: send(h, b"", 503),
        "/cut.csv": cut,
        "/empty.csv": b"",
        "/circle.csv": lambda h: send(h, b"", 302, Location="/circle.csv"),
    }
    for path, what in (
        ("/none.csv", "answered 404 .*there is no such file"),
        ("/page.csv", "a web page .HTML. was answered"),
        ("/gated.csv", "answered 401 .*HF_TOKEN"),
        ("/broken.csv", "answered 503 .*try again later"),
        ("/cut.csv", "the connection ended after"),
        ("/empty.csv", "the file is empty"),
        ("/circle.csv", "answered 302|can't be fetched"),
    ):
        with pytest.raises(DataError, match=what) as error:
            read_rows(server.url + path)
        assert "\n" not in str(error.value)
        assert str(error.value).startswith(server.url + path)
    assert not list(urls.cache().rglob("*.csv"))  # nothing in part is left
    with pytest.raises(DataError, match="there is no host"):
        read_rows("http:///a.csv")
    with pytest.raises(DataError, match="abc:// can't be read here"):
        read_rows("abc://bucket/a.csv")


def test_limits(server, monkeypatch):
    server.files["/big.csv"] = CSV * 100
    server.files["/stream.csv"] = lambda h: (h.send_response(200), h.end_headers(), h.wfile.write(CSV * 100))
    monkeypatch.setattr(urls, "MOST", 1000)
    for name in ("big", "stream"):
        with pytest.raises(DataError, match="and there is room for 1,000"):
            read_rows(f"{server.url}/{name}.csv")

    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b"a")
            handler.wfile.flush()
            time.sleep(0.05)

    server.files["/drip.csv"], server.files["/silent.csv"] = drip, lambda h: time.sleep(2)
    monkeypatch.setattr(urls, "_SLOW", (1024, 0.3))
    monkeypatch.setattr(urls, "_WAIT", 0.5)
    began = time.perf_counter()
    with pytest.raises(DataError, match="only .* bytes came in"):
        read_rows(f"{server.url}/drip.csv")
    with pytest.raises(DataError, match="timed out"):
        read_rows(f"{server.url}/silent.csv")
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        (
            "https://github.com/e9t/nsmc/blob/master/ratings.txt",
            "https://raw.githubusercontent.com/e9t/nsmc/master/ratings.txt",
        ),
        (
            "https://huggingface.co/datasets/a/b/blob/main/x.csv",
            "https://huggingface.co/datasets/a/b/resolve/main/x.csv",
        ),
        ("https://huggingface.co/datasets/klue/klue", "Give its id: klue/klue"),
        ("https://huggingface.co/datasets/klue/klue/viewer/nli/train", "Give its id: klue/klue"),
        ("https://drive.google.com/file/d/1a/view", "Download the file there"),
    ],
)
def test_pages_about_files(address, advice):
    with pytest.raises(DataError) as error:
        read_rows(address)
    assert advice in str(error.value)


def test_stores_by_fsspec(server, tmp_path):
    import fsspec

    with fsspec.open("memory://bucket/a.csv", "wb") as stream:
        stream.write(CSV)
    rows = read_rows("memory://bucket/a.csv")
    assert (rows.table["text"][:], rows.origin.files[0].path) == (TEXTS, "memory://bucket/a.csv")
    with pytest.raises(DataError, match="there is no such file"):
        read_rows("memory://bucket/b.csv")
    (tmp_path / "a.csv").write_bytes(CSV)
    assert read_rows(f"file://{tmp_path}/a.csv").table["text"][:] == TEXTS


def test_addresses_as_people_write_them(server):
    """With spaces and Hangul, as a browser takes them; and with a host that is spelled as places in archives are."""
    server.files |= {"/a b/리뷰 (1).csv": CSV, "/c.csv": CSV}
    for address in ("/a b/리뷰 (1).csv", "/a%20b/%EB%A6%AC%EB%B7%B0%20(1).csv", "/c.csv?이름=값&x=a b"):
        assert read_rows(server.url + address).table["text"][:] == TEXTS
    assert server.asked[-1][0].startswith("/c.csv?%EC%9D%B4%EB%A6%84=%EA%B0%92&x=a%20b")
    with pytest.raises(DataError, match=r"^http://\[::1\]:9/a.csv: it can't be fetched"):
        read_rows("http://[::1]:9/a.csv")
    with pytest.raises(DataError, match=r"^http://\[::1/a.csv: this is no address"):
        read_rows("http://[::1/a.csv")


def test_signatures_and_passwords_stay_out_of_what_is_kept(server):
    server.files |= {"/a.csv": CSV, "/get": CSV}
    rows = read_rows(f"{server.url}/a.csv?X-Amz-Signature=s3cret")
    assert rows.origin.files[0].path == f"{server.url}/a.csv"
    assert rows.origin.where(1) == "a.csv, row 2"
    other = read_rows(f"{server.url}/get?id=7&sig=s3cret&access_token=s3cret")
    assert other.origin.files[0].path == f"{server.url}/get?id=7&sig=…&access_token=…"
    assert urls.shown("https://me:s3cret@example.org/a.csv") == "https://example.org/a.csv"
    kept = "".join(path.read_text() for path in urls.cache().rglob("about.json"))
    assert "s3cret" not in kept + "".join(rows.notes + other.notes)
    assert server.asked[0][0] == "/a.csv?X-Amz-Signature=s3cret"


def test_an_absent_split_and_a_folder_are_said_of_the_address(server, tmp_path):
    server.files["/a.csv"] = CSV
    with pytest.raises(DataError, match=f'^{server.url}/a.csv: there is no split "test"'):
        read_rows(f"{server.url}/a.csv", SimpleNamespace(split="test"))
    with pytest.raises(DataError, match="this is a folder. Give its path"):
        read_rows(f"file://{tmp_path}")


def test_what_killed_fetches_left_is_removed(server):
    server.files["/a.csv"] = CSV
    folder = urls.fetch(f"{server.url}/a.csv").path.parent
    left, under_way = folder / ".a.csv.1", folder / ".a.csv.2"
    for one in (left, under_way):
        one.write_bytes(b"in part")
    os.utime(left, (0, 0))
    server.files["/a.csv"] = CSV + b"x,1\n"
    assert len(read_rows(f"{server.url}/a.csv")) == 3
    assert not left.exists() and under_way.exists()
