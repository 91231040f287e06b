"""The e-mail channel: TLS, sign-in, codes told apart, and mails that a strict server takes."""

from typing import Any

import pytest

from llm_incident_manager.channels.email import EmailConfig, address_fault
from llm_incident_manager.channels.smtp_server import Encryption, smtp_server
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Outcome, Rejected, RetryLater
from llm_incident_manager.domain.vocabulary import NotificationType, Severity
from tests.contract.fakes.certificate import Certificate, self_signed
from tests.contract.fakes.rigs import a_message, opened
from tests.contract.fakes.smtp_sink import SmtpSink, Stage

ANA = Contact(channel="email", address="ana@example.com")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


async def sent(url: str, message: Any = None, contact: Contact = ANA, **settings: Any) -> Outcome:
    channel = opened("email", {"smtp_url": url, "from": "Incidents <incidents@example.com>", **settings})
    return await channel.send(message or a_message(), contact)


@pytest.mark.requirement("NTF-01")
async def test_a_mail_has_text_html_and_the_headers_of_an_automatic_one() -> None:
    async with SmtpSink() as sink:
        outcome = await sent(sink.url, a_message(subject="Grüße 🔥"))
        assert outcome == Delivered(receipt="2.0.0 OK: queued as 000001")
        (mail,) = sink.messages
        assert (mail.sender, mail.recipients) == ("incidents@example.com", ["ana@example.com"])
        message = mail.parsed
        assert message["From"] == "Incidents <incidents@example.com>"
        assert message["Subject"] == "Grüße 🔥"
        assert message["Message-ID"] == "<ntf-018f0000000000000000000001@example.com>"
        assert message["Date"] == "Mon, 04 Jan 2027 03:02:00 +0000"
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Importance"] == "high"
        assert message.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        assert "http://127.0.0.1:3000/incidents/INC-20270104-00001" in mail.text
        html = message.get_body(("html",))
        assert html is not None
        assert "answers slowly" in html.get_content()


async def test_the_mails_of_an_incident_are_one_thread() -> None:
    async with SmtpSink() as sink:
        await sent(sink.url)
        await sent(sink.url, a_message(notification_id="ntf-2", type=NotificationType.RESOLVED))
        await sent(sink.url, a_message(notification_id="ntf-3", incident_key="default:INC-20270104-00002:7"))
        first, end, other = (mail.parsed for mail in sink.messages)
        thread = "<default_INC-20270104-00001_65f2a@example.com>"
        for mail in (first, end):
            assert mail["References"] == mail["In-Reply-To"] == thread
        assert other["References"] == other["In-Reply-To"] != thread
        assert len({first["Message-ID"], end["Message-ID"], other["Message-ID"]}) == 3


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "<mailto:incidents@example.com?subject=unsubscribe>"),
        ({"unsubscribe": "https://example.com/on-call"}, "<https://example.com/on-call>"),
        ({"unsubscribe": "mailto:admin@example.com"}, "<mailto:admin@example.com>"),
    ],
)
async def test_a_mail_says_where_to_ask_for_no_more(settings: dict[str, str], expected: str) -> None:
    async with SmtpSink() as sink:
        await sent(sink.url, **settings)
        mail = sink.messages[0].parsed
        assert mail["List-Unsubscribe"] == expected
        assert mail["List-Unsubscribe-Post"] is None, "whoever follows links must not take somebody off the pager"


@pytest.mark.parametrize(
    "unsubscribe", ["", "example.com", "http://x.example", "mailto:a@b>\r\nBcc: c@d", "https://a b"]
)
def test_a_wrong_address_to_unsubscribe_at_is_told(unsubscribe: str) -> None:
    with pytest.raises(ValueError, match="https:// or mailto:"):
        EmailConfig.model_validate({"smtp_url": "smtp://x", "from": "a@example.com", "unsubscribe": unsubscribe})


async def test_a_calm_message_without_html_is_one_plain_part() -> None:
    async with SmtpSink() as sink:
        await sent(sink.url, a_message(html=None, severity=Severity.P3))
        message = sink.messages[0].parsed
        assert message.get_content_type() == "text/plain"
        assert message["Importance"] == "normal"


