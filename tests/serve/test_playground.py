"""The playground in headless Chromium: each task asked, what is shown against what the API answers, and nothing from outside."""

from __future__ import annotations

import copy
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from browser import CONTRAST, Browser, Seen, chromium
from byeori.run import RunFolder
from byeori.serve.server import running
from pipelines import ASKED, A

pytest.importorskip("gradio", reason="gradio is not installed here (pip install 'byeori[ui]')")
needs_browser = pytest.mark.skipif(
    chromium() is None, reason="no Chromium is installed here (apt-get install chromium)"
)

NASTY = "<img src=x onerror=console.error(1)> ${1+1} {{1}} 재미있다"
TOKEN = "a-token-that-nobody-guesses"
UPLOADED = "['Method not implemented.']"  # Gradio's own, when the line that tells of an upload is closed
CHOICES = ("서울", "부산", "대전")


def outside() -> list[Any]:
    """Addresses beyond this machine that this process connects to from here on."""
    found: list[Any] = []

    def hear(event: str, given: tuple[Any, ...]) -> None:
        if (
            event == "socket.connect"
            and isinstance(given[1], tuple)
            and given[1][0] not in ("127.0.0.1", "::1", "localhost")
        ):
            found.append(given[1])

    sys.addaudithook(hear)
    return found


def folder_of(path: Path) -> RunFolder:
    """What a training leaves that the page reads."""
    folder = RunFolder(path)
    folder.predictions.mkdir()
    folder.report.write_text("<!doctype html><title>r</title><h1>The report</h1>", encoding="utf-8")
    row = {"row": 1, "inputs": {"text": NASTY}, "where": "a.tsv, row 1"}
    folder.mistakes.write_text(json.dumps({"part": "test", "rows": [row]}), encoding="utf-8")
    line = {"row": 1, "prediction": {"label": "good", "score": 0.9}, "reference": "bad"}
    (folder.predictions / "test.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    seen = [
        {"step": step, "row": 1, "inputs": {"text": "검증 글"}, "reference": "good", "right": True} for step in (1, 2)
    ]
    folder.watched.write_text("".join(json.dumps(one) + "\n" for one in seen) + '{"half', encoding="utf-8")
    return folder


@dataclass
class Open:
    server: Any
    client: httpx.Client
    browser: Browser | None
    outside: list[Any]
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def there(loaded, tmp_path_factory):
    run = copy.copy(loaded["text-classification"])
    run.folder = folder_of(tmp_path_factory.mktemp("reviews"))
    events: list[dict[str, Any]] = []
    found = outside()
    with running({"reviews": run, **loaded}, ui=True, log_requests=False, note=events.append) as server:
        until(lambda: server.api.page is not None)
        with httpx.Client(base_url=server.url, timeout=60) as client:
            if chromium() is None:
                yield Open(server, client, None, found, events)
            else:
                with Browser() as browser:
                    yield Open(server, client, browser, found, events)
    assert found == []


