"""Pushing, by huggingface_hub's own requests to a Hub on the loopback: what goes, what stays, what stops it, what breaks on the way."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import byeori
from byeori.cli import main
from byeori.errors import HubError, ModelError, SettingError
from byeori.report import hub as hub_
from byeori.report import pushing
from byeori.report.leaks import Quoted
from byeori.report.parcel import STAYING
from byeori.report.push import push
from byeori.run import RunFolder
from byeori.settings import Train, names
from hub_models import TOKEN, Fault, PushHub

DEMO = Path(byeori.__file__).parent / "data" / "demo" / "reviews_ko.tsv"
MODEL = {"README.md", "byeori.json", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture(scope="module")
def settings(tiny, tmp_path_factory) -> dict:
    """Of a training on 60 Korean reviews."""
    rows = list(csv.DictReader(DEMO.open(encoding="utf-8"), delimiter="\t"))[:60]
    path = tmp_path_factory.mktemp("data") / "reviews.tsv"
    columns = list(rows[0])
    path.write_text(
        "\n".join("\t".join(row.values()) for row in [dict(zip(columns, columns, strict=True)), *rows]),
        encoding="utf-8",
    )
    return {
        "task": "text-classification", "model": str(tiny("bert", auto="AutoModel")), "train": str(path), "max_steps": 4,
        "batch_size": 8, "threads": 1, "precision": "float32", "baselines": False,
    }  # fmt: skip


@pytest.fixture(scope="module")
def trained(settings, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "run"
    byeori.train(**settings, output=str(path))
    return path


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with PushHub(tmp_path) as one:
        one.at_hand(monkeypatch)
        yield one


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """Seconds that were waited for, here and in the library, where none passes."""
    import time

    from huggingface_hub.utils import _http

    waited: list[float] = []
    clock = SimpleNamespace(sleep=waited.append, monotonic=time.monotonic, time=time.time)
    monkeypatch.setattr(_http, "time", clock)
    monkeypatch.setattr(hub_, "time", clock)
    return waited


def command(capsys, *arguments) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["push", *map(str, arguments)])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


# what goes, and comes again -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("part_bytes", [None, 50_000])
def test_what_was_pushed_comes_down_the_same_and_predicts_the_same(trained, tmp_path, monkeypatch, part_bytes):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with PushHub(tmp_path, part_bytes=part_bytes) as hub:
        hub.at_hand(monkeypatch)
        run = byeori.load_run(trained)
        found = run.push_to_hub("me/reviews")
        repo = hub.repos["model", "me/reviews"]
        assert found["pushed"] and repo.private and repo.tags == {"v1": found["commit"]}
        assert repo.messages[found["commit"]].startswith("Byeori: text-classification, accuracy ")
        files = hub.files("me/reviews", "v1")
        assert set(files) - {".gitattributes"} == MODEL
        assert all(files[name] == (trained / "model" / name).read_bytes() for name in MODEL)

        texts = ["정말 오랜만에 좋은 제품을 만났어요", "다시는 사지 않겠습니다"]
        model = AutoModelForSequenceClassification.from_pretrained("me/reviews", revision="v1", token=TOKEN)
        tokenizer = AutoTokenizer.from_pretrained("me/reviews", revision="v1", token=TOKEN)
        here = run.model.state_dict()
        there = model.state_dict()
        assert here.keys() == there.keys() and all(torch.equal(here[name].cpu(), there[name]) for name in here)
        assert tokenizer(texts)["input_ids"] == run.tokenizer(texts)["input_ids"]
        again = byeori.load_run("me/reviews", revision="v1", device="cpu", precision="float32")
        assert again.predict(texts) == byeori.load_run(trained, device="cpu", precision="float32").predict(texts)


def test_by_xet_the_hub_s_default(trained, tmp_path, monkeypatch):
    """hf_xet stores the weights by itself (here in a folder) and gives them back."""
    hf_xet = pytest.importorskip("hf_xet")
    import hashlib

    from huggingface_hub import hf_hub_download

    weights = trained / "model" / "model.safetensors"
    with PushHub(tmp_path) as hub:
        hub.at_hand(monkeypatch, xet=True)
        hub.xet_bytes = weights.read_bytes()
        (told,) = hf_xet.hash_files([str(weights)])
        hub.xet[hashlib.sha256(hub.xet_bytes).hexdigest()] = told.hash
        found = push(trained, "me/reviews")
        assert found["tag"] == "v1" and hub.count("xet-write-token") and not hub.count("/lfs/") and not hub.bytes
        down = hf_hub_download("me/reviews", "model.safetensors", token=TOKEN, cache_dir=str(tmp_path / "down"))
        assert Path(down).read_bytes() == hub.xet_bytes and hub.count("xet-read-token")


def test_pushed_again_nothing_is_sent_and_a_better_model_gets_the_next_version(run, hub):
    first = push(run, "reviews")  # a name alone is one of the user's
    assert first["repo_id"] == "me/reviews"
    sent, commits = hub.bytes, hub.count("/commit/")
    again = push(run, "me/reviews")
    assert (again["changed"], again["tag"], again["commit"]) == (False, "v1", first["commit"])
    assert hub.bytes == sent and hub.count("/commit/") == commits
    config = json.loads((run / "model" / "config.json").read_text())
    (run / "model" / "config.json").write_text(json.dumps({**config, "note": 1}))
    later = push(run, "me/reviews", revision="dev")
    repo = hub.repos["model", "me/reviews"]
    assert later["tag"] == "v2" and repo.branches["dev"] == repo.tags["v2"] and repo.branches["main"] == repo.tags["v1"]
    assert hub.bytes == sent, "the weights are the same"
    assert push(run, "me/reviews", tag="none")["tag"] is None and set(repo.tags) == {"v1", "v2"}
    with pytest.raises(
        SettingError, match="tag='v1': this tag is there already, on commit .* hf repos tag delete me/reviews v1"
    ):
        push(run, "me/reviews", tag="v1")


def test_files_of_another_kind_of_model_go_away_and_what_people_added_stays(run, hub):
    repo = hub.add("me/reviews")
    old = {
        name: b"x"
        for name in ("adapter_config.json", "model-00001-of-00002.safetensors", "README.md", "LICENSE", "mine.txt")
    }
    repo.commit("main", {".gitattributes": b"", **old}, "by hand")
    found = push(run, "me/reviews")
    assert sorted(found["deleted"]) == ["adapter_config.json", "model-00001-of-00002.safetensors"]
    assert set(hub.files("me/reviews")) == MODEL | {".gitattributes", "LICENSE", "mine.txt"}


def test_each_part_of_a_run_has_a_reason_to_stay():
    run = RunFolder("run")
    assert {getattr(run, name) for name in STAYING} | {run.model} == set(run.parts)


def test_parts_of_the_run_stay_unless_asked_for(run, hub):
    (run / "model" / "notes.txt").write_text("do not tell")
    plan = push(run, "me/reviews", dry_run=True)
    assert {one["name"] for one in plan["files"]} == MODEL and not hub.asked
    stays = {one["name"]: one["why"] for one in plan["stays"]}
    assert stays["model/notes.txt"] == "Byeori didn't write it (--with notes.txt)"
    texts = {"report.html", "samples.jsonl", "watched.jsonl", "mistakes.json", "predictions/"}
    assert texts | {"history.jsonl", "settings.yaml", "slices.json"} <= stays.keys()
    push(run, "me/reviews", extras=["report,history", "notes.txt", "predictions"])
    more = {
        "run/report.html",
        "run/history.jsonl",
        "notes.txt",
        *(f"run/predictions/{part}{end}" for part in ("test", "validation") for end in (".jsonl", ".measured.jsonl")),
    }
    assert set(hub.files("me/reviews")) - {".gitattributes"} == MODEL | more
    with pytest.raises(
        SettingError, match="with='log': there is no such part of the run.*report, samples, mistakes, watched"
    ):
        push(run, "me/reviews", extras=["log"])


# what stops it --------------------------------------------------------------------------------------------------------
SECRETS = {
    "hf_" + "Ab1" * 12: "a Hugging Face token (hf_…, 39 characters)",
    "sk-proj-" + "x9" * 20: "an API key (sk-…, 48 characters)",
    "AKIAIOSFODNN7EXAMPLE": "an AWS key (AKIA…, 20 characters)",
    "ghp_" + "a1" * 18: "a GitHub token (ghp_…, 40 characters)",
    "https://minsu:tiger77@files.example.org/a": "a password in an address (https://…, 22 characters)",
    "-----BEGIN OPENSSH PRIVATE KEY-----": "a private key",
    'api_key = "9f8e7d6c5b4a"': "a password (api_…",
}


@pytest.mark.parametrize("secret, told", SECRETS.items(), ids=lambda one: one[:12])
def test_a_secret_stops_it_by_file_and_line_and_is_not_shown(run, hub, secret, told):
    card = run / "model" / "README.md"
    card.write_text(card.read_text(encoding="utf-8") + f"\n\nby hand: {secret} .\n", encoding="utf-8")
    line = len(card.read_text(encoding="utf-8").splitlines())
    with pytest.raises(ModelError) as refused:
        push(run, "me/reviews")
    assert f"README.md, line {line}: {told}" in str(refused.value) and "--allow README.md" in str(refused.value)
    assert secret not in str(refused.value) and "tiger77" not in str(refused.value) and not hub.repos
    assert push(run, "me/reviews", allow=["README.md"])["pushed"]


def test_one_s_own_token_is_found_whatever_it_looks_like(run, hub, monkeypatch):
    monkeypatch.setenv("OUR_SERVER_TOKEN", "abcdefghijklmnopqrst")
    config = run / "model" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "note": "see abcdefghijklmnopqrst"}))
    with pytest.raises(ModelError, match="config.json, line 1: what OUR_SERVER_TOKEN holds"):
        push(run, "me/reviews")


@pytest.mark.parametrize("file", ["README.md", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("gone", [False, True], ids=["data at hand", "data gone"])
def test_a_row_of_the_data_stops_it_whatever_stands_around_it(run, hub, settings, file, gone):
    """Also where the data is gone, if the row is in the run's samples."""
    lines = Path(settings["train"]).read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t"))
    held = [text for line in (run / "samples.jsonl").read_text(encoding="utf-8").splitlines()
            for text in json.loads(line)["inputs"].values()]  # fmt: skip
    text = max(held if gone else (next(iter(row.values())) for row in rows), key=len)
    if gone:
        told = (run / "settings.yaml").read_text(encoding="utf-8")
        (run / "settings.yaml").write_text(told.replace(settings["train"], "/gone/reviews.tsv"), encoding="utf-8")
        assert "reviews.tsv is not where it was" in " ".join(push(run, "me/reviews", dry_run=True)["notes"])
    path = run / "model" / file
    if file == "README.md":
        path.write_text(
            path.read_text(encoding="utf-8") + f"\n> *“{text.replace(' ', '  ').replace('.', chr(92) + '.')}”*\n",
            encoding="utf-8",
        )
    elif file == "config.json":
        path.write_text(json.dumps({**json.loads(path.read_text()), "example": {"inputs": [f"e.g. {text}"]}}))
    else:
        held = json.loads(path.read_text(encoding="utf-8"))
        held["added_tokens"].append({"id": 99999, "content": text})
        path.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(
        ModelError, match=f"nothing was sent.*{file}: row [0-9,]+ of (reviews.tsv|samples.jsonl).*--allow {file}"
    ):
        push(run, "me/reviews")
    assert not hub.repos and push(run, "me/reviews", allow=[file], dry_run=True)["leaks"] == []