@pytest.mark.requirement("SEC-05")
async def test_no_text_becomes_a_header_or_a_command() -> None:
    async with SmtpSink() as sink:
        hostile = "P0\r\nBcc: all@example.com\r\nX-Evil: 1\r\n\r\nbody"
        message = a_message(subject=hostile, text="a\r\n.\r\nMAIL FROM:<x@y>\r\n", incident_id=hostile)
        assert isinstance(await sent(sink.url, message), Delivered)
        (mail,) = sink.messages
        assert mail.parsed["Bcc"] is mail.parsed["X-Evil"] is None
        assert mail.recipients == ["ana@example.com"]
        assert "\n.\nMAIL FROM" in mail.text.replace("\r\n", "\n")


@pytest.mark.parametrize("encryption", ["starttls", "implicit"])
async def test_mail_goes_encrypted_and_signed_in(certificate: Certificate, encryption: Any) -> None:
    login = ("mailer", "p@ss/w:rd#1")
    async with SmtpSink(encryption=encryption, tls=certificate.server_context, login=login) as sink:
        url = sink.url.replace(login[1], "p%40ss%2Fw%3Ard%231")
        assert isinstance(await sent(url, ca_file=certificate.ca_file), Delivered)
        assert sink.messages[0].encrypted
        assert sink.messages[0].user == "mailer"


async def test_starttls_is_used_where_it_is_offered(certificate: Certificate) -> None:
    async with SmtpSink(encryption="starttls", tls=certificate.server_context) as sink:
        url = sink.url.replace("smtp+starttls", "smtp")
        assert isinstance(await sent(url, ca_file=certificate.ca_file), Delivered)
        assert sink.messages[0].encrypted


@pytest.mark.parametrize("encryption", ["starttls", "implicit"])
async def test_an_untrusted_certificate_stops_the_mail_unless_told_otherwise(
    certificate: Certificate, encryption: Any
) -> None:
    async with SmtpSink(encryption=encryption, tls=certificate.server_context) as sink:
        assert await sent(sink.url) == RetryLater(reason="the certificate of 127.0.0.1 is not trusted")
        assert not sink.messages
        assert isinstance(await sent(sink.url, verify=False), Delivered)


async def test_required_encryption_that_is_not_offered_is_rejected() -> None:
    async with SmtpSink() as sink:
        outcome = await sent(sink.url.replace("smtp:", "smtp+starttls:"))
        assert isinstance(outcome, Rejected)
        assert "STARTTLS" in outcome.reason


@pytest.mark.requirement("SEC-05")
async def test_a_password_does_not_leave_this_machine_unencrypted_unless_told_so() -> None:
    async with SmtpSink(login=("mailer", "pa55word")) as sink:
        # 0.0.0.0 reaches this machine, and is no loopback address to who looks at it.
        url = sink.url.replace("127.0.0.1", "0.0.0.0")
        outcome = await sent(url)
        assert isinstance(outcome, Rejected)
        assert "?starttls=off" in outcome.reason
        assert isinstance(await sent(f"{url}?starttls=off"), Delivered)


async def test_a_wrong_password_is_rejected_and_not_repeated() -> None:
    async with SmtpSink(login=("mailer", "right")) as sink:
        outcome = await sent(sink.url.replace("right", "wr0ng-pa55"))
        assert outcome == Rejected(reason="the mail server refused the user name or password (535)")


async def test_a_sign_in_that_fails_for_now_is_retried() -> None:
    async with SmtpSink(login=("mailer", "right")) as sink:
        sink.answer("AUTH", "454 4.7.0 Temporary authentication failure", times=5)
        assert isinstance(await sent(sink.url), RetryLater)


async def test_a_server_without_sign_in_is_told() -> None:
    async with SmtpSink() as sink:
        outcome = await sent(sink.url.replace("//", "//mailer:pa55word@"))
        assert isinstance(outcome, Rejected)
        assert "authentication" in outcome.reason


