"""A gRPC server in our own loop: its port, its TLS, what it lets in, and an end that cuts nothing off (ING-02)."""

import ssl
from pathlib import Path

import grpc
import grpc.aio
import msgspec

from llm_incident_manager.errors import Conflict, Invalid

GRACE_SECONDS = 3.0
MOST_CALLS = 1000
"""Calls and streams open at once on one connection; more wait at the client."""


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """Certificate and key; with ``client_ca`` only clients whose certificate it signed may connect."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Listener:
    """Services on one port. ``message_bytes`` bounds a message, packed and unpacked; ``setting`` names its port."""

    def __init__(self, message_bytes: int, *, tls: Tls | None, setting: str) -> None:
        self.server = grpc.aio.server(options=_options(message_bytes))
        self._tls = tls
        self._setting = setting

    def bind(self, host: str, port: int) -> int:
        """Take the port, 0 for a free one, and return it; raises Conflict ``port_in_use`` where it is not to be had."""
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._tls is None:
                return self.server.add_insecure_port(place)
            return self.server.add_secure_port(place, _credentials(self._tls))
        except RuntimeError as error:
            raise Conflict(
                f"cannot listen on {place}; set {self._setting} to another port, or 0 for a free one",
                code="port_in_use",
            ) from error

    async def start(self) -> None:
        """Return when calls are answered."""
        await self.server.start()

    async def stop(self) -> None:
        """Take nothing new, and give what is under way the grace time to end."""
        await self.server.stop(GRACE_SECONDS)


def _options(message_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_concurrent_streams", MOST_CALLS),
        ("grpc.so_reuseport", 0),  # else a second server would share the port and half the calls
        ("grpc.keepalive_time_ms", 60_000),  # a watcher whose network is gone is noticed
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    """Return the credentials; raises Invalid naming the setting at fault, where gRPC would only fail to bind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password="")  # without one OpenSSL would ask the terminal
    except (ssl.SSLError, OSError) as error:
        raise Invalid(
            f"TLS_CERT_FILE, TLS_KEY_FILE: {tls.certificate} and {tls.key} cannot be used; "
            "they must be a PEM certificate and its key, not encrypted"
        ) from error
    try:
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
    except (ssl.SSLError, OSError) as error:
        raise Invalid(f"TLS_CLIENT_CA_FILE: {tls.client_ca} cannot be used; it must hold PEM certificates") from error
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    if tls.client_ca is None:
        return grpc.ssl_server_credentials([pair])
    return grpc.ssl_server_credentials([pair], tls.client_ca.read_bytes(), require_client_auth=True)