@pytest.mark.parametrize("row, stands", [
    ("배송이 너무 늦어요", True), ("Where is my package??", True), ("좋아요", False), ("accuracy", False), ("was not measured", False),
    ("지난주에 주문한 노트북이 오늘에야 왔는데 상자가 다 찌그러져 있고 화면에도 금이 가서 바로 돌려보냈습니다", True),
    ("이 문장은 카드 어디에도 없는 문장입니다, 정말로 없습니다", False),
])  # fmt: skip
def test_which_rows_stand_in_a_card(row, stands):
    """Short ones where they stand alone; long ones also cut or by a part; words of a card that are a row by chance don't count."""
    card = (
        "| text | label |\n|---|---|\n| 배송이 너무 늦어요! | 좋아요 |\n\n> *“where is my  package?”*\n\nThe accuracy of others was not "
        "measured here. …노트북이 오늘에야 왔는데 상자가 다 찌그러져 있고 화면에도 금이 가서…\n"
    )
    quoted = Quoted({"README.md": card}, labels=["좋아요"])
    assert quoted.look([row], "rows.tsv") and bool(quoted.leaks) == stands


def test_labels_are_no_rows(run, hub, settings):
    """A label may be as long as a row, and stands in config.json by right."""
    label = "a complaint about the courier who never rang"
    data = Path(settings["train"]).with_name("labels.tsv")
    data.write_text(f"text\tlabel\nshort\t{label}\n{label}\tother\n", encoding="utf-8")
    told = (run / "settings.yaml").read_text(encoding="utf-8")
    (run / "settings.yaml").write_text(told.replace(settings["train"], str(data)), encoding="utf-8")
    config = json.loads((run / "model" / "config.json").read_text())
    (run / "model" / "config.json").write_text(json.dumps({**config, "id2label": {"0": label, "1": "other"}}))
    assert push(run, "me/reviews", dry_run=True)["leaks"] == []


