"""Arguments of transformers 4's pipelines that there is nothing to do for: which of their values ask for nothing, and what
to say to the others.

Invariants: None asks for nothing; a value that would change the answer is never taken in silence.

    REFUSED["framework"].nothing("pt", run) is True; REFUSED["framework"].say == "PyTorch is the only framework."
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from byeori.predict.run import Run


@dataclass(frozen=True)
class Refusal:
    """`fine`: values that ask for nothing, or for what is done anyway; `when`: the same, where it takes the run to know."""

    say: str
    fine: tuple[Any, ...] = ()
    when: Callable[[Any, Any], bool] | None = None

    def nothing(self, value: Any, run: Run) -> bool:
        """Whether a value of it can be left aside."""
        if value is None or any(type(value) is type(one) and value == one for one in self.fine):
            return True
        return self.when is not None and self.when(value, run)


def _ends_so(value: Any, run: Any) -> bool:
    own = run.model.generation_config.eos_token_id
    sets = [set(one) if isinstance(one, list | tuple) else {one} for one in (value, own)]
    return sets[0] == sets[1]


MODEL = "Load the model yourself with {} and pass it as model=."
TEXTS = "These are text tasks."
TOKEN = "Set HF_TOKEN in the environment."
WHOLE = "Call the model's own generate for that: pipe.model.generate(…)."

# Of every pipeline.
REFUSED: dict[str, Refusal] = {
    "framework": Refusal("PyTorch is the only framework.", ("pt",)),
    "use_fast": Refusal(
        "The fast tokenizer is always taken where there is one; pass a tokenizer object as tokenizer= for another.",
        (True,),
    ),
    "model_kwargs": Refusal(MODEL.format("these"), ({},)),
    "config": Refusal(MODEL.format("it")),
    "feature_extractor": Refusal(TEXTS),
    "image_processor": Refusal(TEXTS),
    "processor": Refusal(TEXTS),
    "modelcard": Refusal("A run's card lies beside its model, as README.md."),
    "pipeline_class": Refusal("Pass an own task as FILE.py:CLASS."),
    "args_parser": Refusal("Pass an own task as FILE.py:CLASS; its inputs() reads what a call is given."),
    "code_revision": Refusal("The code of a model is taken at its revision."),
    "use_auth_token": Refusal(TOKEN, (True,)),
    "token": Refusal(TOKEN, (True,)),
    "binary_output": Refusal("Write the result yourself.", (False,)),
    "return_all_scores": Refusal("It is top_k=None of text-classification."),
    "grouped_entities": Refusal('It is aggregation_strategy="simple" of token-classification.'),
    "ignore_subwords": Refusal('It is aggregation_strategy="first" of token-classification.'),
    "offset_mapping": Refusal("Offsets are those of the tokenizer; give the text itself, or its words."),
}

# Of the tokenizer, which text-classification took beside its own and others in tokenizer_kwargs.
TOKENIZER: dict[str, Refusal] = {
    "add_special_tokens": Refusal("The model was trained with its special tokens.", (True,)),
    "return_tensors": Refusal("Predictions are lists; Run.predict(…, arrays=True) gives logits.", (False, "pt")),
    "return_token_type_ids": Refusal(
        "Segment ids go to the model where it was trained with them.", (), lambda value, run: value is run.engine.encoder.token_types
    ),
    "return_attention_mask": Refusal("A mask is made where one is needed.", (True, False)),
    "return_special_tokens_mask": Refusal("What the tokenizer returns is not returned; call pipe.tokenizer for it.", (False,)),
    "return_offsets_mapping": Refusal("What the tokenizer returns is not returned; call pipe.tokenizer for it.", (False,)),
    "return_length": Refusal("What the tokenizer returns is not returned; call pipe.tokenizer for it.", (False,)),
    "return_overflowing_tokens": Refusal("A text is cut, not read in windows; token-classification has stride.", (False,)),
    "stride": Refusal("A text is cut, not read in windows; token-classification and question-answering have stride.", (0,)),
    "is_split_into_words": Refusal("Join the words with spaces; token-classification takes them as they are.", (False,)),
    "pad_to_multiple_of": Refusal("Nothing is padded.", (), lambda value, run: isinstance(value, int)),
    "padding_side": Refusal("Nothing is padded.", ("left", "right")),
    "truncation_side": Refusal(
        'Give truncation="head" or "tail", the part that is kept, to pipeline(…) itself.', (),
        lambda value, run: value == {"head": "right", "tail": "left"}.get(run.engine.encoder.truncation),
    ),
    "verbose": Refusal("There is nothing to say.", (True, False)),
}  # fmt: skip

# Of model.generate, where it is no setting of ours. Whatever else GenerationConfig knows is said by SET_ON_MODEL.
SET_ON_MODEL = "Set it on the model, where every call finds it: pipe.model.generation_config.{name} = …"
GENERATION: dict[str, Refusal] = {
    "return_type": Refusal("Give return_full_text or return_tensors."),
    "pad_token_id": Refusal("Padding is masked, whatever its token.", (), lambda value, run: isinstance(value, int)),
    "eos_token_id": Refusal(
        "Give stop, a text to end at, or set it on the model: pipe.model.generation_config.eos_token_id = …",
        (),
        _ends_so,
    ),
    "use_cache": Refusal("The same is written with a cache and without.", (True, False)),
    "return_dict_in_generate": Refusal(WHOLE, (False,)),
    "output_scores": Refusal(WHOLE, (False,)),
    "output_logits": Refusal(WHOLE, (False,)),
    "output_attentions": Refusal(WHOLE, (False,)),
    "output_hidden_states": Refusal(WHOLE, (False,)),
    "num_beam_groups": Refusal("Group beam search has left transformers 5. Give do_sample for variety.", (1,)),
    "diversity_penalty": Refusal("Group beam search has left transformers 5. Give do_sample for variety.", (0.0,)),
    "penalty_alpha": Refusal("Contrastive search has left transformers 5. Give do_sample, or no_repeat_ngram_size."),
    "constraints": Refusal("Constrained beam search has left transformers 5."),
    "force_words_ids": Refusal("Constrained beam search has left transformers 5."),
    "seed": Refusal("It is generation_seed here."),
}

# Objects and functions for model.generate.
OBJECTS: dict[str, Refusal] = dict.fromkeys(
    (
        "generation_config", "logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "synced_gpus", "streamer",
        "assistant_model", "assistant_tokenizer", "negative_prompt_ids", "negative_prompt_attention_mask", "custom_generate",
        "use_model_defaults", "tokenizer",
    ),
    Refusal(WHOLE),
) | {
    "generation_config": Refusal("Give what it says by name, or set it on the model: pipe.model.generation_config = …"),
    "synced_gpus": Refusal("One model runs on one device here.", (False,)),
}  # fmt: skip
