"""`huggingface_hub.InferenceClient` and OpenAI's client, unchanged, against a running server."""

from __future__ import annotations

import json

import numpy as np
import pytest
from huggingface_hub import InferenceClient

import byeori
from pipelines import ASKED, MASKED, A, B


@pytest.fixture
def client(served, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # under which it asks no server at all
    return lambda name, **more: InferenceClient(
        model=f"{served.url}/models/{name}", token="not needed", timeout=60, **more
    )


def called(served, name, given, **values):
    return byeori.pipeline(served.runs[name].task.name, served.runs[name])(given, **values)


def test_text_classification(client, served):
    (one,) = client("text-classification").text_classification(A)
    (other,) = called(served, "text-classification", A)
    assert one.label == other["label"] and one.score == pytest.approx(other["score"], abs=1e-5)
    every = client("text-classification").text_classification(A, top_k=3, function_to_apply="sigmoid")
    other = called(served, "text-classification", A, top_k=3, function_to_apply="sigmoid")
    assert [e.label for e in every] == [o["label"] for o in other]


def test_token_classification(client, served):
    options = {"aggregation_strategy": "simple", "ignore_labels": []}
    found = client("token-classification").token_classification(A, **options)
    other = called(served, "token-classification", A, **options)
    assert [(one.entity_group, one.word, one.start, one.end) for one in found] == [
        (one["entity_group"], one["word"], one["start"], one["end"]) for one in other
    ]


def test_question_answering(client, served):
    found = client("question-answering").question_answering(**ASKED, max_answer_len=5)
    other = called(served, "question-answering", ASKED, max_answer_len=5)
    assert (found.answer, found.start, found.end) == (other["answer"], other["start"], other["end"])
    assert len(client("question-answering").question_answering(**ASKED, top_k=3)) == 3


def test_fill_mask(client, served):
    found = client("fill-mask").fill_mask(MASKED, top_k=3)
    other = called(served, "fill-mask", MASKED, top_k=3)
    assert [(one.token, one.token_str, one.sequence) for one in found] == [
        (one["token"], one["token_str"], one["sequence"]) for one in other
    ]


def test_summarization_and_translation(client, served):
    options = {"max_new_tokens": 4}
    found = client("summarization").summarization(A, generate_parameters=options, truncation="only_first")
    assert found.summary_text == called(served, "summarization", A, **options)[0]["summary_text"]
    found = client("translation").translation(A, generate_parameters=options, clean_up_tokenization_spaces=True)
    other = called(served, "translation", A, **options, clean_up_tokenization_spaces=True)
    assert found.translation_text == other[0]["translation_text"]


def test_zero_shot(client, served):
    found = client("zero-shot-classification").zero_shot_classification(
        A, ["정치", "경제"], multi_label=True, hypothesis_template="{}"
    )
    other = called(
        served,
        "zero-shot-classification",
        A,
        candidate_labels=["정치", "경제"],
        multi_label=True,
        hypothesis_template="{}",
    )
    assert [one.label for one in found] == other["labels"]


def test_vectors(client, served):
    found = client("feature-extraction").feature_extraction(A, normalize=True)
    assert np.allclose(found, np.array(called(served, "feature-extraction", A, normalize=True)), atol=1e-5)
    alike = client("feature-extraction").sentence_similarity(A, [A, B])
    one, other = called(served, "feature-extraction", [A, B], pooling="mean", normalize=True)
    assert alike == pytest.approx([1.0, float(np.dot(one, other))], abs=1e-5)


def test_text_generation(client, served):
    options = {"max_new_tokens": 6, "return_full_text": False}
    (other,) = called(served, "text-generation", A, **options)
    writer = client("text-generation")
    assert writer.text_generation(A, **options) == other["generated_text"]
    whole = writer.text_generation(A, details=True, **options)
    assert whole.generated_text == other["generated_text"]
    assert whole.details.finish_reason == "length" and whole.details.generated_tokens == len(whole.details.tokens) == 6
    assert all(one.logprob <= 0 for one in whole.details.tokens)
    assert "".join(writer.text_generation(A, stream=True, **options)) == other["generated_text"]
    *_, last = writer.text_generation(A, stream=True, details=True, **options)
    assert last.generated_text == other["generated_text"] and last.details.generated_tokens == 6
    drawn = [writer.text_generation(A, do_sample=True, temperature=1.5, seed=seed, **options) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    stop = other["generated_text"][-1]
    assert writer.text_generation(A, stop=[stop], details=True, **options).details.finish_reason in (
        "stop_sequence",
        "length",
    )


def test_log_probabilities_are_the_models_own(client, served):
    """Of each new token, in the model's own distribution behind all before it."""
    import torch

    run = served.runs["text-generation"]
    found = client("text-generation").text_generation(A, details=True, max_new_tokens=4, repetition_penalty=1.5)
    ids = [one.id for one in found.details.tokens]
    prompt = run.tokenizer(A)["input_ids"]
    with torch.no_grad():
        logits = run.model(torch.tensor([prompt + ids])).logits.log_softmax(-1)[0, len(prompt) - 1 : -1]
    wanted = logits.gather(1, torch.tensor(ids)[:, None])[:, 0]
    assert [one.logprob for one in found.details.tokens] == pytest.approx(wanted.tolist(), abs=1e-4)


def test_chat(client, served):
    messages = [{"role": "user", "content": A}]
    (other,) = called(served, "chat", messages, max_new_tokens=8, return_full_text=False, do_sample=False)
    talker = client("chat")
    found = talker.chat_completion(messages, max_tokens=8, temperature=0)
    choice = found.choices[0]
    assert choice.message.content == other["generated_text"] and choice.message.role == "assistant"
    assert found.usage.completion_tokens == 8 and choice.finish_reason == "length"
    pieces = talker.chat_completion(messages, max_tokens=8, temperature=0, stream=True)
    assert "".join(one.choices[0].delta.content or "" for one in pieces) == other["generated_text"]


def test_what_a_server_is(client, served):
    there = client("chat", provider="hf-inference")
    assert there.health_check()
    assert there.get_endpoint_info()["task"] == "text-generation"


def test_openai_client(served, loaded):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="not needed", max_retries=0) as client:
        assert {one.id for one in client.models.list()} == set(loaded)
        messages = [{"role": "user", "content": A}]
        whole = client.chat.completions.create(model="chat", messages=messages, max_tokens=8, temperature=0)
        stream = client.chat.completions.create(
            model="chat",
            messages=messages,
            max_tokens=8,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        *events, last = stream
        said = "".join(one.choices[0].delta.content or "" for one in events)
        assert said == whole.choices[0].message.content and last.usage.completion_tokens == 8
        (other,) = called(served, "text-generation", A, max_new_tokens=6, return_full_text=False)
        one = client.completions.create(model="text-generation", prompt=[A, B], max_tokens=6)
        assert one.choices[0].text == other["generated_text"] and len(one.choices) == 2
        stop = other["generated_text"][2:4]
        cut = client.completions.create(model="text-generation", prompt=A, max_tokens=6, stop=[stop])
        assert cut.choices[0].text == other["generated_text"].split(stop)[0]
        parts = client.completions.create(model="text-generation", prompt=A, max_tokens=6, stop=[stop], stream=True)
        assert "".join(part.choices[0].text for part in parts) == cut.choices[0].text
        vectors = client.embeddings.create(model="feature-extraction", input=[A, B])  # base64, as this client asks
        plain = client.embeddings.create(model="feature-extraction", input=[A, B], encoding_format="float")
        wanted = called(served, "feature-extraction", [A, B], pooling="mean", normalize=True)
        for found in (vectors, plain):
            assert np.allclose([one.embedding for one in found.data], wanted, atol=1e-5)
        with pytest.raises(openai.NotFoundError, match="there is no model"):
            client.completions.create(model="nobody", prompt=A)
        with pytest.raises(openai.BadRequestError, match="frequency_penalty=1.0 is not taken"):
            client.completions.create(model="text-generation", prompt=A, frequency_penalty=1.0)


def test_vectors_of_a_model_with_a_head_are_those_of_its_body(served):
    """The same weights loaded for feature-extraction."""
    run = served.runs["text-classification"]
    body = byeori.load_run(
        run.model.base_model, task="feature-extraction", tokenizer=run.tokenizer, precision="float32", device="cpu"
    )
    found = served.client.post("/models/text-classification/v1/embeddings", json={"input": [A, B]}).json()
    wanted = byeori.pipeline("feature-extraction", body)([A, B], pooling="mean", normalize=True)
    assert np.allclose([one["embedding"] for one in found["data"]], wanted, atol=1e-5)


def test_one_model_of_a_task_by_its_task(served):
    by_task = served.client.post("/pipeline/sentiment-analysis", json={"inputs": A}).json()
    assert by_task == served.post("text-classification", A)
    several = served.refused("/pipeline/text-generation", {"inputs": A})
    assert "text-generation or chat" in several["error"]


def test_openapi_has_every_path_and_an_example(served):
    said = served.client.get("/openapi.json").json()
    for path in ("/models/{name}", "/pipeline/{task}", "/v1/chat/completions", "/models/{name}/v1/embeddings"):
        content = said["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            json.dumps(example["value"])
    assert {"/health", "/ready", "/info", "/metrics", "/v1/models"} <= set(said["paths"])