def until(true: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def page(there):
    """The page in Korean, as a Korean reader's browser opens it."""
    seen = there.browser.open(there.server.url + "/", language="ko-KR")
    seen.wait("!!document.querySelector('#by-first textarea')")
    yield seen
    assert [
        one for one in seen.requests if urlsplit(one).netloc != urlsplit(there.server.url).netloc and one[:5] != "data:"
    ] == []
    assert set(seen.console) <= {UPLOADED}


def choose(page: Seen, name: str) -> None:
    if page.evaluate("document.querySelector('#by-model input').value").startswith(f"{name} — "):
        return
    page.press("#by-model input")
    named = f"one.innerText.replace('✓', '').trim().startsWith({json.dumps(name + ' — ')})"
    option = f"[...document.querySelectorAll('[role=option]')].find(one => {named})"
    page.wait(f"!!{option}")
    page.evaluate(f"{option}.dispatchEvent(new MouseEvent('mousedown', {{bubbles: true}}))")
    page.wait(f"document.querySelector('p.by-about b').innerText === {json.dumps(name)}")


def tab(page: Seen, place: int) -> None:
    page.evaluate(f"document.querySelectorAll('[role=tab]')[{place}].click()")


def ask(page: Seen, name: str, first: str, second: str | None = None) -> str:
    """The text of the answer."""
    choose(page, name)
    page.write("#by-first textarea", first)
    if second is not None:
        page.write("#by-second textarea", second)
    page.evaluate("document.querySelectorAll('#by-out .by-time, #by-out .by-refused').forEach(one => one.remove())")
    page.press("#by-run")
    page.wait("!!document.querySelector('#by-out .by-time, #by-out .by-refused')")
    return page.evaluate("document.querySelector('#by-out').innerText")


def texts(page: Seen, what: str) -> list[str]:
    return page.evaluate(f"[...document.querySelectorAll('#by-out {what}')].map(one => one.textContent)")


def answered(there: Open, name: str, inputs: Any, **parameters: Any) -> Any:
    found = there.client.post(f"/models/{name}", json={"inputs": inputs, "parameters": parameters})
    assert found.status_code == 200, found.text
    return found.json()


def close(shown: list[str], scores: list[float]) -> bool:
    return [float(one) for one in shown] == pytest.approx(scores, abs=1e-4)


@needs_browser
def test_labels_have_bars_and_texts_stay_texts(there, page):
    ask(page, "text-classification", NASTY)
    (best,) = answered(there, "text-classification", NASTY, top_k=None)
    assert texts(page, ".by-label") == [one["label"] for one in best]
    assert close(texts(page, ".by-score"), [one["score"] for one in best])
    wide = page.evaluate(
        "[...document.querySelectorAll('#by-out .by-track i')].map(one => parseFloat(one.style.width))"
    )
    assert wide == pytest.approx([100 * one["score"] for one in best], abs=0.06)
    ids = there.server.hosted[1].run.tokenizer(NASTY)["input_ids"]
    assert texts(page, ".by-tokens small") == [str(one) for one in ids]
    assert page.evaluate("document.querySelectorAll('#by-out img').length") == 0


@needs_browser
def test_entities_and_answers_are_marked_where_they_stand(there, page):
    ask(page, "token-classification", A)
    form = there.server.hosted[0].run.foreign
    found = answered(there, "token-classification", A, **({"aggregation_strategy": "simple"} if form else {}))
    marks = [text.removesuffix(kind) for text, kind in zip(texts(page, "mark"), texts(page, "mark b"), strict=True)]
    assert marks == [A[one["start"] : one["end"]] for one in found] and len(marks) > 1
    assert texts(page, "mark b") == [one["entity_group"] for one in found]
    ask(page, "question-answering", ASKED["question"], ASKED["context"])
    found = answered(there, "question-answering", ASKED, top_k=5)
    assert texts(page, ".by-label") == [one["answer"] for one in found]
    assert texts(page, "mark") == [found[0]["answer"]] and texts(page, ".by-text") == [ASKED["context"]]


@needs_browser
def test_words_choices_and_labels_have_bars(there, page):
    masked = "그는 [MASK] 산다."
    ask(page, "fill-mask", masked)
    found = answered(there, "fill-mask", masked)
    assert texts(page, ".by-label") == [one["token_str"] for one in found]
    assert "[MASK]" in page.evaluate("document.querySelector('#by-first').innerText")
    ask(page, "multiple-choice", ASKED["question"], "\n".join(CHOICES))
    found = answered(there, "multiple-choice", {"text": ASKED["question"], "choices": CHOICES}, top_k=None)
    assert texts(page, ".by-label") == [one["label"] for one in found]
    assert "[MASK]" not in page.evaluate("document.querySelector('#by-first').innerText")
    ask(page, "zero-shot-classification", A, "정치\n경제")
    found = answered(there, "zero-shot-classification", A, candidate_labels=["정치", "경제"], multi_label=False)
    assert texts(page, ".by-label") == [one["label"] for one in found]


@needs_browser
def test_likeness_and_vectors(there, page):
    ask(page, "feature-extraction", A, "부산에 산다\n그는 서울에 산다.")
    found = there.client.post(
        "/models/feature-extraction",
        json={"inputs": {"source_sentence": A, "sentences": ["부산에 산다", "그는 서울에 산다."]}},
    ).json()
    assert close(texts(page, ".by-score"), sorted(found, reverse=True))
    (vector,) = answered(there, "feature-extraction", [A], pooling="mean", normalize=True)
    assert texts(page, ".by-facts dd")[0] == str(len(vector))
    assert page.evaluate("document.querySelectorAll('#by-out rect').length") == len(vector)


@needs_browser
def test_what_is_written_stands_beside_its_source(there, page):
    for name in ("translation", "summarization"):
        ask(page, name, A)
        (found,) = answered(there, name, A, max_new_tokens=64)
        assert texts(page, ".by-text") == [A, found[f"{'summary' if name[0] == 's' else name}_text"]]


@needs_browser
def test_a_text_is_shown_as_it_is_written(there, page, monkeypatch):
    monkeypatch.setattr(sys.modules["byeori.serve.playground_blocks"], "OFTEN", 0.0)
    choose(page, "text-generation")
    page.evaluate(
        "window.grown = []; new MutationObserver(() => grown.push(document.querySelector('#by-out').innerText.length))"
        ".observe(document.querySelector('#by-out'), {childList: true, subtree: true, characterData: true})"
    )
    said = ask(page, "text-generation", "옛날에")
    (found,) = answered(there, "text-generation", "옛날에", max_new_tokens=64, return_full_text=False)
    assert texts(page, ".by-text") == ["옛날에" + found["generated_text"]] and said
    assert len(set(page.evaluate("grown"))) > 5
    ask(page, "chat", "안녕?")
    assert texts(page, ".by-text")[0] == "안녕?" and "<|im_start|>" in texts(page, ".by-tokens")[0]


@needs_browser
@pytest.mark.parametrize("how", ["stopped", "left"])
def test_who_stops_or_leaves_takes_the_request_along(there, how, monkeypatch):
    hosted = next(one for one in there.server.hosted if one.name == "text-generation")
    turn = hosted.lane.turn

    def slow() -> None:
        time.sleep(0.02 if hosted.lane.under_way else 0)
        turn()

    monkeypatch.setattr(hosted.lane, "turn", slow)
    seen = there.browser.open(there.server.url + "/en/")
    seen.wait("!!document.querySelector('#by-first textarea')")
    choose(seen, "text-generation")
    seen.write("#by-number input[type=number]", "110")
    seen.write("#by-first textarea", "옛날에")
    seen.press("#by-run")
    seen.wait("!!document.querySelector('#by-out .by-cursor')")
    assert len(hosted.lane.under_way) == 1
    (ask,) = (one for one, *_ in hosted.lane.under_way.values())
    if how == "stopped":
        seen.press("#by-stop")
    else:
        there.browser.call("Page.navigate", {"url": "about:blank"}, seen.session)
    until(lambda: not hosted.lane.under_way, 8)
    assert ask.gone and not ask.ended and there.server.owner.waiting == 0
    seen.close()


@needs_browser
def test_refusals_are_the_servers(there, page):
    ask(page, "question-answering", " ", " ")
    found = there.client.post("/models/question-answering", json={"inputs": {"question": " ", "context": " "}})
    assert found.status_code == 400 and texts(page, ".by-refused") == [f"400 {found.json()['error']}"]
    choose(page, "reviews")
    page.evaluate("[...document.querySelectorAll('button')].find(one => one.innerText.includes('다른 설정')).click()")
    page.write("#by-more textarea", '{"colour": 1}')
    ask(page, "reviews", A)
    found = there.client.post("/models/reviews", json={"inputs": A, "parameters": {"top_k": None, "colour": 1}})
    assert texts(page, ".by-refused") == [f"400 {found.json()['error']}"]
    page.write("#by-more textarea", "{")
    assert "JSON" in ask(page, "reviews", A)
    page.write("#by-more textarea", "{}")
    assert "JSON" not in ask(page, "reviews", A)


@needs_browser
def test_examples_report_and_a_text_file(there, page, tmp_path):
    choose(page, "reviews")
    rows = page.evaluate("[...document.querySelectorAll('#by-examples tbody tr')].map(one => one.innerText)")
    assert len(rows) == 2 and "시험, 정답: bad, 틀렸던 글" in rows[0] and "검증, 정답: good" in rows[1]
    page.press("#by-examples tbody tr")
    page.wait(f"document.querySelector('#by-first textarea').value === {json.dumps(NASTY)}")
    (tmp_path / "a.txt").write_text("파일에서 온 글", encoding="utf-8")
    page.attach("input[type=file][accept*='.md']", tmp_path / "a.txt")
    page.wait("document.querySelector('#by-first textarea').value === '파일에서 온 글'")
    tab(page, 2)
    page.wait("document.querySelector('.by-report')?.contentDocument?.body?.innerText.includes('The report')")
    tab(page, 0)


@needs_browser
def test_a_file_gives_what_predict_gives(there, page, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["byeori.serve.playground_files"], "ROWS", 4)
    lines = ["document\tlabel", *(f"{A} {place}번\tgood" for place in range(9)), "\tbad"]
    (tmp_path / "rows.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    choose(page, "reviews")
    tab(page, 1)
    page.wait("!!document.querySelector('#by-file input[type=file]')")
    page.attach("#by-file input[type=file]", tmp_path / "rows.tsv")
    page.wait("document.querySelector('#by-file').innerText.includes('rows')")
    page.press("#by-all")
    page.wait("document.querySelector('#by-progress').innerText.includes('끝: 10행 가운데 10행, 그중 1행은 오류')")
    page.wait("!!document.querySelector('#by-results')")
    (there_,) = Path(there.server.page._folder.name).glob("*/rows.predictions.jsonl")
    run = there.server.hosted[0].run
    from byeori.predict.files import predict_file

    predict_file(run, str(tmp_path / "rows.tsv"), tmp_path / "out.jsonl", call={}, read={})
    ours, theirs = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in (there_, tmp_path / "out.jsonl")
    )
    assert [one.get("error") for one in ours] == [one.get("error") for one in theirs] and "error" in ours[9]
    for one, other in zip(ours[:9], theirs[:9], strict=True):
        assert one["row"] == other["row"] and one["prediction"]["label"] == other["prediction"]["label"]
        assert one["prediction"]["score"] == pytest.approx(other["prediction"]["score"], abs=1e-5)
    tab(page, 0)


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_what_is_ours_can_be_read_in_both_schemes(there, dark):
    seen = there.browser.open(there.server.url + "/en/", dark=dark)
    seen.wait("!!document.querySelector('#by-first textarea')")
    ask(seen, "token-classification", A)
    seen.evaluate("document.querySelector('.by-read').open = true")
    ours = "(() => { const ours = [...document.querySelectorAll('.by-head, .by-about, .by-out')].map(one => one.innerText).join(' ');"
    faint = seen.evaluate(f"{ours} return {CONTRAST}.filter(one => ours.includes(one[0])); }})()")
    assert faint == []
    seen.close()


@needs_browser
def test_english_dark_and_narrow(there):
    seen = there.browser.open(there.server.url + "/", dark=True, width=380, language="en-GB")
    seen.wait("!!document.querySelector('#by-first textarea')")
    assert seen.evaluate("document.documentElement.lang + document.body.className") == "endark"
    assert "Further settings" in ask(seen, "reviews", A) + seen.evaluate("document.body.innerText")
    assert seen.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    seen.press(".by-head a[lang=ko]")
    seen.wait("document.documentElement?.lang === 'ko' && !!document.querySelector('#by-first textarea')")
    assert "써 보기" in seen.evaluate("document.body.innerText") and seen.console == []


def test_it_comes_after_ready_and_takes_no_more_than_it_needs(there):
    kinds = [one["event"] for one in there.events]
    assert kinds.index("ready") < kinds.index("page")
    get = there.client.get
    assert get("/", headers={"accept-language": "fr, ko;q=0.8, en;q=0.4"}).headers["location"] == "/ko/"
    assert get("/", headers={"accept-language": "fr"}).headers["location"] == "/en/"
    for path in ("/en/gradio_api/vibe-code/", "/en/gradio_api/proxy=http://x.example/", "/en/monitoring", "/en/login", "/fr/",
                 "/en/gradio_api/file=https://x.example/a", "/report/none", "/report/chat", "/nothing"):  # fmt: skip
        found = get(path)
        assert found.status_code == 404 and found.json()["error_type"] == "not_found", path
    assert get("/en/gradio_api/file=/etc/passwd").status_code in (403, 404)
    other = {"sec-fetch-site": "cross-site"}
    assert there.client.post("/en/gradio_api/queue/join", json={}, headers=other).status_code == 403
    large = there.client.post("/en/gradio_api/upload", content=b"x" * 9_000_000)
    assert large.status_code == 413
    assert "default-src 'self'" in get("/en/").headers["content-security-policy"]
    assert "script-src" not in get("/report/reviews").headers["content-security-policy"]
    assert there.client.post("/models/reviews", json={"inputs": A}).status_code == 200


def test_a_token_is_asked_for_by_the_browser(loaded, tmp_path):
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    with running({"a": loaded["chat"]}, ui=True, token_file=str(tmp_path / "token"), log_requests=False) as server:
        until(lambda: server.api.page is not None)
        html = {"accept": "text/html"}
        with httpx.Client(base_url=server.url) as client:
            for path in ("/", "/en/", "/report/a", "/en/config"):
                found = client.get(path, headers=html)
                assert found.status_code == 401 and found.headers["www-authenticate"].startswith("Basic ")
                assert client.get(path, auth=("me", TOKEN + "x")).status_code == 401
            assert client.get("/en/", auth=("me", TOKEN)).status_code == 200
            asked = {"json": {"inputs": "a", "parameters": {"max_new_tokens": 1}}, "auth": ("", TOKEN)}
            assert client.post("/models/a", **asked).status_code == 200
            assert client.post("/models/a", **asked, headers={"sec-fetch-site": "cross-site"}).status_code == 401