@pytest.mark.parametrize(
    ("stage", "reply", "kind", "says"),
    [
        ("MAIL", "550 5.7.1 not from here", Rejected, "refused the sender: 550"),
        ("MAIL", "451 4.3.0 later", RetryLater, "refused the sender: 451"),
        ("RCPT", "550 5.1.1 <ana@example.com> unknown", Rejected, "refused the recipient: 550 5.1.1 <…> unknown"),
        ("RCPT", "552 5.2.2 mailbox full", Rejected, "refused the recipient: 552"),
        ("RCPT", "450 4.2.1 busy", RetryLater, "refused the recipient: 450"),
        ("DATA", "554 5.7.1 spam", Rejected, "refused the message: 554"),
        ("DATA", "452 4.3.1 disk full", RetryLater, "refused the message: 452"),
        ("DATA", "421 4.3.2 going down", RetryLater, "refused the message: 421"),
    ],
)
async def test_permanent_and_transient_codes_are_told_apart(stage: Stage, reply: str, kind: type, says: str) -> None:
    async with SmtpSink() as sink:
        sink.answer(stage, reply)
        outcome = await sent(sink.url)
        assert isinstance(outcome, Rejected | RetryLater)
        assert isinstance(outcome, kind)
        assert says in outcome.reason


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_hangs_is_retried_later(stage: Stage) -> None:
    async with SmtpSink() as sink:
        sink.hang(stage)
        assert await sent(sink.url, timeout_seconds=0.2) == RetryLater(
            reason="the mail server did not answer within 0.2 s"
        )


async def test_no_server_is_retried_later() -> None:
    async with SmtpSink() as sink:
        url = sink.url
    assert await sent(url) == RetryLater(reason="the mail server cannot be connected to, or hung up")


@pytest.mark.parametrize(
    "address",
    ["ana@example.com", "a.b+tag@mail.example.co.uk", "josé@example.com", "ana@exämple.com", "o'neil@localhost"],
)
async def test_ordinary_addresses_are_reached(address: str) -> None:
    assert address_fault(address) is None
    async with SmtpSink() as sink:
        outcome = await sent(sink.url, contact=Contact(channel="email", address=address))
        assert isinstance(outcome, Delivered)
        assert len(sink.messages[0].recipients) == 1


@pytest.mark.parametrize(
    "address",
    [
        *("", "ana", "@example.com", "ana@", "ana@@example.com", "a@b@example.com", "ana@example..com", "ana@-x.com"),
        *("a@example.com,b@example.com", "a@example.com b@example.com", "Ana <ana@example.com>", "ana@exa mple.com"),
        *("ana@example.com\r\nRCPT TO:<x@y>", "ana@example.com\n", "\x00@example.com", "a" * 65 + "@example.com"),
        *("ana.@example.com", "ana@" + "x" * 64 + ".com", "ana@" + "x." * 200 + "com", '"a b"@example.com'),
    ],
)
def test_what_is_not_one_address_is_told(address: str) -> None:
    assert address_fault(address)


@pytest.mark.parametrize(
    ("url", "host", "port", "encryption"),
    [
        ("smtp://mail.example.com", "mail.example.com", 25, Encryption.OFFERED),
        ("smtp://127.0.0.1:2525/", "127.0.0.1", 2525, Encryption.OFFERED),
        ("smtp://[::1]:2525", "::1", 2525, Encryption.OFFERED),
        ("smtp+starttls://mail.example.com", "mail.example.com", 587, Encryption.REQUIRED),
        ("smtps://mail.example.com", "mail.example.com", 465, Encryption.IMPLICIT),
        ("smtp://mail.example.com?starttls=off", "mail.example.com", 25, Encryption.NONE),
    ],
)
def test_smtp_urls_are_read(url: str, host: str, port: int, encryption: Encryption) -> None:
    server = smtp_server(url)
    assert (server.host, server.port, server.encryption) == (host, port, encryption)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.com",
        "http://x",
        "smtp://",
        "smtp://x:y",
        "smtp://x/path",
        "smtps://x?starttls=off",
        "smtp://x?a=b",
    ],
)
def test_wrong_smtp_urls_are_told_without_repeating_them(url: str) -> None:
    with pytest.raises(ValueError, match="smtp_url"):
        smtp_server(url)


@pytest.mark.parametrize("sender", ["", "nobody", "josé@example.com", "A\r\nBcc: x <a@example.com>", "a@b, c@d"])
def test_a_wrong_sender_is_told(sender: str) -> None:
    with pytest.raises(ValueError, match="not an e-mail address"):
        EmailConfig.model_validate({"smtp_url": "smtp://x", "from": sender})


def test_credentials_show_in_no_repr() -> None:
    config = EmailConfig.model_validate({"smtp_url": "smtp://mailer:hunter2@x", "from": "a@example.com"})
    assert "hunter2" not in repr(config) + str(config) + repr(smtp_server("smtp://mailer:hunter2@x"))
