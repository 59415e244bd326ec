"""Settings: converted and checked once, for flags, YAML, Python and error texts alike."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from byeori import settings
from byeori.errors import SettingError
from byeori.oldnames import OLD_NAMES, answer
from byeori.settings import Train
from byeori.tasks import TASKS

OWN = [kind for task in TASKS for kind in (task.Training, task.Call)]
EVERY = [(kind, field) for kind in (Train, *OWN) for field in dataclasses.fields(kind)]


def read(**values) -> Train:
    (found,) = settings.read(values, Train)
    return found


# conversion -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("learning_rate", "5e-5", 5e-5),
        ("learning_rate", 1, 1.0),
        ("batch_size", "16", 16),
        ("batch_size", 16.0, 16),
        ("epochs", "2", 2.0),
        ("epochs", 0.5, 0.5),
        ("max_steps", None, None),
        ("pack_tokens", "auto", "auto"),
        ("pack_tokens", "4096", 4096),
        ("pack_tokens", 4096, 4096),
        ("evaluate_every", "epoch", "epoch"),
        ("evaluate_every", "100", 100),
        ("drop_empty", "true", True),
        ("drop_empty", "no", False),
        ("header", None, None),
        ("header", "off", False),
        ("text", "document", "document"),
        ("text", 7, "7"),  # a column called 7 in a file without a header
        ("output", "5", "5"),
        ("output", Path("run"), "run"),
        ("label", ["공격성", "성별"], "공격성,성별"),
        ("seed", 0, 0),
    ],
)
def test_value_is_converted_to_the_type_of_its_setting(name, value, wanted):
    found = getattr(read(**{name: value}), name)
    assert found == wanted and type(found) is type(wanted)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("learning_rate", "fast", "auto or a number is needed"),
        ("learning_rate", float("nan"), "a finite number"),
        ("learning_rate", "inf", "a finite number"),
        ("learning_rate", -1, "at least 0"),
        ("learning_rate", True, "a number is needed"),
        ("learning_rate", None, "a number is needed"),
        ("batch_size", 0, "at least 1"),
        ("batch_size", "2.5", "a whole number is needed"),
        ("batch_size", 2.5, "a whole number is needed"),
        ("max_length", 2, "at least 3"),
        ("seed", -1, "at least 0"),
        ("drop_empty", "perhaps", "true or false is needed"),
        ("drop_empty", 1, "true or false is needed"),
        ("schedule", "lineer", "Did you mean linear?"),
        ("precision", "bf16", "one of auto, float32, bfloat16, float16"),
        ("device", "gpu", "one of auto, cpu, cuda, mps"),
        ("evaluate_every", "epochs", "one of epoch, end or a whole number is needed. Did you mean epoch?"),
        ("evaluate_every", 0, "at least 1"),
        ("pack_tokens", "much", "auto or a whole number is needed"),
        ("text", {"a": 1}, "text is needed"),
    ],
)
def test_wrong_value_is_refused_with_its_name_value_and_what_is_needed(name, value, said):
    with pytest.raises(SettingError) as error:
        read(**{name: value})
    assert f"{name}={value!r}" in str(error.value) and said in str(error.value)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0))
def test_float_from_text_is_the_float(number):
    assert read(learning_rate=repr(number)).learning_rate == number


# names ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "near"),
    [("learningrate", "learning_rate"), ("epoch", "epochs"), ("batchsize", "batch_size"), ("modle", "model")],
)
def test_unknown_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(SettingError, match=f"there is no setting {name}. Did you mean {near}?"):
        read(**{name: 1})


def test_name_like_nothing_points_to_the_help():
    with pytest.raises(SettingError, match="--help"):
        read(zzzzzz=1)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_name_like_nothing_in_a_call_points_to_those_of_a_call(task):
    with pytest.raises(SettingError) as error:
        task().call_settings({"zzzzzz": 1})
    few = len(settings.names(task.Call)) <= settings.FEW
    assert ("There are " in str(error.value)) is few or "There is " in str(error.value)
    assert few or f"`byeori predict --task {task.name} --help` lists all settings" in str(error.value)


def test_flag_is_spelled_as_a_flag():
    known = list(settings.names(Train))
    assert settings.unknown("--learning-rat", known, flag=True) == (
        "there is no setting --learning-rat. Did you mean --learning-rate?"
    )
    assert "It is --epochs here." in settings.unknown("--num-train-epochs", known, flag=True)


@pytest.mark.parametrize("old", sorted(OLD_NAMES))
def test_old_name_is_answered_with_a_name_that_exists(old):
    here, more = OLD_NAMES[old]
    assert here or more, f"{old}: the answer is empty"
    known = set(settings.names(Train, *(task.Training for task in TASKS)))
    assert here in known | {""}, f"{old} is answered with {here}, which is no setting"
    assert old not in known, f"{old} is a setting, so its answer never shows"
    with pytest.raises(SettingError) as error:
        settings.read({old: 1}, Train, *(task.Training for task in TASKS))
    assert answer(old) in str(error.value)


@pytest.mark.parametrize(
    ("old", "here"),
    [
        ("evaluation_strategy", "evaluate_every"),
        ("eval_strategy", "evaluate_every"),
        ("num_train_epochs", "epochs"),
        ("per_device_train_batch_size", "batch_size"),
        ("per_device_eval_batch_size", "pack_tokens"),
        ("gradient_accumulation_steps", "batch_size"),
        ("fp16", "precision"),
        ("bf16", "precision"),
        ("save_total_limit", "checkpoints_kept"),
        ("save_steps", "checkpoint_every"),
        ("logging_steps", "log_every"),
        ("eval_steps", "evaluate_every"),
        ("output_dir", "output"),
        ("model_name_or_path", "model"),
        ("max_seq_length", "max_length"),
        ("label_smoothing_factor", "label_smoothing"),
        ("lr_scheduler_type", "schedule"),
        ("metric_for_best_model", "best_metric"),
        ("early_stopping_patience", "early_stopping"),
        ("resume_from_checkpoint", "resume"),
        ("group_by_length", "order"),
        ("overwrite_output_dir", "overwrite"),
        ("no_cuda", "device"),
        ("lr", "learning_rate"),
    ],
)
def test_spellings_of_the_tutorials(old, here):
    assert OLD_NAMES[old][0] == here


# one source -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "field"), EVERY, ids=[f"{kind.__name__}.{field.name}" for kind, field in EVERY])
def test_every_setting_has_help_and_a_default_that_it_would_take(kind, field):
    help = field.metadata["help"]
    assert help and help[0].islower() | help[0].isupper() and not help.endswith(".")
    if field.default is not None:
        assert settings.convert(field.default, field, settings.hints(kind)[field.name]) == field.default


def test_every_setting_lies_in_one_section():
    inside = [field.name for section in settings.SECTIONS for field in dataclasses.fields(section)]
    assert len(inside) == len(set(inside))
    assert set(inside) | {"task"} == set(settings.names(Train))


# YAML -----------------------------------------------------------------------------------------------------------------
def test_yaml_round_trip(tmp_path):
    made = read(
        task="text-classification", train="자료/학습.tsv", label="공격성,성별", model="klue/roberta-base", output="실행",
        learning_rate=3e-5, adam_epsilon=1e-8, evaluate_every=50, pack_tokens=4096, header=False, max_steps=10,
        separator="\t", overwrite=True,
    )  # fmt: skip
    own = TASKS[0].Training(label_smoothing=0.1, class_weights="balanced")
    path = tmp_path / "settings.yaml"
    path.write_text(settings.dump_yaml(made, own, {"rows": {"train": 3}, "note": "더 길게"}), encoding="utf-8")
    values = settings.load_yaml(path)
    assert set(values) == set(settings.names(Train, type(own))), "what was found must stay a comment"
    again, own_again = settings.read(values, Train, type(own))
    assert again == made and own_again == own


def test_yaml_of_defaults_is_the_defaults(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text(settings.dump_yaml(Train(), TASKS[0].Training(), {}), encoding="utf-8")
    assert settings.read(settings.load_yaml(path), Train, TASKS[0].Training) == [Train(), TASKS[0].Training()]


def test_objects_are_named_not_dumped(tmp_path):
    text = settings.dump_yaml(Train(train=[{"text": "a"}], model=object()), TASKS[0].Training(), {})
    found = yaml.safe_load(text)
    assert found["train"] == "<list>" and found["model"] == "<object>"


def test_hyphens_and_underscores_are_one(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("learning-rate: 1e-4\nbatch_size: 8\n", encoding="utf-8")
    assert read(**settings.load_yaml(path)) == read(learning_rate=1e-4, batch_size=8)  # YAML reads 1e-4 as text


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words", "", "a: [1\n"])
def test_yaml_that_is_no_settings_file_is_refused(tmp_path, text):
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match="settings.yaml"):
        settings.load_yaml(path)


def test_missing_yaml_is_refused(tmp_path):
    with pytest.raises(SettingError, match="there is no such settings file"):
        settings.load_yaml(tmp_path / "settings.yaml")
