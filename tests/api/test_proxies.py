"""Behind proxies: whose word about the sender's address counts (SEC-04)."""

import json
from pathlib import Path

import httpx2
import pytest

from llm_incident_manager.api.proxies import BehindProxies, origin
from tests.api.app import PLATFORM_KEY, a_document, opened
from tests.process import KEY, ServerProcess

pytestmark = pytest.mark.requirement("SEC-04")
TRUSTED = ("10.0.0.0/8", "127.0.0.1/32", "2001:db8:1::/48")


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # a stranger's word counts nothing
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),  # what stands left of it is forged
        ("10.0.0.1", ["192.0.2.66", "198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:2::7]:4711"], "2001:db8:2::7"),
        ("2001:db8:1::1", ["2001:db8:2::7"], "2001:db8:2::7"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, 10.2.2.2, <script>, 10.3.3.3"], "10.3.3.3"),
        ("10.0.0.1", ["", ","], "10.0.0.1"),
        (None, ["198.51.100.1"], None),
    ],
)
def test_the_rightmost_address_that_is_no_trusted_proxy_counts(
    peer: str | None, forwarded: list[str], found: str | None
) -> None:
    assert origin(peer, forwarded, TRUSTED) == found


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert origin("127.0.0.1", ["198.51.100.1"], ()) == "127.0.0.1"


def test_a_long_chain_costs_no_more_than_its_end() -> None:
    assert origin("10.0.0.1", ["192.0.2.1, " * 100_000 + "10.2.2.2"], TRUSTED) == "192.0.2.1"


async def test_allow_ips_and_the_audit_trail_see_who_really_sent(tmp_path: Path) -> None:
    sources = [{"name": "llm-sentinel", "allow_ips": ["198.51.100.0/24"]}]
    async with opened(tmp_path, {"sources": sources}) as api:
        for trusted, peer, header, status in (
            (("10.0.0.0/8",), "10.0.0.1", "198.51.100.1", 202),
            (("10.0.0.0/8",), "10.0.0.1", "198.51.100.1, 192.0.2.6", 403),
            (("10.0.0.0/8",), "192.0.2.6", "198.51.100.1", 403),
            ((), "10.0.0.1", "198.51.100.1", 403),
        ):
            app = BehindProxies(api.app, lambda trusted=trusted: trusted)  # type: ignore[misc]
            transport = httpx2.ASGITransport(app=app, client=(peer, 4000))
            headers = {"X-API-Key": PLATFORM_KEY, "X-Forwarded-For": header}
            async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
                for path in ("/api/v1/events", "/api/v1/sources/llm-sentinel"):
                    answer = await client.post(path, json=a_document(api.story))
                    assert answer.status_code == status, (peer, header, path, answer.text)
                    if status == 403:
                        assert answer.json()["code"] == "address_refused"
                if status == 202:
                    made = await client.post("/api/v1/teams", json={"id": "eyes", "name": "Eyes"})
                    assert made.status_code == 201
        await api.story.settle()
        entries = (await api.client.get("/api/v1/audit", params={"limit": 50})).json()["audit"]
        (entry,) = [each for each in entries if "eyes" in json.dumps(each) and "198.51.100.1" in json.dumps(each)]
        assert "10.0.0.1" not in json.dumps(entry)
        api.story.pages.clear()


def test_a_server_believes_the_proxies_of_its_config_file_and_nobody_on_its_own_machine(tmp_path: Path) -> None:
    source = "sources: {llm-sentinel: {allow_ips: [198.51.100.7]}}\n"
    event = {
        "event_id": "one", "source": "llm-sentinel", "timestamp": "2026-01-01T00:00:00Z", "event_type": "anomaly",
        "category": "performance", "title": "Slow", "severity": "low", "resource": {"type": "model", "id": "m"},
    }  # fmt: skip
    forged = {"Authorization": f"Bearer {KEY}", "X-Forwarded-For": "198.51.100.7"}
    with ServerProcess(tmp_path / "alone", source) as server:
        assert httpx2.post(f"{server.url}/api/v1/events", json=event, headers=forged).status_code == 403
    believing = source + "incoming: {trusted_proxies: [127.0.0.0/8]}\n"
    with ServerProcess(tmp_path / "behind", believing) as server:
        assert httpx2.post(f"{server.url}/api/v1/events", json=event, headers=forged).status_code == 202
        left = forged | {"X-Forwarded-For": "198.51.100.7, 203.0.113.5"}
        assert httpx2.post(f"{server.url}/api/v1/events", json=event, headers=left).status_code == 403
