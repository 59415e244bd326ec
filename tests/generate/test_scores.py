"""Rows of different ages in one batch: each has the scores that transformers' own processors give it alone."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BartConfig, BartForConditionalGeneration, GenerationConfig, GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

from byeori.errors import ModelError
from byeori.generate.scores import Rows, Rules, unfit

WORDS = 24  # few, so that runs come twice
END, START = 2, 3


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    decoder = GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, n_embd=8, n_layer=1, n_head=1, n_positions=64))
    seq2seq = BartForConditionalGeneration(BartConfig(
        vocab_size=WORDS, d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=1,
        decoder_attention_heads=1, encoder_ffn_dim=8, decoder_ffn_dim=8, max_position_embeddings=64,
    ))  # fmt: skip
    for model in (decoder, seq2seq):
        model.generation_config = GenerationConfig(eos_token_id=END, pad_token_id=0, decoder_start_token_id=START)
    return {"decoder": decoder, "seq2seq": seq2seq}


def theirs(model, config: GenerationConfig, rows: Rows, row: int, scores: torch.Tensor) -> torch.Tensor:
    """The row alone, its configuration prepared as `generate` does it."""
    begun, length = int(rows.begun[row]), int(rows.lengths[row])
    ids = torch.from_numpy(rows.ids[row : row + 1, :length])
    source = ids[:, :begun] if rows.sources is None else torch.from_numpy(rows.sources[row])[None]
    own, _ = model._prepare_generation_config(config, max_new_tokens=int(rows.most[row]) - begun)
    model._prepare_special_tokens(own, device="cpu")
    own = model._prepare_generated_length(
        generation_config=own, has_default_max_length=True, has_default_min_length=config.min_length is None,
        model_input_name="input_ids", input_ids_length=begun, inputs_tensor=source,
    )  # fmt: skip
    processors = model._get_logits_processor(
        own, input_ids_seq_length=begun, encoder_input_ids=source, device="cpu", model_kwargs={}
    )
    return processors(ids, scores[row : row + 1].clone())[0]


def batch(seed: int, kind: str, count: int) -> tuple[Rows, torch.Tensor]:
    """Rows at any point of their text, some with room for one more token; behind their ids stands rubbish."""
    pick = np.random.default_rng(seed)
    begun = np.full(count, 1) if kind == "seq2seq" else pick.integers(1, 5, count)
    lengths = begun + pick.integers(0, 25, count) * (pick.random(count) < 0.7)
    most = lengths + pick.integers(1, 5, count)
    ids = pick.integers(0, pick.choice([2, 3, WORDS]), (count, 50))
    for row in range(count):
        ids[row, lengths[row] :] = pick.choice([-(10**12), 10**12, int(ids[row, 0])])
    sources = [pick.integers(0, 4, pick.integers(1, 15)) for _ in range(count)] if kind == "seq2seq" else None
    scores = torch.from_numpy(pick.normal(0, 3, (count, WORDS)).astype(np.float32))
    return Rows(ids, lengths, begun, most, sources), scores


def rules(config: GenerationConfig) -> Rules:
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    return Rules(config, ends=ends, vocabulary=WORDS)


@pytest.fixture(autouse=True)
def quiet():
    """transformers says of each row which of two lengths it takes."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    yield
    logging.set_verbosity(before)


def agree(model, config: GenerationConfig, rows: Rows, scores: torch.Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = torch.stack([theirs(model, config, rows, row, scores) for row in range(len(scores))])
    found = rules(config).apply(scores.clone(), rows)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


ALONE = {
    "encoder_repetition_penalty": [0.7, 1.4],
    "repetition_penalty": [1.3, 0.8],
    "no_repeat_ngram_size": [1, 2, 3, 4],
    "encoder_no_repeat_ngram_size": [1, 2, 3],
    "bad_words_ids": [[[5]], [[1, 2]], [[END], [0, 3], [1], [2, 2, 1], [0, 1], [9, 9, 9, 9, 9, 9, 9, 9]]],
    "min_length": [4, 9],
    "min_new_tokens": [1, 6],
    "forced_bos_token_id": [7],
    "forced_eos_token_id": [END, [END]],
    "remove_invalid_values": [True],
    "exponential_decay_length_penalty": [(0, 1.4), (3, 1.07)],
    "suppress_tokens": [[1, 9, 9], [WORDS + 5, 4]],
    "begin_suppress_tokens": [[1, 2]],
}
SINGLY = [(name, value) for name, values in ALONE.items() for value in values]


@pytest.mark.parametrize("kind", ["decoder", "seq2seq"])
@pytest.mark.parametrize(("name", "value"), SINGLY)
def test_each_rule_alone(models, kind, name, value):
    config = GenerationConfig(eos_token_id=END, **{name: value})
    changed = 0
    for seed in range(6):
        rows, scores = batch(seed, kind, 8)
        agree(models[kind], config, rows, scores)
        made = rules(config)
        changed += int((made.apply(scores.clone(), rows) != scores).sum())
        assert not made.idle
    assert changed > 0 or name == "remove_invalid_values"  # all these scores are numbers


together = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in ALONE.items()})


