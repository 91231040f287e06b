"""Where mail is handed in: the ``smtp_url`` of the config file."""

from enum import StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec


class Encryption(StrEnum):
    """How the connection to the mail server is encrypted."""

    OFFERED = "offered"
    """STARTTLS if the server offers it (``smtp://``)."""

    REQUIRED = "required"
    """STARTTLS, or no mail (``smtp+starttls://``)."""

    IMPLICIT = "implicit"
    """TLS from the first byte (``smtps://``)."""

    NONE = "none"
    """Never (``smtp://…?starttls=off``)."""


_SCHEMES = {
    "smtp": (Encryption.OFFERED, 25),
    "smtp+starttls": (Encryption.REQUIRED, 587),
    "smtps": (Encryption.IMPLICIT, 465),
}
_FORM = "write it like smtp://user:password@mail.example.com:587"


class SmtpServer(msgspec.Struct, frozen=True, kw_only=True):
    """A mail server and how to sign in there; ``repr`` shows no credentials."""

    host: str
    port: int
    encryption: Encryption
    user: str | None = None
    password: str = ""

    def __repr__(self) -> str:
        return f"SmtpServer({self.host!r}, {self.port}, {self.encryption.value!r})"


def smtp_server(url: str) -> SmtpServer:
    """Return what ``smtp_url`` says; without a port, 25, 587 (``smtp+starttls``) or 465 (``smtps``).

    Raises:
        ValueError: it is no such URL. The message does not repeat it, since it may hold a password.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise ValueError(
            f"smtp_url is not a URL; {_FORM}, special characters of the password percent-encoded"
        ) from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"smtp_url must start with smtp://, smtps:// or smtp+starttls://; {_FORM}")
    if not parts.hostname or parts.path not in ("", "/") or parts.fragment:
        raise ValueError(f"smtp_url must be a server and nothing after it; {_FORM}")
    encryption, usual_port = _SCHEMES[parts.scheme]
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if (name, value) != ("starttls", "off") or encryption is not Encryption.OFFERED:
            raise ValueError("the only option of smtp_url is ?starttls=off, and only with smtp://")
        encryption = Encryption.NONE
    return SmtpServer(
        host=parts.hostname,
        port=port or usual_port,
        encryption=encryption,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
    )