@pytest.mark.parametrize("spoil, kind, said", [
    (lambda run: run / "checkpoints" / "step-00000200", ModelError, "a checkpoint is what a training goes on from"),
    (lambda run: run / "nowhere", SettingError, "it isn't there"),
    (lambda run: run / "predictions", ModelError, "neither a run nor a model"),
    (lambda run: shutil.rmtree(run / "model") or run, ModelError, "this run has no model yet"),
    (lambda run: (run / "model" / "config.json").unlink() or run, ModelError, "config.json: the file is missing"),
    (lambda run: (run / "model" / "config.json").write_text("{") and run, ModelError, "config.json: this is damaged"),
    (lambda run: os.truncate(run / "model" / "model.safetensors", 9000) or run, ModelError, "has 9,000 bytes where"),
], ids=range(7))  # fmt: skip
def test_what_is_no_whole_model_is_refused(run, hub, spoil, kind, said):
    with pytest.raises(kind, match=said):
        push(spoil(run), "me/reviews")
    assert not hub.asked


def test_a_run_without_its_end_goes_and_says_so(run, hub):
    (run / "metrics.json").unlink()
    (run / "model" / "README.md").unlink()
    found = push(run, "me/reviews")
    assert any("isn't finished" in one for one in found["notes"]) and any(
        "byeori report" in one for one in found["notes"]
    )
    assert push(run / "model", "me/reviews")["changed"] is False


