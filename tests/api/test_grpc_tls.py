"""TLS, and client certificates that stand for a source (SEC-04)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest
from cryptography import x509

from llm_incident_manager.api.grpc.listener import Tls
from tests.api.app import PLATFORM_KEY, Api
from tests.api.grpc_app import Client, Grpc, answering, refused
from tests.authority import Authority

SPIFFE = "spiffe://example.com/llm-shield"
Code = grpc.StatusCode


def tls_of(authority: Authority, *, clients: Authority | None = None) -> Tls:
    key, certificate = authority.server_files()
    return Tls(certificate=certificate, key=key, client_ca=clients.file if clients else None)


@asynccontextmanager
async def connected(
    rpc: Grpc, trusts: Authority, pair: tuple[bytes, bytes] | None = None, **metadata: str
) -> AsyncIterator[Client]:
    key, certificate = pair or (None, None)
    credentials = grpc.ssl_channel_credentials(trusts.pem, key, certificate)
    async with grpc.aio.secure_channel(rpc.address, credentials) as channel:
        yield Client(channel, tuple((name.replace("_", "-"), text) for name, text in metadata.items()))


@pytest.mark.requirement("SEC-04")
async def test_over_tls_a_key_lets_in_and_plain_text_does_not(api: Api, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    async with answering(api, tls=tls_of(authority)) as rpc:
        async with connected(rpc, authority, x_api_key=PLATFORM_KEY) as client:
            assert (await client.create(rpc.event())).status == "accepted"
        async with connected(rpc, authority) as client:
            assert (await refused(client.create(rpc.event()))).code is Code.UNAUTHENTICATED
        assert (await refused(rpc.client.create(rpc.event()))).code is Code.UNAVAILABLE
        async with connected(rpc, Authority(tmp_path / "other"), x_api_key=PLATFORM_KEY) as client:
            assert (await refused(client.create(rpc.event()))).code is Code.UNAVAILABLE


SOURCES = [
    {"name": "llm-shield", "client_certificate": [SPIFFE, "shield.example.com", "shield-cn"]},
    {"name": "llm-sentinel", "client_certificate": "sentinel-cn"},
    {"name": "off", "client_certificate": "off-cn", "enabled": False},
]


@pytest.mark.requirement("SEC-04")
@pytest.mark.parametrize(
    ("common_name", "alternative"),
    [
        ("shield-cn", ()),
        ("a workload", (x509.UniformResourceIdentifier(SPIFFE),)),
        ("a host", (x509.DNSName("shield.example.com"), x509.DNSName("other.example.com"))),
    ],
)
async def test_a_client_certificate_stands_for_its_source(
    api: Api, tmp_path: Path, common_name: str, alternative: tuple[x509.GeneralName, ...]
) -> None:
    authority = Authority(tmp_path / "ca")
    await api.story.configure({"sources": SOURCES})
    async with answering(api, tls=tls_of(authority, clients=authority)) as rpc:
        async with connected(rpc, authority, authority.pair(common_name, *alternative)) as client:
            answer = await client.create(rpc.event(source="llm-shield"))
            assert answer.status == "accepted"
            foreign = await refused(client.create(rpc.event(source="llm-sentinel")))
            assert foreign.code is Code.PERMISSION_DENIED
            assert (await refused(client.get(answer.incident_id))).code is Code.PERMISSION_DENIED


@pytest.mark.requirement("SEC-04")
async def test_a_certificate_that_is_nobodys_needs_a_key_and_none_at_all_does_not_connect(
    api: Api, tmp_path: Path
) -> None:
    authority, foreign = Authority(tmp_path / "ca"), Authority(tmp_path / "foreign")
    await api.story.configure({"sources": SOURCES})
    async with answering(api, tls=tls_of(authority, clients=authority)) as rpc:
        for name in ("a stranger", "off-cn"):
            async with connected(rpc, authority, authority.pair(name)) as client:
                answer = await refused(client.create(rpc.event()))
                assert (answer.code, name in answer.message) == (Code.UNAUTHENTICATED, True)
        async with connected(rpc, authority, authority.pair("a stranger"), x_api_key=PLATFORM_KEY) as client:
            assert (await client.create(rpc.event())).status == "accepted"
        async with connected(rpc, authority, x_api_key=PLATFORM_KEY) as client:
            assert (await refused(client.create(rpc.event()))).code is Code.UNAVAILABLE
        async with connected(rpc, authority, foreign.pair("shield-cn"), x_api_key=PLATFORM_KEY) as client:
            assert (await refused(client.create(rpc.event()))).code is Code.UNAVAILABLE


@pytest.mark.requirement("SEC-01", "SEC-04")
async def test_a_tenants_settings_claim_no_certificate_of_another_tenant(api: Api, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    assert (await api.client.post("/api/v1/tenants", json={"id": "acme", "name": "Acme"})).status_code == 201
    await api.story.configure({"sources": [{"name": "theirs", "client_certificate": "shield-cn"}]}, tenant="acme")
    pair = authority.pair("shield-cn")
    async with answering(api, tls=tls_of(authority, clients=authority)) as rpc:
        async with connected(rpc, authority, pair) as client:
            assert (await refused(client.create(rpc.event(source="theirs")))).code is Code.UNAUTHENTICATED
        async with connected(rpc, authority, pair, x_tenant="acme") as client:
            assert (await client.create(rpc.event(source="theirs"))).status == "accepted"
        async with connected(rpc, authority, pair, x_tenant="nobody") as client:
            assert (await refused(client.create(rpc.event(source="theirs")))).code is Code.UNAUTHENTICATED


@pytest.mark.requirement("SEC-04")
async def test_a_certificate_that_two_sources_claim_is_neithers(api: Api, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    both = [{"name": name, "client_certificate": "shared-cn"} for name in ("one", "two")]
    await api.story.configure({"sources": both})
    async with answering(api, tls=tls_of(authority, clients=authority)) as rpc:
        async with connected(rpc, authority, authority.pair("shared-cn")) as client:
            answer = await refused(client.create(rpc.event(source="one")))
            assert (answer.code, answer.reason) == (Code.UNAUTHENTICATED, "KEY_REFUSED")
            assert "one, two" in answer.message
