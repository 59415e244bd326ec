"""Memory of an update over a large vocabulary, above weights, gradients and optimizer states: Byeori beside transformers' Trainer.

A T5 of t5-small's shape with fresh weights and 64,128 words; 32 rows of 128 source and 128 target tokens, all of them words drawn at
random. The peak is that of updates 2 and 3: the first makes gradients and states.

    python -m benchmarks.step_memory --rounds 3
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.common import alternate, arguments, median, ratios
from byeori.bench.clock import peak_mb

WORDS, ROWS, LENGTH, STEPS = 64_128, 32, 128, 3
SHAPE = {"d_model": 512, "d_ff": 2048, "d_kv": 64, "num_heads": 8, "num_layers": 6}
CONTESTANTS = {
    "Trainer (32)": {"kind": "trainer"},
    "Byeori (32)": {"kind": "byeori", "settings": {}},
    "Byeori (32, packs of 4,096)": {"kind": "byeori", "settings": {"pack_tokens": 4_096}},
    "Byeori (32, packs of 2,048)": {"kind": "byeori", "settings": {"pack_tokens": 2_048}},
}


def make_model(folder: str) -> str:
    """A fresh T5 and a tokenizer that knows w3 … w64127, a token each."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["<pad>", "</s>", "<unk>"]
    vocabulary = {word: number for number, word in enumerate([*special, *(f"w{i}" for i in range(3, WORDS))])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=WORDS, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, tie_word_embeddings=True, **SHAPE
    )
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(Path(folder))


def rows() -> list[dict[str, str]]:
    random = np.random.default_rng(0)

    def text() -> str:
        return " ".join(f"w{i}" for i in random.integers(3, WORDS, LENGTH - 1))

    return [{"source": text(), "target": text()} for _ in range(ROWS * STEPS)]


def rss() -> float:
    """Resident memory of this process now, MiB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


class Meter:
    """The peak of the updates after the first, in MiB, above what was there before the model and 16 bytes a weight."""

    def __init__(self) -> None:
        self.before = rss()
        self.seconds = 0.0

    def began(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from now (proc(5))
        self.seconds = -time.process_time()

    def ended(self, weights: int) -> None:
        self.seconds += time.process_time()
        self.above = peak_mb() - self.before - 16 * weights / 2**20


def work(job: dict) -> dict:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    meter = Meter()
    given = rows()
    with tempfile.TemporaryDirectory() as folder:
        if job["kind"] == "byeori":
            import byeori

            class Watch(byeori.Hook):
                def step_end(self, run, pack, outputs) -> None:
                    if run.step == 1:
                        meter.began()
                    if run.step == STEPS:
                        meter.ended(sum(p.numel() for p in run.model.parameters()))

            byeori.train(
                "summarization", job["model"], train=given, validation_size=0, test_size=0, output=f"{folder}/run",
                max_steps=STEPS, batch_size=ROWS, max_length=LENGTH, max_target_length=LENGTH, source_prefix="", previews=0,
                baselines=False, hooks=[Watch()], learning_rate=1e-4, **job["settings"],
            )  # fmt: skip
        else:
            tokenizer = transformers.AutoTokenizer.from_pretrained(job["model"])
            model = transformers.AutoModelForSeq2SeqLM.from_pretrained(job["model"])
            encoded = [
                {**tokenizer(row["source"]), "labels": tokenizer(text_target=row["target"])["input_ids"]}
                for row in given
            ]

            class Watching(transformers.TrainerCallback):
                def on_step_end(self, args, state, control, **more) -> None:
                    if state.global_step == 1:
                        meter.began()
                    if state.global_step == STEPS:
                        meter.ended(sum(p.numel() for p in model.parameters()))

            settings = transformers.TrainingArguments(
                output_dir=folder, per_device_train_batch_size=ROWS, max_steps=STEPS, use_cpu=True, save_strategy="no",
                report_to="none", disable_tqdm=True, learning_rate=1e-4,
            )  # fmt: skip
            collator = transformers.DataCollatorForSeq2Seq(tokenizer, model)
            transformers.Trainer(
                model, settings, train_dataset=encoded, data_collator=collator, callbacks=[Watching()]
            ).train()
    return {"above_mb": meter.above, "cpu_seconds": meter.seconds / (STEPS - 1), "threads": torch.get_num_threads()}


def main() -> None:
    options = arguments(__doc__).parse_args()
    if options.worker:
        print(json.dumps(work(json.loads(options.worker))))
        return
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(folder)
        jobs = {
            name: {**job, "model": model}
            for name, job in CONTESTANTS.items()
            if any(part in name for part in options.only.split(","))
        }
        found = alternate("benchmarks.step_memory", jobs, options.rounds)
    print("| contestant | MB above weights, gradients, states | CPU s an update |\n|---|---|---|")
    for name, results in found.items():
        print(f"| {name} | {median(results, 'above_mb'):,.0f} | {median(results, 'cpu_seconds'):.1f} |")
    theirs = found.pop("Trainer (32)", None)
    for name, ours in found.items() if theirs else ():
        print(f"{name}: memory {ratios(ours, theirs, 'above_mb')}, CPU seconds {ratios(ours, theirs, 'cpu_seconds')}")


if __name__ == "__main__":
    main()