@pytest.mark.parametrize("name, said", [
    ("datasets/me/reviews", "of one among the Hub's datasets"), ("https://huggingface.co/spaces/me/x", "spaces"),
    ("me/my reviews", "alphanumeric"), ("me/-x", "cannot start"), ("a--b", "Cannot have -- or .."), ("리뷰", "alphanumeric"),
    ("me/x.git", "cannot end by '.git'"), ("a/b/c", "'repo_name' or 'namespace/repo_name'"), ("", "alphanumeric"),
])  # fmt: skip
def test_a_name_that_is_none(trained, hub, name, said):
    with pytest.raises(SettingError, match=said):
        push(trained, name)
    assert not hub.asked


def test_a_public_repository_is_not_taken_for_a_private_one(run, hub):
    hub.add("me/reviews", private=False)
    with pytest.raises(SettingError, match="there already and public.*--public"):
        push(run, "me/reviews")
    assert push(run, "https://huggingface.co/me/reviews", private=False)["pushed"]
    hub.add("me/data", "dataset")
    assert any("There is a dataset of this name too" in one for one in push(run, "me/data", private=False)["notes"])
    assert not hub.repos["model", "me/data"].private
    hub.add("me/closed")
    assert any("stays so" in one for one in push(run, "me/closed", private=False)["notes"])


