"""The senders' own programs against the real server: OpenTelemetry's SDK and LiteLLM's alerting (ING-12)."""

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from llm_incident_manager.sources.registry import source_specs
from tests.contract.sources import litellm_alerting
from tests.process import ServerProcess

pytestmark = pytest.mark.requirement("ING-12")
SECONDS = 30.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path) as server:
        yield server


def incidents(server: ServerProcess) -> list[dict[str, Any]]:
    return list(server.get("/api/v1/incidents?sort=created_at&limit=100").json["incidents"])


def ingest_key(server: ServerProcess) -> str:
    made = server.post("/api/v1/api_keys", {"name": "sender", "scopes": ["ingest"]})
    assert made.status == 201, made.body
    return str(made.json["key"])


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_opentelemetry_s_exporter_delivers_errors_and_nothing_else(
    server: ServerProcess, compression: Compression, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = OTLPLogExporter(
        endpoint=f"{server.url}/v1/logs",
        headers={"authorization": f"Bearer {ingest_key(server)}"},
        compression=compression,
        timeout=SECONDS,
    )
    provider = LoggerProvider(resource=Resource.create({"service.name": "chat"}), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("app.models")
    with caplog.at_level(logging.WARNING, logger="opentelemetry"):
        for number, word in ((SeverityNumber.INFO, "All is well"), (SeverityNumber.ERROR, "The model timed out")):
            attributes = {"gen_ai.request.model": "gpt-4o", "error.type": "timeout"}
            logger.emit(severity_number=number, severity_text=number.name, body=word, attributes=attributes)
        assert provider.force_flush(int(SECONDS * 1000))
        provider.shutdown()
    assert not caplog.records, "the exporter takes the answers for what they are"
    server.until("the error is an incident", lambda: len(incidents(server)) == 1, SECONDS)
    (incident,) = incidents(server)
    assert (incident["title"], incident["severity"], incident["source"]) == ("The model timed out", "P1", "otlp")
    assert incident["tags"]["gen_ai.request.model"] == "gpt-4o"


def python_with_litellm() -> str:
    """Return a Python that has LiteLLM: this one, or that of ``LITELLM_PYTHON``."""
    if importlib.util.find_spec("litellm") is not None:
        return sys.executable
    other = os.environ.get("LITELLM_PYTHON")
    if not other:
        pytest.skip("LiteLLM is not installed: 380 MB with what it needs; LITELLM_PYTHON may name a Python that has it")
    return other


def test_litellm_s_alerting_delivers_by_slack_teams_and_its_webhook(server: ServerProcess) -> None:
    python = python_with_litellm()
    script = Path(litellm_alerting.__file__)
    ran = subprocess.run(
        [python, str(script), server.url, ingest_key(server)], capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stderr
    expected = {
        ("slack", "Responses are slow - 30.0s response time > Alerting threshold: 10s (gpt-4o)", "P3"),
        ("slack", "LLM API call failed: it is down", "P1"),
        ("slack", "Key Budget: Budget Crossed (chat)", "P1"),
        ("litellm", "Key Budget: Budget Crossed (chat)", "P1"),
    }
    server.until("every alert is an incident", lambda: len(incidents(server)) >= len(expected), SECONDS)
    found = incidents(server)
    assert {(each["source"], each["title"], each["severity"]) for each in found} == expected
    assert litellm_alerting.PROMPT not in str(found)
    for each in found:
        assert litellm_alerting.PROMPT not in server.get(f"/api/v1/incidents/{each['id']}/events").body.decode()


VENDORS = ("cloudevents", "otlp", "slack", "litellm", "datadog", "sentry", "langfuse", "langsmith", "incidentio")


def test_the_documented_commands_and_settings_work_as_written(server: ServerProcess) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    key, opened = ingest_key(server), 0
    for name in VENDORS:
        setup = source_specs(entries=())[name].setup.replace("{url}", server.url).replace("{key}", key)
        if "curl " in setup:
            command = f"set -e\n{setup[setup.index('curl ') :]}".replace("curl ", "curl -sS --fail-with-body ")
            ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
            assert ran.returncode == 0, (name, command, ran.stdout, ran.stderr)
            opened += 1
        if "sources:" in setup:
            written = yaml.safe_load(setup[setup.index("sources:") :])["sources"]
            (document,) = ({"name": source, **settings} for source, settings in written.items())
            made = server.post("/api/v1/sources", document)
            assert made.status == 201, (name, made.body)
    server.until("every command opened an incident", lambda: len(incidents(server)) == opened, SECONDS)
    assert opened == 3
