"""Signature Version 4 with the vectors that AWS publishes (its test suite, and its documentation's example)."""

from datetime import UTC, datetime

import pytest

from llm_incident_manager.channels.sigv4 import Credentials, canonical_request, signed_headers

SUITE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthA"
    "x7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9"
    "q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Host": "example.amazonaws.com"}
VECTORS = {
    "get-vanilla": ("GET", {"Host": "example.amazonaws.com"}, b"", None,
                    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "post-vanilla": ("POST", {"Host": "example.amazonaws.com"}, b"", None,
                     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "post-sts-header-before": ("POST", {"Host": "example.amazonaws.com"}, b"", TOKEN,
                               "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
    "post-x-www-form-urlencoded": (
        "POST",
        FORM | {"Content-Length": "13",
                "X-Amz-Content-Sha256": "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"},
        b"Param1=value1", None, "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
}  # fmt: skip


@pytest.mark.requirement("NTF-01")
@pytest.mark.parametrize("name", VECTORS)
def test_a_request_of_the_suite_is_signed_as_aws_signs_it(name: str) -> None:
    method, headers, body, token, expected = VECTORS[name]
    signed = signed_headers(
        SUITE._replace(session_token=token), method=method, path="/", headers=headers, body=body,
        region="us-east-1", service="service", at=AT,
    )  # fmt: skip
    assert signed["Authorization"].rpartition("Signature=")[2] == expected
    assert signed["X-Amz-Date"] == "20150830T123600Z"


def test_the_example_of_the_documentation_is_signed_as_it_says() -> None:
    signed = signed_headers(
        SUITE, method="GET", path="/", query="Action=ListUsers&Version=2010-05-08",
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": "iam.amazonaws.com"},
        body=b"", region="us-east-1", service="iam", at=AT,
    )  # fmt: skip
    assert signed["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


def test_a_path_is_encoded_and_blanks_in_headers_are_folded() -> None:
    canonical, names = canonical_request("GET", "/ /foo", "", {"Host": "h", "My-Header": "  a   b  "}, b"")
    assert canonical.startswith("GET\n/%20/foo\n\nhost:h\nmy-header:a b\n\nhost;my-header\n")
    assert names == "host;my-header"


def test_credentials_keep_their_secret_to_themselves() -> None:
    shown = repr(SUITE._replace(session_token="t0ken"))
    assert "wJalr" not in shown
    assert "t0ken" not in shown
