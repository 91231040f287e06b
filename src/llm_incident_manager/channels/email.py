"""E-mail, handed to a mail server by SMTP (RFC 5321) as plain text and HTML."""

import asyncio
import contextlib
import re
import socket
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from ipaddress import ip_address

import aiosmtplib
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.plain_text import one_line, printable
from llm_incident_manager.channels.smtp_server import Encryption, SmtpServer, smtp_server
from llm_incident_manager.channels.spec import ChannelSpec
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import (
    Contact,
    Delivered,
    Message,
    Outcome,
    Rejected,
    RetryLater,
)
from llm_incident_manager.domain.vocabulary import Severity

MAX_SUBJECT = 200
MAX_TEXT = 50_000
MAX_HTML = 200_000
_QUIT_SECONDS = 1.0
# One address, no list, no comment, no quoted local part; letters of every script (RFC 6531).
_ADDRESS = re.compile(
    r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]{1,64}@(?=.{1,253}$)([^\W_]([\w-]*[^\W_])?)(\.[^\W_]([\w-]*[^\W_])?)*"
)
_REFERENCE = re.compile(r"(https://|mailto:)[!-;=?-~]{3,1000}")
_SENDER = re.compile(r"(?P<name>[^<>\x00-\x1f]*)<(?P<address>[^<>\s]+)>|(?P<bare>[^<>\s]+)")


