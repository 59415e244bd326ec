"""An outline says what the model itself says when it is built."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import transformers

from byeori.doctor.estimate import Size
from byeori.models.outline import FAMILIES, HEADS, outline
from byeori.models.packed import first_position


def config_of(family: str, **values):
    sizes = {
        "vocab_size": 101,
        "hidden_size": 24,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
    }
    return transformers.AutoConfig.for_model(family, **{**sizes, "max_position_embeddings": 70, **values})


@pytest.mark.parametrize("auto", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_names_and_positions_are_those_of_the_built_model(family, auto):
    for values in ({}, {"num_labels": 3}, {"num_hidden_layers": 3, "type_vocab_size": 1}, {"embedding_size": 20}):
        if "embedding_size" in values and family != "electra":
            continue
        config = config_of(family, **values)
        with torch.device("meta"):
            model = getattr(transformers, auto).from_config(config)
        told = outline(config, auto)
        assert told is not None and Size.of(told) == Size.of(model)
        assert told.class_name == type(model).__name__ and told.first_position == first_position(model)
        assert told.get_input_embeddings().num_embeddings == model.get_input_embeddings().num_embeddings


def test_what_a_config_does_not_tell_is_built():
    assert outline(config_of("bert", is_decoder=True), "AutoModelForMaskedLM") is None
    assert outline(config_of("bert", tie_word_embeddings=False), "AutoModelForMaskedLM") is None
    assert outline(config_of("bert"), "AutoModelForMultipleChoice") is None
    assert outline(transformers.AutoConfig.for_model("albert"), "AutoModelForMaskedLM") is None


def test_an_inspection_imports_no_modelling_code(tiny, tmp_path):
    """It takes two seconds, and the tokenizer and the config say what is asked."""
    rows = tmp_path / "rows.tsv"
    rows.write_text("text\tlabel\n" + "".join(f"hello number {i}\t{i % 2}\n" for i in range(20)), encoding="utf-8")
    code = (
        f"import sys, byeori; found = byeori.inspect({str(rows)!r}, model={str(tiny('bert', auto='AutoModel'))!r}, doubt=False); "
        "assert found.data['estimate'] and found.data['parts']['train']['tokens']; "
        "sys.exit('transformers.modeling_utils' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
