"""What may be reached from here, and that nothing else is: SSRF, redirects, rebinding."""

from collections.abc import Sequence

import pytest

from llm_incident_manager.channels.outgoing import HostUnknown, OutgoingGuard, OutgoingRefused
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Rejected, RetryLater
from tests.contract.fakes.certificate import self_signed
from tests.contract.fakes.receiver import WebhookReceiver
from tests.contract.fakes.rigs import a_message, opened

pytestmark = pytest.mark.requirement("SEC-05")

REFUSED = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1"),
    *("127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1"),
    *("192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8"),
    *("64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1"),
    *("5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "4000::1", "8000::1"),
]
REACHABLE = ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "11.0.0.1", "192.167.0.1"]


@pytest.mark.parametrize("address", REFUSED)
def test_special_addresses_are_refused_with_the_remedy(address: str) -> None:
    assert "allow it under outgoing.allow" in (OutgoingGuard().refusal(address) or "")


@pytest.mark.parametrize("address", [*REACHABLE, "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_reached(address: str) -> None:
    assert OutgoingGuard().refusal(address) is None


def test_the_allow_list_opens_only_what_it_names() -> None:
    guard = OutgoingGuard(["10.1.0.0/16", "fd12::/16"])
    assert guard.refusal("10.1.2.3") is None
    assert guard.refusal("fd12::1") is None
    assert guard.refusal("10.2.0.1")
    assert guard.refusal("::ffff:10.1.2.3")


def test_a_wrong_allow_list_is_told() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        OutgoingGuard(["nonsense"])


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "//example.com/x", "/x", "http://", "https:///x", "http://[::1", "http://x:0/"),
        *("http://x:70000/", "file:///etc/passwd", "gopher://x/", "ftp://x/", "javascript:alert(1)", "unix:///x"),
        *("http://a\r\nHost: b/", "http://a/\r\nX: y", "http://a\x00b/", "http://a b/", "http://[fe80::1%25eth0]/"),
        *("http://127.0.0.1/", "http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://017700000001/"),
        *("http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://u:p@169.254.169.254/", "http://a/\ud800"),
        "https://example.com/" + "x" * 3000,
    ],
)
async def test_urls_that_can_never_work_are_told_and_rejected(url: str) -> None:
    guard = OutgoingGuard()
    assert guard.fault(url)
    channel = opened("webhook", {}, guard)
    assert isinstance(await channel.send(a_message(), Contact(channel="webhook", address=url)), Rejected)
    await channel.aclose()


def test_a_fault_repeats_neither_path_nor_password() -> None:
    for url in ("http://u:hunter2@127.0.0.1/hunter2", "ftp://u:hunter2@x/hunter2", "http://u:hunter2@x:0/hunter2"):
        assert "hunter2" not in (OutgoingGuard().fault(url) or "")


def test_a_secret_url_must_be_encrypted_unless_its_host_is_allowed() -> None:
    guard = OutgoingGuard(["127.0.0.0/8"])
    assert guard.fault("http://hooks.example.com/x", secure=True) == "the URL is a secret and must start with https://"
    assert guard.fault("https://hooks.example.com/x", secure=True) is None
    assert guard.fault("http://127.0.0.1:8801/x", secure=True) is None
    assert guard.fault("http://localhost:8801/x", secure=True) is None


