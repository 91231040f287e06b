"""Redaction before storage: no door and no dead letter keeps what the source wants out (SEC-04)."""

from tests.api.app import Api, a_document

LEAK = {"title": "ana@example.com cannot log in", "payload": {"password": "hunter2-hunter2", "mail": "ana@example.com"}}


async def everything(api: Api) -> str:
    """All that can be read of the tenant."""
    found: list[str] = []
    incidents = (await api.client.get("/api/v1/incidents")).json()["incidents"]
    for incident in incidents:
        parts = ("", "/events", "/timeline", "/notifications", "/explanation")
        found += [(await api.client.get(f"/api/v1/incidents/{incident['id']}{part}")).text for part in parts]
    found.append((await api.client.get("/api/v1/dead_letters")).text)
    return "\n".join(found)


async def test_what_a_source_wants_out_is_kept_nowhere(api: Api) -> None:
    settings = {"name": "llm-sentinel", "redact": ["emails", "secrets"]}
    assert (await api.client.post("/api/v1/sources", json=settings)).status_code == 201
    first = await api.event(**LEAK, event_id="of-ana@example.com")
    assert first["event_id"] == "of-ana@example.com"
    again = await api.client.post("/api/v1/events", json=a_document(api.story) | LEAK | {"event_id": first["event_id"]})
    assert again.json()["status"] == "duplicate"
    batch = [a_document(api.story) | LEAK, a_document(api.story) | LEAK | {"severity": "purple"}]
    answer = (await api.client.post("/api/v1/events", json=batch)).json()
    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    bound = api.of(await api.key("ingest", source="llm-sentinel"))
    anomaly = {"alert_id": "x", "anomaly_type": "latency_spike", "service_name": "chat", "root_cause": LEAK["title"]}
    assert (await bound.post("/api/v1/sources/sentinel", json=anomaly)).status_code == 202
    assert (await bound.post("/api/v1/sources/sentinel", json={"what": LEAK["title"]})).status_code == 422
    for page in api.story.pages:
        assert "ana@example.com" not in repr(page).replace("of-ana@example.com", "")
    api.story.pages.clear()
    await api.story.restart()
    await api.story.fast_forward(seconds=2)
    seen = await everything(api)
    assert "[mail] cannot log in" in seen
    assert "hunter2" not in seen
    assert "ana@example.com" not in seen.replace("of-ana@example.com", "")
    api.story.pages.clear()
    wrong = await api.client.post("/api/v1/sources", json={"name": "x", "redact": ["everything"]})
    assert wrong.status_code == 422
