"""``/health /ready /metrics``: alive, able to accept, and specification §8.5's names."""

import re

import httpx2
import msgspec
import pytest

from llm_incident_manager.api.rest.app import rest_app
from llm_incident_manager.api.rest.metrics import FAMILIES
from llm_incident_manager.api.rest.port import Readiness
from tests.api.app import Api

NAMES = """
api_requests_total counter
api_request_duration_seconds histogram
api_errors_total counter
worker_queue_depth gauge
worker_processing_duration_seconds histogram
incidents_created_total counter
incidents_by_severity gauge
incidents_by_status gauge
incident_mttr_seconds histogram
incident_mtta_seconds histogram
incident_mttd_seconds histogram
integration_requests_total counter
integration_errors_total counter
integration_latency_seconds histogram
circuit_breaker_state gauge
cpu_usage_percent gauge
memory_usage_bytes gauge
disk_usage_bytes gauge
network_io_bytes counter
sla_acknowledgment_breached_total counter
sla_resolution_breached_total counter
uptime_seconds counter
"""
SAMPLE = re.compile(r'[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? -?[0-9.e+-]+')


@pytest.mark.requirement("ANA-02")
async def test_metrics_have_the_specifications_names_and_kinds(api: Api) -> None:
    await api.event()
    await api.client.get("/api/v1/incidents/unknown")
    answer = await api.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.text
    for line in NAMES.split("\n"):
        if line:
            assert f"# TYPE {line}\n" in text
    for line in text.splitlines():
        assert line.startswith("#") or SAMPLE.fullmatch(line), line
    assert 'api_requests_total{method="GET",path="/api/v1/incidents/{id}",status="404"} 1' in text
    assert 'api_requests_total{method="POST",path="/api/v1/events",status="202"} 1' in text
    assert 'incidents_by_severity{severity="P1"}' in text
    assert "memory_usage_bytes " in text
    assert set(FAMILIES) >= {line.split()[0] for line in NAMES.splitlines() if line}


@pytest.mark.requirement("ANA-02")
async def test_a_path_made_up_by_a_client_is_no_label(api: Api) -> None:
    for number in range(5):
        await api.client.get(f"/made-up-{number}")
        await api.client.request("BREW", f"/made-up-{number}")
    text = (await api.client.get("/metrics")).text
    assert "made-up" not in text
    assert "BREW" not in text
    assert 'path="unmatched",status="404"} 5' in text


@pytest.mark.requirement("SEC-02")
async def test_metrics_need_a_key_from_afar_and_none_from_here(api: Api) -> None:
    near = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=api.app, client=("127.0.0.1", 1)), base_url="http://test"
    )
    assert (await near.get("/metrics")).status_code == 200
    assert (await near.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})).status_code == 401
    assert (await api.of(None).get("/metrics")).status_code == 401
    assert (await api.of(await api.key("ingest")).get("/metrics")).status_code == 403
    assert (await api.of(await api.key("read")).get("/metrics")).status_code == 200


@pytest.mark.requirement("REL-05")
async def test_ready_says_what_is_away(api: Api) -> None:
    assert (await api.of(None).get("/health")).json()["status"] == "ok"
    for found, status, told in (
        (Readiness(ready=True, degraded=("bus",)), 200, {"status": "ready", "degraded": ["bus"]}),
        (Readiness(ready=False, reason="the disk is full"), 503, {"status": "not_ready", "degraded": [],
                                                                  "reason": "the disk is full"}),
    ):  # fmt: skip
        port = msgspec.structs.replace(api.port, readiness=lambda found=found: found)
        api.app = rest_app(port)
        answer = await api.of(None).get("/ready")
        assert (answer.status_code, answer.json()) == (status, told)
