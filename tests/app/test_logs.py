"""No secret reaches the log (SEC-05), whatever text it stands in."""

from typing import Any

import pytest

from llm_incident_manager.app.logs import without_secrets


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("X-API-Key: s3cr3t-key", "s3cr3t-key"),
        ("GET /ws?key=topsecret&x=1", "topsecret"),
        ("postgresql://user:hunter2@db:5432/x", "hunter2"),
        ("key lim_AbCdEfGhIjKlMnOpQrStUvWx was used", "AbCdEfGhIjKlMnOpQrStUvWx"),
        ("POST https://hooks.slack.com/services/T0/B0/XyZ failed", "XyZ"),
        ("http://127.0.0.1:3000/sign-in/AUK3xELTrF1cLaLL9ISctD9Jg", "AUK3xELTrF1cLaLL9ISctD9Jg"),
    ],
)
def test_a_secret_in_any_text_is_blotted_out(text: str, secret: str) -> None:
    assert secret not in without_secrets(None, "info", {"event": text})["event"]


def test_other_text_stays() -> None:
    line: dict[str, Any] = {
        "event": "timer_fired",
        "incident_id": "INC-20261102-00001",
        "url": "http://127.0.0.1:3000/x",
    }
    assert without_secrets(None, "info", line) == line