# who may, and what breaks ---------------------------------------------------------------------------------------------
def test_no_token_a_wrong_one_one_that_may_only_read(trained, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    with pytest.raises(HubError, match="doesn't know the token .from HF_TOKEN, which goes before a login"):
        push(trained, "me/reviews")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="there is no token for the Hub. Log in with `hf auth login`, or set HF_TOKEN"):
        push(trained, "me/reviews")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(HubError, match="You are me, and it would belong to you"):
        push(trained, "you/reviews")
    hub.role = "read"
    with pytest.raises(HubError, match=r"the token in use \(laptop, of me\) may only read"):
        push(trained, "me/reviews")
    assert not hub.repos


def test_no_network(trained, hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="127.0.0.1 can't be reached .Connection refused."):
        push(trained, "me/reviews")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE .* is set"):
        push(trained, "me/reviews")


def test_a_token_without_the_right_to_write_there(trained, hub):
    hub.add("me/reviews")
    hub.faults = [Fault("/commit/", 403, 9, message="Forbidden: pass a token with write access")]
    with pytest.raises(
        HubError, match="uploading: the token may not write there .*fine-grained token needs write access"
    ):
        push(trained, "me/reviews")


@pytest.mark.parametrize(
    "what", ["whoami", "/repos/create", "/batch", "PUT /lfs/", "/verify", "/preupload", "/commit/", "/tag/"]
)
@pytest.mark.parametrize("status, headers, waited", [
    (429, {"Retry-After": "7"}, 7), (429, {"RateLimit": '"api";r=0;t=30'}, 30), (503, {}, 1), (0, {}, 1),
], ids=["429", "429 ratelimit", "503", "cut"])  # fmt: skip
def test_what_passes_is_tried_again(trained, hub, waits, what, status, headers, waited):
    hub.faults = [Fault(what, status, 2, headers)]
    told: list[str] = []
    found = push(trained, "me/reviews", note=told.append)
    assert (
        found["tag"] == "v1"
        and hub.files("me/reviews", "v1")["model.safetensors"] == (trained / "model" / "model.safetensors").read_bytes()
    )
    assert hub.faults[0].times == 0 and len(waits) == 2 and waits[0] in (waited, waited + 1)
    if what in ("whoami", "/repos/create", "/commit/", "/tag/"):  # the library tries these once
        assert len(told) == 2 and f"again in {waited} s (try 2 of 5)" in told[0]


def test_what_does_not_pass_ends_in_bounded_time_with_a_sentence(trained, hub, waits):
    hub.faults = [Fault("/commit/", 503, 99)]
    with pytest.raises(
        HubError, match="me/reviews, uploading: the Hub failed 5 times .503.. Push again later: what was uploaded"
    ):
        push(trained, "me/reviews")
    assert sum(waits) < 60
    sent = hub.bytes
    hub.faults = [Fault("/commit/", 429, 99, {"Retry-After": "3600"})]
    del waits[:]
    with pytest.raises(HubError, match="too many requests; it asks to wait 3,600 s"):
        push(trained, "me/reviews")
    assert not waits and hub.bytes == sent, "the weights were there"
    hub.faults = []
    assert push(trained, "me/reviews")["tag"] == "v1" and hub.bytes == sent


