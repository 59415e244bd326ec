"""schemathesis over the server's own OpenAPI: whatever it makes up is answered as the description says, and never by a 500."""

from __future__ import annotations

import pytest

pytest.importorskip("schemathesis")

import schemathesis  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402

EXAMPLES = 12
ASKED = (("/models/{name}", "POST"), ("/pipeline/{task}", "POST"), ("/v1/completions", "POST"), ("/v1/chat/completions", "POST"),
         ("/v1/embeddings", "POST"), ("/info", "GET"), ("/models/{name}/info", "GET"))  # fmt: skip


@pytest.fixture(scope="module")
def described(served):
    return schemathesis.openapi.from_url(f"{served.url}/openapi.json")


@pytest.mark.parametrize("path, method", ASKED)
def test_answers_as_described(described, path, method):
    from schemathesis.checks import load_all_checks
    from schemathesis.core.failures import FailureGroup
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    load_all_checks()
    operation = described[path][method]

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def ask(case) -> None:
        answer = case.call(timeout=30)
        assert answer.status_code < 500 or answer.status_code == 503, (case.body, answer.text)
        checks = [status_code_conformance, content_type_conformance, response_schema_conformance]
        try:
            case.validate_response(answer, checks=checks)
        except FailureGroup as failures:
            pytest.fail("\n".join(map(str, failures.exceptions)))

    ask()