class EmailConfig(BaseModel):
    """Settings of the e-mail channel."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    smtp_url: SecretStr = Field(description="smtp://, smtps:// or smtp+starttls://user:password@host:port")
    sender: str = Field(
        alias="from", description="The sender: incidents@example.com, or Incidents <incidents@example.com>."
    )
    timeout_seconds: float = Field(10.0, gt=0, le=60, description="The longest one try may take.")
    verify: bool = Field(True, description="Whether the mail server's certificate must be trusted.")
    ca_file: str | None = Field(None, description="Certificates (PEM) to trust beside the system's own.")
    unsubscribe: str | None = Field(
        None,
        description="Where people ask for no more mail: https:// or mailto:; without it, a mail to the sender.",
    )
    max_connections: int = Field(10, ge=1, le=100, description="How many mails are handed in at the same time.")

    @field_validator("smtp_url")
    @classmethod
    def _is_server(cls, value: SecretStr) -> SecretStr:
        smtp_server(value.get_secret_value())
        return value

    @field_validator("unsubscribe")
    @classmethod
    def _is_reference(cls, value: str | None) -> str | None:
        if value is not None and _REFERENCE.fullmatch(value) is None:
            raise ValueError("this is not an address that begins with https:// or mailto:")
        return value

    @field_validator("sender")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            _sender(value)
        except ValueError:
            raise ValueError("this is not an e-mail address; write it like incidents@example.com") from None
        return value


def address_fault(address: str) -> str | None:
    """Return why this is not one e-mail address, or ``None``."""
    if len(address) > 254 or _ADDRESS.fullmatch(address) is None or ".." in address or ".@" in address:
        return "this is not one e-mail address; write it like ana@example.com"
    try:
        address.rpartition("@")[2].encode("idna")
    except UnicodeError:
        return "the part after @ is not a host name"
    return None


class EmailChannel:
    """Hands each message to the mail server over a connection of its own.

    Delivered means that the server took it. A 5xx is final; all else (4xx, time-out, no connection) may work later.
    """

    def __init__(self, config: EmailConfig, *, guard: OutgoingGuard, clock: Clock) -> None:
        # The guard is for addresses that users type; the mail server is the operator's own.
        del guard
        self._server = smtp_server(config.smtp_url.get_secret_value())
        self._timeout_seconds = config.timeout_seconds
        self._clock = clock
        self._slots = asyncio.Semaphore(config.max_connections)
        self._from = _sender(config.sender)
        self._sender = self._from.addr_spec
        self._domain = self._sender.rpartition("@")[2]
        self._unsubscribe = config.unsubscribe or f"mailto:{self._sender}?subject=unsubscribe"
        self._trust = _trust(config)

    async def send(self, message: Message, contact: Contact) -> Outcome:
        fault = self.validate(contact)
        if fault is not None:
            return Rejected(reason=fault)
        recipient = _ascii_domain(contact.address)
        try:
            mail = self._compose(message, recipient)
        except ValueError as error:
            return Rejected(reason=f"the message cannot be written as a mail: {one_line(str(error), 100)}")
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            local_hostname=_own_name(),
            timeout=self._timeout_seconds,
            use_tls=self._server.encryption is Encryption.IMPLICIT,
            start_tls=_start_tls(self._server),
            tls_context=self._trust,
        )
        try:
            async with asyncio.timeout(self._timeout_seconds):
                async with self._slots:
                    outcome = await self._hand_in(client, mail, recipient)
            if isinstance(outcome, Delivered):
                # Taken is taken: a server that hangs in QUIT changes nothing.
                with contextlib.suppress(TimeoutError, OSError, aiosmtplib.SMTPException):
                    async with asyncio.timeout(_QUIT_SECONDS):
                        await client.quit()
            return outcome
        except TimeoutError:
            return RetryLater(reason=f"the mail server did not answer within {self._timeout_seconds:g} s")
        except (OSError, aiosmtplib.SMTPException, ValueError) as error:
            return self._failure(error, recipient)
        finally:
            client.close()

    def validate(self, contact: Contact) -> str | None:
        return address_fault(contact.address)

    def destination(self, contact: Contact) -> str:
        return f"{self._server.host}:{self._server.port}"

    async def aclose(self) -> None:
        """Nothing is kept open between mails."""

    async def _hand_in(self, client: aiosmtplib.SMTP, mail: EmailMessage, recipient: str) -> Outcome:
        await client.connect()
        if self._server.user is not None:
            if not self._may_sign_in(client):
                return Rejected(
                    reason="the mail server offers no encryption, so the password was not sent; "
                    "use smtps://, or ?starttls=off to send it all the same"
                )
            await client.login(self._server.user, self._server.password)
        _, said = await client.send_message(mail, sender=self._sender, recipients=[recipient])
        return Delivered(receipt=self._scrubbed(said, recipient))

    def _may_sign_in(self, client: aiosmtplib.SMTP) -> bool:
        encrypted = client.get_transport_info("sslcontext") is not None
        return encrypted or self._server.encryption is Encryption.NONE or _is_loopback(self._server.host)

    def _compose(self, message: Message, recipient: str) -> EmailMessage:
        mail = EmailMessage(policy=SMTP_POLICY.clone(cte_type="7bit"))
        mail["From"] = self._from
        mail["To"] = recipient
        mail["Subject"] = one_line(message.subject, MAX_SUBJECT) or message.incident_id
        mail["Date"] = format_datetime(self._clock.now())
        # The same on every repeat, so that mail programs show it once.
        mail["Message-ID"] = f"<{_id_text(message.notification_id)}@{self._domain}>"
        # All mails of an incident answer one that was never sent, so that mail programs show them as one thread also
        # where the first went to somebody else.
        thread = f"<{_id_text(message.incident_key or message.incident_id)}@{self._domain}>"
        mail["In-Reply-To"] = thread
        mail["References"] = thread
        # RFC 2369. Not by one click (RFC 8058): a program that follows links must not take somebody off the pager.
        mail["List-Unsubscribe"] = f"<{self._unsubscribe}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Incident-ID"] = _id_text(message.incident_id)
        mail["X-Notification-ID"] = _id_text(message.notification_id)
        mail["Importance"] = "high" if message.severity.worse_than(Severity.P2) else "normal"
        text = printable(message.text, MAX_TEXT)
        if message.dashboard_url and message.dashboard_url not in text:
            text = f"{text}\n\n{one_line(message.dashboard_url, 2000)}\n"
        mail.set_content(text)
        if message.html is not None and len(message.html) <= MAX_HTML:
            mail.add_alternative(printable(message.html, MAX_HTML), subtype="html")
        return mail

    def _failure(self, error: Exception, recipient: str) -> Outcome:
        match error:
            case aiosmtplib.SMTPAuthenticationError(code=code):
                return _by_code(code, f"the mail server refused the user name or password ({code})")
            case aiosmtplib.SMTPRecipientsRefused(recipients=[first, *_]):
                return self._answered("the mail server refused the recipient", first, recipient)
            case aiosmtplib.SMTPSenderRefused():
                return self._answered("the mail server refused the sender", error, recipient)
            case aiosmtplib.SMTPResponseException():
                return self._answered("the mail server refused the message", error, recipient)
            case OSError():
                # Connection refused, reset, hung up: aiosmtplib's own errors of this kind are OSErrors too.
                if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
                    return RetryLater(reason=f"the certificate of {self._server.host} is not trusted")
                return RetryLater(reason="the mail server cannot be connected to, or hung up")
            case _:
                return Rejected(reason=f"the mail server cannot take it: {self._scrubbed(str(error), recipient)}")

    def _answered(self, what: str, answer: aiosmtplib.SMTPResponseException, recipient: str) -> Outcome:
        return _by_code(answer.code, f"{what}: {answer.code} {self._scrubbed(answer.message, recipient)}".strip())

    def _scrubbed(self, said: str, recipient: str) -> str:
        text = one_line(said, 200)
        for private in (self._server.password, recipient):
            if private:
                text = text.replace(private, "…")
        return text


def _by_code(code: int, reason: str) -> Outcome:
    return Rejected(reason=reason) if 500 <= code < 600 else RetryLater(reason=reason)


def _start_tls(server: SmtpServer) -> bool | None:
    return {Encryption.OFFERED: None, Encryption.REQUIRED: True}.get(server.encryption, False)


def _trust(config: EmailConfig) -> ssl.SSLContext:
    trust = ssl.create_default_context()
    if config.ca_file is not None:
        trust.load_verify_locations(config.ca_file)
    if not config.verify:
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    return trust


def _own_name() -> str:
    """Return this machine's name for EHLO, without asking the DNS."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", name) else "localhost"


def _sender(value: str) -> Address:
    found = _SENDER.fullmatch(value.strip())
    if found is None or address_fault(found["bare"] or found["address"]) is not None:
        raise ValueError("no sender")
    address = _ascii_domain(found["bare"] or found["address"])
    return Address(display_name=(found["name"] or "").strip(' "'), addr_spec=address)


def _ascii_domain(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.encode('idna').decode('ascii')}"


def _id_text(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", value)[:200]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


SPEC = ChannelSpec(
    name="email",
    title="E-mail",
    kind="email",
    config_type=EmailConfig,
    factory=EmailChannel,
    address_label="E-mail address",
    contact_example="ana@example.com",
    description="A mail with text and HTML, handed to your mail server.",
)