@pytest.mark.parametrize("part_bytes", [None, 60_000])
def test_a_connection_broken_in_the_middle_for_good_is_gone_on_with(trained, tmp_path, monkeypatch, waits, part_bytes):
    """The commit isn't made; pushed again, the large files that had arrived aren't sent again."""
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "model" / "spiece.model").write_bytes(b"\0" * 1000)  # a second large file, which arrives
    size = (run / "model" / "model.safetensors").stat().st_size
    with PushHub(tmp_path, part_bytes=part_bytes) as hub:
        hub.at_hand(monkeypatch)
        hub.faults = [Fault("PUT /lfs/" + _sha(run / "model" / "model.safetensors"), 0, 9999)]
        with pytest.raises(HubError, match="the connection broke .*Push again: what was uploaded isn't sent again"):
            push(run, "me/reviews")
        assert set(hub.files("me/reviews")) == {".gitattributes"} and len(hub.objects) == 1 and sum(waits) < 300
        hub.faults, hub.bytes = [], 0
        assert push(run, "me/reviews")["tag"] == "v1"
        assert hub.bytes == size and hub.files("me/reviews")["spiece.model"] == b"\0" * 1000


def _sha(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_answer_that_was_lost_makes_no_second_commit(trained, hub, waits, monkeypatch):
    """The Hub commits, and the connection breaks before it can say so."""
    inner = hub._commit

    def lost(*given):
        monkeypatch.setattr(hub, "_commit", inner)
        inner(*given)
        raise ConnectionResetError

    monkeypatch.setattr(hub, "_commit", lost)
    found = push(trained, "me/reviews")
    repo = hub.repos["model", "me/reviews"]
    assert len(repo.commits) == 2 and repo.tags == {"v1": found["commit"]} == {"v1": repo.branches["main"]}


# the command ----------------------------------------------------------------------------------------------------------
def test_the_command_shows_asks_and_sends(trained, hub, capsys, monkeypatch):
    code, out, err = command(capsys, trained, "me/reviews", "--dry-run")
    assert code == 0 and "new" not in out.splitlines()[1] and out.endswith("Nothing was sent.\n") and not hub.asked
    assert all(len(line) < 80 or str(trained) in line for line in out.splitlines())
    code, out, err = command(capsys, trained, "me/reviews")
    assert code == 2 and "Add --yes" in err and not hub.repos
    for answer, sent in (("n\n", False), ("y\n", True)):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        code, out, err = command(capsys, trained, "me/reviews")
        assert code == 0 and "Send it?" in err and bool(hub.repos) == sent
    assert f"{hub.url}/me/reviews/tree/v1 (commit " in out and "byeori.load_run('me/reviews', revision='v1')" in out
    code, out, err = command(capsys, trained, "me/reviews", "--yes", "--json", "--tag", "best")
    found = json.loads(out)
    assert (found["tag"], found["changed"], found["pushed"]) == ("best", False, True)


class Terminal:
    """A person at a terminal."""

    def __init__(self, answer: str):
        self.answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self, *_) -> str:
        return self.answer


def test_in_a_process_of_its_own(trained, tmp_path):
    with PushHub(tmp_path) as hub:
        environment = {**os.environ, **hub.environment()}
        line = [
            sys.executable,
            "-m",
            "byeori",
            "push",
            str(trained),
            "me/reviews",
            "--yes",
            "--public",
            "--message",
            "first",
        ]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "public: everyone can read it" in done.stdout, done.stderr
        repo = hub.repos["model", "me/reviews"]
        assert not repo.private and repo.messages[repo.tags["v1"]] == "first"
        heavy = "import sys; import byeori.report.push, byeori.report.hub; print('torch' in sys.modules)"
        said = subprocess.run(
            [sys.executable, "-c", heavy], env=environment, capture_output=True, text=True, timeout=60
        )
        assert said.stdout.strip() == "False"


# while it trains ------------------------------------------------------------------------------------------------------
@pytest.fixture
def progress():
    from byeori.train.progress import Quiet

    class Heard(Quiet):
        def __init__(self):
            super().__init__()
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    return Heard()


def wait_for_push(run) -> None:
    pusher = next(hook for hook in run.hooks if isinstance(hook, pushing.Pusher))
    if pusher._going is not None:
        pusher._going.join(30)


