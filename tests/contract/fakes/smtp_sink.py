"""A mail server that takes mail in, keeps it in a list, and refuses what a strict one refuses."""

import asyncio
import email
import email.policy
import ssl
from collections import defaultdict, deque
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Literal, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Stage = Literal["MAIL", "RCPT", "DATA", "AUTH"]


@dataclass(frozen=True)
class Mail:
    """One accepted mail, with its envelope and how it came."""

    sender: str
    recipients: list[str]
    raw: bytes
    encrypted: bool
    user: str | None

    @property
    def parsed(self) -> EmailMessage:
        message = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def text(self) -> str:
        """The plain text part."""
        part = self.parsed.get_body(("plain",))
        return "" if part is None else str(part.get_content())


class SmtpSink:
    """``async with SmtpSink() as sink``: ``sink.url``, ``sink.messages``, ``sink.answer("RCPT", "550 no such user")``.

    ``encryption``: ``none``, ``starttls`` or ``implicit``, with ``tls``; with ``login`` mail is taken only after AUTH.
    """

    def __init__(
        self,
        *,
        encryption: Literal["none", "starttls", "implicit"] = "none",
        tls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.messages: list[Mail] = []
        self._encryption = encryption
        self._tls = tls
        self._login = login
        self._replies: defaultdict[str, deque[str]] = defaultdict(deque)
        self._hanging: set[str] = set()
        self._hung = asyncio.Event()
        self._sessions: set[Any] = set()
        self._arrived = asyncio.Condition()

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The ``smtp_url`` that works here, credentials included."""
        scheme = {"none": "smtp", "starttls": "smtp+starttls", "implicit": "smtps"}[self._encryption]
        credentials = "" if self._login is None else f"{self._login[0]}:{self._login[1]}@"
        return f"{scheme}://{credentials}127.0.0.1:{self.port}"

    def answer(self, stage: Stage, reply: str, times: int = 1) -> None:
        """Answer so at that stage, the next ``times`` times."""
        self._replies[stage].extend([reply] * times)

    def hang(self, stage: Stage) -> None:
        """Say nothing more in the next session that comes to that stage."""
        self._hanging.add(stage)

    async def wait_until_hung(self, seconds: float = 5.0) -> None:
        """Return once a session hangs."""
        async with asyncio.timeout(seconds):
            await self._hung.wait()

    async def wait_for(self, count: int, seconds: float = 5.0) -> list[Mail]:
        """Return the mails once there are ``count`` of them; raises TimeoutError if they do not come."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: len(self.messages) >= count)
        return self.messages

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._session, "127.0.0.1", 0, ssl=self._tls if self._encryption == "implicit" else None
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        tasks = []
        for session in self._sessions:
            if session.transport is not None:
                session.transport.abort()
            if session._handler_coroutine is not None:
                session._handler_coroutine.cancel()
                tasks.append(session._handler_coroutine)
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _session(self) -> SMTP:
        session = SMTP(
            self,
            hostname="sink.example",
            loop=asyncio.get_running_loop(),
            enable_SMTPUTF8=True,
            tls_context=self._tls if self._encryption == "starttls" else None,
            require_starttls=self._encryption == "starttls",
            auth_require_tls=False,
            auth_exclude_mechanism=["LOGIN", "PLAIN"] if self._login is None else None,
            authenticator=self._authenticate if self._login is not None else None,
        )
        self._sessions.add(session)
        return session

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        if self._replies["AUTH"]:
            return AuthResult(success=False, handled=False, message=self._replies["AUTH"].popleft())
        assert self._login is not None
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        if given != self._login:
            message = f"535 5.7.8 no {given[1] if given else ''} for you"  # a server that repeats the password
            return AuthResult(success=False, handled=False, message=message)
        return AuthResult(success=True, auth_data=given[0] if given else None)

    async def _stage(self, stage: Stage) -> str | None:
        if stage in self._hanging:
            self._hanging.discard(stage)
            self._hung.set()
            await asyncio.Event().wait()
        return self._replies[stage].popleft() if self._replies[stage] else None

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._login is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if (reply := await self._stage("MAIL")) is not None:
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (reply := await self._stage("RCPT")) is not None:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if (reply := await self._stage("DATA")) is not None:
            return reply
        raw = envelope.original_content or b""
        if (fault := _fault(raw, eight_bit=envelope.smtp_utf8)) is not None:
            return f"550 5.6.0 {fault}"
        user = str(session.auth_data) if session.authenticated else None
        encrypted = session.ssl is not None or self._encryption == "implicit"
        mail = Mail(envelope.mail_from or "", list(envelope.rcpt_tos), raw, encrypted, user)
        async with self._arrived:
            self.messages.append(mail)
            self._arrived.notify_all()
        return f"250 2.0.0 OK: queued as {len(self.messages):06d}"


def _fault(raw: bytes, *, eight_bit: bool) -> str | None:
    """Return what RFC 5322 and RFC 5321 §4.5.3 have against these bytes, or ``None``."""
    if b"\x00" in raw or (not eight_bit and not raw.isascii()):
        return "only 7-bit text is taken here"
    if raw.replace(b"\r\n", b"").count(b"\n") or raw.replace(b"\r\n", b"").count(b"\r"):
        return "lines end with CR LF"
    if any(len(line) > 998 for line in raw.split(b"\r\n")):
        return "a line is longer than 998"
    message = email.message_from_bytes(raw, policy=email.policy.default)
    if message.defects:
        return f"defects: {message.defects}"
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        if len(message.get_all(name, [])) != 1:
            return f"exactly one {name} is needed"
    return None