@settings(max_examples=60, deadline=None)
@given(together, st.sampled_from(["decoder", "seq2seq"]), st.integers(0, 10**6), st.sampled_from([END, [END, 9]]))
def test_any_of_them_together(models, values, kind, seed, ends):
    config = GenerationConfig(eos_token_id=ends, **values)
    rows, scores = batch(seed, kind, 4)
    agree(models[kind], config, rows, scores)
    made = rules(config)
    assert made.idle is (not values)


def test_a_forced_end_that_another_end_can_still_pass(models):
    """What is no number is made one, the lowest; the decay lifts an end from there."""
    config = GenerationConfig(
        eos_token_id=[END, 9], forced_eos_token_id=END, remove_invalid_values=True,
        exponential_decay_length_penalty=(0, 1.8),
    )  # fmt: skip
    rows, scores = batch(3, "decoder", 6)
    rows.lengths[:], rows.most[:] = rows.begun + 5, rows.begun + 6
    agree(models["decoder"], config, rows, scores)
    made = rules(config)
    assert (made.apply(scores, rows).argmax(1) == 9).all()


def test_several_forced_ends_are_no_one_token(models):
    config = GenerationConfig(eos_token_id=[END, 9], forced_eos_token_id=[9, END])
    rows, scores = batch(1, "decoder", 6)
    rows.most[:3] = rows.lengths[:3] + 1
    agree(models["decoder"], config, rows, scores)
    made = rules(config)
    assert (made.apply(scores, rows)[:3] == 0).sum(1).tolist() == [2, 2, 2]


def test_the_only_token_there_is_room_for_is_the_end(models):
    config = GenerationConfig(eos_token_id=END, forced_bos_token_id=7, forced_eos_token_id=END)
    rows, scores = batch(0, "seq2seq", 3)
    rows.lengths[:] = 1
    rows.most[:] = [2, 9, 2]
    agree(models["seq2seq"], config, rows, scores)
    assert rules(config).apply(scores, rows).argmax(1).tolist() == [END, 7, END]


@pytest.mark.parametrize("kind", ["decoder", "seq2seq"])
def test_numbers_that_are_none(models, kind):
    config = GenerationConfig(
        eos_token_id=END, remove_invalid_values=True, repetition_penalty=1.2, no_repeat_ngram_size=1, suppress_tokens=[4],
        exponential_decay_length_penalty=(1, 1.2),
    )  # fmt: skip
    for seed in range(4):
        rows, scores = batch(seed, kind, 4)
        scores[0, END], scores[1, END], scores[2, END] = math.nan, math.inf, -math.inf
        scores[:, 3:6] = torch.tensor([math.nan, math.inf, -math.inf])
        agree(models[kind], config, rows, scores)
        config.remove_invalid_values = not config.remove_invalid_values


def test_a_source_that_takes_another_s_place_is_read():
    """Sources are kept side by side from step to step; the company changes under them."""
    made = Rules(GenerationConfig(encoder_no_repeat_ngram_size=1), ends=[END], vocabulary=WORDS)
    sources = [np.array([4, 5]), np.array([6])]

    def banned() -> list[list[int]]:
        count = len(sources)
        rows = Rows(np.full((count, 3), START), np.full(count, 2), np.full(count, 1), np.full(count, 9), sources)
        found = made.apply(torch.zeros(count, WORDS), rows)
        return [(row == -math.inf).nonzero()[:, 0].tolist() for row in found]

    assert banned() == banned() == [[4, 5], [6]]
    sources[0] = np.array([8, 9, 10])
    assert banned() == [[8, 9, 10], [6]]
    sources.reverse()
    sources.append(sources[0])  # another beam of the same
    assert banned() == [[6], [8, 9, 10], [6]]


def test_ids_past_the_vocabulary_can_t_be_written_and_have_no_score():
    config = GenerationConfig(repetition_penalty=2.0, no_repeat_ngram_size=1, encoder_repetition_penalty=2.0)
    rows = Rows(np.array([[1, WORDS, WORDS + 7]]), np.array([3]), np.array([2]), np.array([9]))
    found = Rules(config, ends=[END], vocabulary=WORDS).apply(torch.ones(1, WORDS), rows)
    assert found[0].tolist() == [1.0, -math.inf] + [1.0] * (WORDS - 2)


def test_scores_are_changed_in_place():
    made = Rules(GenerationConfig(suppress_tokens=[1]), ends=[END], vocabulary=WORDS)
    rows, scores = batch(0, "decoder", 2)
    assert made.apply(scores, rows) is scores and (scores[:, 1] == -math.inf).all()