class Patient(byeori.Hook):
    """Lets the pushes of a training of a second arrive."""

    def step_end(self, run, pack, outputs):
        wait_for_push(run)


def test_the_best_so_far_goes_while_it_trains_and_the_finished_one_at_its_end(settings, hub, tmp_path, progress):
    run = byeori.train(
        **settings, output=str(tmp_path / "new"), push_to="me/live", push_every=2, evaluate_every=1, hooks=[Patient()],
        progress=progress,
    )  # fmt: skip
    repo = hub.repos["model", "me/live"]
    messages = list(repo.messages.values())
    assert any("still training" in one for one in messages[1:-1]) and "(test)" in messages[-1]
    assert repo.tags == {"v1": repo.branches["main"]} and repo.private
    assert hub.files("me/live")["README.md"] == (run.path / "model" / "README.md").read_bytes()
    assert "push_to: null" in (run.path / "settings.yaml").read_text(encoding="utf-8")
    assert not [one for one in run.path.iterdir() if one.name.startswith(".model.")]
    assert any("Pushed to" in one for one in progress.notes)


def test_a_network_that_fails_stops_nothing_and_is_said_once(settings, hub, tmp_path, progress, waits):
    alone = byeori.train(**settings, output=str(tmp_path / "alone"), evaluate_every=1)
    hub.faults = [Fault("/repos/create", 403, 999, message="no rights")]
    run = byeori.train(
        **settings, output=str(tmp_path / "new"), push_to="me/live", push_every=1, evaluate_every=1, hooks=[Patient()],
        progress=progress,
    )  # fmt: skip
    said = [one for one in progress.notes if "pushed" in one]
    assert (
        len(said) == 2
        and "it is tried again" in said[0]
        and f"`byeori push {run.path} me/live` does it later" in said[1]
    )
    for name in ("model.safetensors", "config.json"):
        assert (run.path / "model" / name).read_bytes() == (alone.path / "model" / name).read_bytes()


def test_what_can_be_known_before_a_training_stops_it_there(settings, hub, tmp_path, monkeypatch):
    output = str(tmp_path / "new")
    with pytest.raises(SettingError, match="push_every=2: where to"):
        byeori.train(**settings, output=output, push_every=2)
    with pytest.raises(SettingError, match="no name of a model's repository"):
        byeori.train(**settings, output=output, push_to="me/a b")
    with pytest.raises(SettingError, match="byeori push .*/best me/live"):
        byeori.tune(**settings, output=output, push_to="me/live", search={"seed": [1, 2]})
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="hf auth login"):
        byeori.train(**settings, output=output, push_to="me/live")
    assert not Path(output).exists()


# the guide ------------------------------------------------------------------------------------------------------------
def test_the_guide_s_commands_are_there():
    """Each command of docs/hub.md, ours and `hf`'s, with the flags it is given there."""
    from click import Context, Group
    from huggingface_hub.cli.hf import app

    from byeori.cli import cli

    text = (Path(__file__).parents[2] / "docs" / "hub.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    lines += re.findall(r"`((?:hf|byeori) [^`…]+)`", text)
    seen = 0
    for line in lines:
        words = shlex.split(line, comments=True)
        command = {"hf": app, "byeori": cli}.get(words[0])
        if command is None:
            continue
        words, seen = words[1:], seen + 1
        while isinstance(command, Group) and words and not words[0].startswith("-"):
            command = command.get_command(Context(command), words.pop(0))
            assert command is not None, line
        if not hasattr(command, "kinds"):  # else flags are made from settings, when they are asked for
            flags = {flag for one in command.get_params(Context(command)) for flag in (*one.opts, *one.secondary_opts)}
            assert {word.split("=")[0] for word in words if word.startswith("--")} <= flags, line
    assert seen >= 20
    for setting in ("push_to", "push_every"):
        assert f"--{setting.replace('_', '-')}" in text and setting in names(Train)
