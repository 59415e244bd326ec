"""Names that tutorials and transformers use, and what answers them here.

answer("num_train_epochs", flag=True)      # → "It is --epochs here."
"""

from __future__ import annotations

from collections.abc import Collection

# old name → (name here or "", a sentence that goes with it)
OLD_NAMES: dict[str, tuple[str, str]] = {
    "model_name_or_path": ("model", ""),
    "model_name": ("model", ""),
    "checkpoint": ("model", ""),
    "tokenizer_name": ("tokenizer", ""),
    "processing_class": ("tokenizer", ""),
    "train_file": ("train", ""),
    "train_dataset": ("train", ""),
    "validation_file": ("validation", ""),
    "eval_dataset": ("validation", ""),
    "test_file": ("test", ""),
    "text_column": ("text", ""),
    "text_column_name": ("text", ""),
    "label_column": ("label", ""),
    "label_column_name": ("label", ""),
    "labels": ("label", ""),
    "output_dir": ("output", ""),
    "overwrite_output_dir": ("overwrite", ""),
    "doc_stride": ("stride", ""),
    "max_query_length": ("max_question_length", ""),
    "version_2_with_negative": ("", "Rows without an answer are recognised."),
    "num_train_epochs": ("epochs", ""),
    "num_epochs": ("epochs", ""),
    "lr": ("learning_rate", ""),
    "per_device_train_batch_size": ("batch_size", "It counts the rows of one update over all devices and packs."),
    "per_gpu_train_batch_size": ("batch_size", "It counts the rows of one update over all devices and packs."),
    "train_batch_size": ("batch_size", ""),
    "per_device_eval_batch_size": ("pack_tokens", "Evaluation is batched by tokens; no batch size needs to be chosen."),
    "eval_batch_size": ("pack_tokens", "Evaluation is batched by tokens; no batch size needs to be chosen."),
    "gradient_accumulation_steps": (
        "batch_size", "Give the effective batch there; --pack-tokens says how much of it runs at once."),
    "auto_find_batch_size": ("pack_tokens", "It is found without asking; the batch stays what you set."),
    "max_seq_length": ("max_length", ""),
    "max_sequence_length": ("max_length", ""),
    "max_seq_len": ("max_length", ""),
    "padding": ("", "There is no padding to set: batches are packed."),
    "pad_to_max_length": ("", "There is no padding to set: batches are packed."),
    "data_collator": ("", "There is no collator to set: batches are packed; an own task may change encode()."),
    "evaluation_strategy": ("evaluate_every", "Give 'epoch', 'end' or a number of updates."),
    "eval_strategy": ("evaluate_every", "Give 'epoch', 'end' or a number of updates."),
    "eval_steps": ("evaluate_every", ""),
    "logging_steps": ("log_every", ""),
    "logging_strategy": ("log_every", ""),
    "logging_dir": ("output", "The history is written to history.jsonl in the run's folder."),
    "save_steps": ("checkpoint_every", ""),
    "save_strategy": ("checkpoint_every", "Give a number of updates. The best model is always kept."),
    "save_total_limit": ("keep_checkpoints", "Only the newest checkpoint is kept, and the best model beside it."),
    "load_best_model_at_end": ("", "It always does: model/ is the best by the validation score."),
    "metric_for_best_model": ("best_metric", ""),
    "greater_is_better": ("best_metric", "Higher is better unless the score is loss, rmse, mae or perplexity."),
    "early_stopping_patience": ("early_stopping", ""),
    "lr_scheduler_type": ("schedule", ""),
    "lr_scheduler": ("schedule", ""),
    "num_warmup_steps": ("warmup_steps", ""),
    "warmup_proportion": ("warmup_ratio", ""),
    "gradient_clipping": ("max_grad_norm", ""),
    "label_smoothing_factor": ("label_smoothing", ""),
    "fp16": ("precision", "Give float16 (GPU only), bfloat16 or float32."),
    "bf16": ("precision", "Give float16 (GPU only), bfloat16 or float32."),
    "half_precision_backend": ("precision", ""),
    "tf32": ("precision", ""),
    "fp16_full_eval": ("precision", ""),
    "no_cuda": ("device", "Give cpu."),
    "use_cpu": ("device", "Give cpu."),
    "group_by_length": ("order", "Give grouped (the default) or random."),
    "train_sampling_strategy": ("order", "Give grouped (the default) or random."),
    "length_column_name": ("order", ""),
    "data_seed": ("seed", ""),
    "resume_from_checkpoint": ("resume", ""),
    "ignore_data_skip": ("resume", "Resuming goes on at the exact place."),
    "report_to": ("", "Everything is written to history.jsonl; nothing is sent anywhere."),
    "disable_tqdm": ("", "Output that isn't a terminal gets plain lines."),
    "remove_unused_columns": ("", "Columns that the task doesn't use are left aside by themselves."),
    "do_train": ("", "Training, validation and test run in one go."),
    "do_eval": ("", "Training, validation and test run in one go."),
    "do_predict": ("test", "The test rows are predicted and scored after training."),
    "optim": ("", "It is AdamW, fused where the device has it."),
    "dataloader_num_workers": ("", "Batches are cut from a memory-mapped store; there are no workers to set."),
    "use_auth_token": ("", "Set HF_TOKEN in the environment."),
    "token": ("", "Set HF_TOKEN in the environment."),
    "push_to_hub_token": ("", "Set HF_TOKEN in the environment."),
    "cache_dir": ("", "Set HF_HOME in the environment."),
    "use_fast": ("", "The fast tokenizer is always taken where there is one."),
    "use_fast_tokenizer": ("", "The fast tokenizer is always taken where there is one."),
    "from_tf": ("", "TensorFlow weights are gone from transformers; convert them with an old version first."),
    "framework": ("", "PyTorch is the only framework."),
    "safe_serialization": ("", "Weights are always written as safetensors."),
    "torch_dtype": ("precision", "Weights load as float32; precision sets the arithmetic."),
    "dtype": ("precision", "Weights load as float32; precision sets the arithmetic."),
    "num_labels": ("label", "The number of labels is read from the label column."),
    "predict_with_generate": ("", "Tasks that generate are always evaluated by generation."),
    "max_train_samples": ("max_rows", ""),
    "max_train_rows": ("max_rows", ""),
    "use_amp": ("precision", ""),
}  # fmt: skip


def answer(name: str, flag: bool = False, known: Collection[str] | None = None) -> str | None:
    """The sentence that answers an old name, or None where there is none; only a name in `known`, if given, is named."""
    here, more = OLD_NAMES.get(name, ("", ""))
    if known is not None and here not in known:
        here = ""
    shown = "--" + here.replace("_", "-") if flag else here
    return " ".join(part for part in (f"It is {shown} here." if here else "", more) if part) or None