@pytest.mark.parametrize("values", [
    {}, {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_new_tokens": 0, "min_length": 5},
    {"bad_words_ids": [[END]], "suppress_tokens": [], "remove_invalid_values": False},
    {"do_sample": True, "top_k": 5, "temperature": 0.3},
])  # fmt: skip
def test_nothing_to_do(models, values):
    made = rules(GenerationConfig(eos_token_id=END, **values))
    assert made.idle


def test_without_an_end_token_nothing_holds_it_back():
    config = GenerationConfig(min_new_tokens=5, exponential_decay_length_penalty=(1, 1.1))
    assert Rules(config, ends=[], vocabulary=WORDS).idle


@pytest.mark.parametrize(("values", "message"), [
    ({"bad_words_ids": [[1, WORDS]]}, f"bad_words_ids names token {WORDS}; the model has tokens 0 to {WORDS - 1}"),
    ({"forced_bos_token_id": WORDS + 1}, f"forced_bos_token_id={WORDS + 1}: the model has tokens"),
    ({"forced_eos_token_id": [2, -1]}, "forced_eos_token_id=-1: the model has tokens"),
])  # fmt: skip
def test_tokens_that_the_model_doesn_t_have(values, message):
    with pytest.raises(ModelError, match=message):
        Rules(GenerationConfig(**values), ends=[END], vocabulary=WORDS)


@pytest.mark.parametrize(("values", "named"), [
    ({"guidance_scale": 1.5}, "guidance_scale=1.5"),
    ({"sequence_bias": [[[1], 2.0]]}, "sequence_bias"),
    ({"watermarking_config": {"bias": 2.0}}, "watermarking_config"),
    ({"penalty_alpha": 0.6, "top_k": 4}, "penalty_alpha=0.6"),
    ({"penalty_alpha": 0.6}, "penalty_alpha=0.6"),
    ({"prompt_lookup_num_tokens": 3}, "prompt_lookup_num_tokens"),
    ({"assistant_early_exit": 2}, "assistant_early_exit"),
    ({"dola_layers": "low"}, "dola_layers"),
    ({"max_time": 1.0}, "max_time"),
    ({"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5}, "num_beam_groups=2"),
    ({"num_beams": 2, "do_sample": True}, "do_sample with num_beams=2"),
    ({"num_beams": 2, "renormalize_logits": True}, "renormalize_logits"),
    ({"forced_bos_token_id": 5, "suppress_tokens": [5, 6]}, "suppress_tokens bans token 5"),
    ({"forced_eos_token_id": 2, "begin_suppress_tokens": [2]}, "begin_suppress_tokens bans token 2"),
])  # fmt: skip
def test_what_this_engine_doesn_t_do_is_named(values, named):
    config = GenerationConfig()
    for name, value in values.items():  # not its constructor, which has opinions on some of them
        setattr(config, name, value)
    assert named in unfit(config)


@pytest.mark.parametrize("values", [
    {}, {"num_beams": 4, "length_penalty": 2.0}, {"do_sample": True, "top_k": 4, "penalty_alpha": 0.6},
    {"penalty_alpha": 0.6, "top_k": 1}, {"guidance_scale": 1.0}, {"renormalize_logits": True, "do_sample": True},
    {"forced_bos_token_id": 5, "suppress_tokens": [6], "begin_suppress_tokens": [5]},
])  # fmt: skip
def test_what_it_does(values):
    assert unfit(GenerationConfig(**values)) is None


def test_no_setting_of_transformers_is_one_that_nobody_thought_of():
    """A release that brings one fails here, until somebody has decided what it means."""
    ours = set(ALONE) | {"do_sample", "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff",
                         "eta_cutoff", "renormalize_logits"}  # fmt: skip
    refused = {
        "guidance_scale", "sequence_bias", "watermarking_config", "constraints", "force_words_ids", "token_healing",
        "max_time", "prompt_lookup_num_tokens", "assistant_early_exit", "use_mtp", "dola_layers", "num_beam_groups",
        "penalty_alpha",
    }  # fmt: skip
    search = {"max_length", "max_new_tokens", "early_stopping", "stop_strings", "num_beams", "length_penalty",
              "num_return_sequences", "pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"}  # fmt: skip
    no_matter = {  # how much memory or time it takes, what else is returned, or what only goes with a refused one
        "use_cache", "cache_implementation", "cache_config", "max_cache_len", "return_legacy_cache", "low_memory",
        "prefill_chunk_size", "compile_config", "disable_compile", "continuous_batching_config", "output_attentions",
        "output_hidden_states", "output_scores", "output_logits", "return_dict_in_generate", "is_assistant",
        "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold",
        "max_matching_ngram_size", "assistant_lookbehind", "target_lookbehind", "assistant_ensemble_weight",
        "speculation_type", "diversity_penalty", "transformers_version",
    }  # fmt: skip
    known = ours | refused | search | no_matter
    assert {name for name in vars(GenerationConfig()) if not name.startswith("_")} <= known