def resolving(*answers: Sequence[str]) -> tuple[OutgoingGuard, list[str]]:
    """A guard whose resolver gives these answers in turn, and the names it was asked for."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return OutgoingGuard(["127.0.0.0/29"], resolve=resolve), asked


async def test_of_several_addresses_only_permitted_ones_are_used() -> None:
    guard, _ = resolving(["10.0.0.1", "8.8.8.8", "::1", "127.0.0.1"])
    assert await guard.addresses("mixed.example", 80) == ["8.8.8.8", "127.0.0.1"]


async def test_a_name_for_a_private_address_is_rejected_with_the_reason() -> None:
    guard, _ = resolving(["192.168.1.1"])
    channel = opened("webhook", {}, guard)
    outcome = await channel.send(a_message(), Contact(channel="webhook", address="http://inside.example/x"))
    assert outcome == Rejected(reason="192.168.1.1 is in a private network; allow it under outgoing.allow")
    await channel.aclose()


async def test_a_name_without_address_may_have_one_later() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    guard = OutgoingGuard(resolve=resolve)
    with pytest.raises(HostUnknown):
        await guard.addresses("gone.example", 80)
    channel = opened("webhook", {}, guard)
    outcome = await channel.send(a_message(), Contact(channel="webhook", address="http://gone.example/x"))
    assert outcome == RetryLater(reason="gone.example cannot be resolved")
    await channel.aclose()


async def test_without_permission_a_loopback_receiver_gets_no_connection() -> None:
    async with WebhookReceiver() as receiver:
        channel = opened("webhook", {}, OutgoingGuard())
        outcome = await channel.send(a_message(), Contact(channel="webhook", address=receiver.url))
        assert isinstance(outcome, Rejected)
        assert "127.0.0.1 is in a loopback network" in outcome.reason
        assert receiver.connections == 0
        await channel.aclose()


async def test_the_checked_address_is_the_one_connected_to() -> None:
    """A resolver that gives a good answer first and a bad one next gets no second chance (DNS rebinding)."""
    guard, asked = resolving(["127.0.0.2"], ["169.254.169.254"])
    async with WebhookReceiver(host="127.0.0.2") as receiver:
        channel = opened("webhook", {}, guard)
        contact = Contact(channel="webhook", address=f"http://rebind.example:{receiver.port}/x")
        assert isinstance(await channel.send(a_message(), contact), Delivered)
        assert asked == ["rebind.example"]
        assert receiver.requests[0].headers["host"] == f"rebind.example:{receiver.port}"
        await channel.aclose()

        again = opened("webhook", {}, guard)
        assert isinstance(await again.send(a_message(), contact), Rejected)
        assert receiver.connections == 1
        await again.aclose()


async def test_an_address_where_nobody_listens_is_passed_over() -> None:
    guard, _ = resolving(["127.0.0.3", "127.0.0.2"])
    async with WebhookReceiver(host="127.0.0.2") as receiver:
        channel = opened("webhook", {}, guard)
        contact = Contact(channel="webhook", address=f"http://two.example:{receiver.port}/x")
        assert isinstance(await channel.send(a_message(), contact), Delivered)
        await channel.aclose()


async def test_tls_is_checked_for_the_name_though_the_address_is_pinned(tmp_path) -> None:  # type: ignore[no-untyped-def]
    certificate = self_signed(tmp_path, "hooks.example")
    guard, _ = resolving(["127.0.0.1"])
    async with WebhookReceiver(tls=certificate.server_context) as receiver:
        channel = opened("webhook", {"ca_file": certificate.ca_file}, guard)
        good = Contact(channel="webhook", address=f"https://hooks.example:{receiver.port}/x")
        other = Contact(channel="webhook", address=f"https://other.example:{receiver.port}/x")
        assert isinstance(await channel.send(a_message(), good), Delivered)
        assert receiver.requests[0].server_name == "hooks.example"
        untrusted = RetryLater(reason="the certificate of other.example is not trusted")
        assert await channel.send(a_message(), other) == untrusted
        await channel.aclose()

        strange = opened("webhook", {}, guard)
        assert await strange.send(a_message(), good) == RetryLater(
            reason="the certificate of hooks.example is not trusted"
        )
        await strange.aclose()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["webhook", "slack"])
async def test_redirects_are_not_followed(name: str, status: int) -> None:
    async with WebhookReceiver() as target, WebhookReceiver() as receiver:
        receiver.redirect(target.url, status)
        channel = opened(name, {})
        outcome = await channel.send(a_message(), Contact(channel=name, address=receiver.url))
        assert isinstance(outcome, Rejected)
        assert "redirects are not followed" in outcome.reason
        assert target.connections == 0
        await channel.aclose()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with WebhookReceiver() as proxy, WebhookReceiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        channel = opened("webhook", {})
        assert isinstance(await channel.send(a_message(), Contact(channel="webhook", address=receiver.url)), Delivered)
        assert (proxy.connections, receiver.connections) == (0, 1)
        await channel.aclose()


def test_parsing_refuses_what_is_no_url() -> None:
    with pytest.raises(OutgoingRefused, match="like https://example"):
        OutgoingGuard().parse("http://[")
