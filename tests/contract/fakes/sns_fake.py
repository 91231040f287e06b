"""AWS SNS's Publish as its API reference describes it; it checks the signature by its own reading of the request."""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from tests.contract.fakes.receiver import Received, Reply, WebhookReceiver

KEY_ID = "AKIDEXAMPLEEXAMPLE00"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "eu-west-1"
NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/sns/aws4_request, SignedHeaders=([a-z0-9;-]+), "
    r"Signature=([0-9a-f]{64})"
)


class SnsFake(WebhookReceiver):
    """One region. ``now`` is its clock: a signature older than five minutes is refused."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.now = now

    def texts(self) -> list[dict[str, str]]:
        """Return the fields of every request."""
        return [dict(parse_qsl(each.body.decode(), keep_blank_values=True)) for each in self.requests]

    def refuse(self, status: int, code: str) -> None:
        """Answer the next request with an error as AWS words it."""
        self.answer(status, {"Content-Type": "text/xml"}, _error(code))

    def check(self, request: Received) -> Reply | None:
        """Return what SNS has against a request."""
        if not self._is_signed(request):
            return Reply(status=403, body=_error("SignatureDoesNotMatch"))
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        fits = (
            fields.get("Action") == "Publish"
            and fields.get("Version") == "2010-03-31"
            and re.fullmatch(r"\+[1-9]\d{6,14}", fields.get("PhoneNumber", "")) is not None
            and 0 < len(fields.get("Message", "")) <= 1600
            and fields.get("MessageAttributes.entry.1.Name") == "AWS.SNS.SMS.SMSType"
            and fields.get("MessageAttributes.entry.1.Value.StringValue") == "Transactional"
            and fields.get("MessageAttributes.entry.1.Value.DataType") == "String"
        )
        return None if fits else Reply(status=400, body=_error("InvalidParameter"))

    def _is_signed(self, request: Received) -> bool:
        found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        stamp = request.headers.get("x-amz-date", "")
        if found is None or found[1] != KEY_ID or found[3] != REGION or not stamp.startswith(found[2]):
            return False
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((self.now - at).total_seconds()) > 300 or "host" not in found[4].split(";"):
            return False
        lines = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in found[4].split(";"))
        body = hashlib.sha256(request.body).hexdigest()
        canonical = f"{request.method}\n{request.path}\n\n{lines}\n{found[4]}\n{body}"
        key = b"AWS4" + SECRET.encode()
        for part in (found[2], REGION, "sns", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        scope = f"{found[2]}/{REGION}/sns/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), found[5])

    async def _respond(self, http, writer, reply):  # type: ignore[no-untyped-def]
        if reply == Reply():
            number = len(self.requests)
            found = f"<PublishResult><MessageId>567910cd-659e-55d4-8ccb-{number:012d}</MessageId></PublishResult>"
            reply = Reply(body=f'<PublishResponse xmlns="{NAMESPACE}">{found}</PublishResponse>'.encode())
        return await super()._respond(http, writer, reply)


def _error(code: str) -> bytes:
    said = f"<Code>{code}</Code><Message>Invalid parameter: PhoneNumber +34600123400</Message>"
    return f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type>{said}</Error></ErrorResponse>'.encode()
