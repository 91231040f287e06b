"""What a text message holds: the alphabet, the parts, and a page's words cut so that how to act is never lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_incident_manager.channels.sms import page_text
from llm_incident_manager.channels.sms_text import fitted, harmless, is_gsm, parts, plainer, units
from tests.contract.fakes.rigs import a_message

LINK = "https://incidents.example.com/a/" + "x" * 34


@pytest.mark.parametrize(
    ("text", "size", "count"),
    [
        ("", 0, 1), ("a" * 160, 160, 1), ("a" * 161, 161, 2), ("a" * 306, 306, 2), ("a" * 307, 307, 3),
        ("€" * 80, 160, 1), ("€" * 80 + "a", 161, 2), ("[P1]", 6, 1), ("ÄÖÜ ñ à", 7, 1),
        ("ж" * 70, 70, 1), ("ж" * 71, 71, 2), ("ж" * 134, 134, 2), ("ж" * 135, 135, 3),
        ("🔥" * 35, 70, 1), ("🔥" * 36, 72, 2),
    ],
    ids=lambda value: str(value)[:8],
)  # fmt: skip
def test_texts_are_counted_as_telephones_count_them(text: str, size: int, count: int) -> None:
    assert (units(text), parts(text)) == (size, count)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("“p95” – 12 s…", '"p95" - 12 s...'), ("żółć", "zołc"), ("ça café", "ca café"), ("naïve", "naive"),
        ("日本", "日本"), ("`x` • y", "'x' - y"),
    ],
)  # fmt: skip
def test_signs_that_the_alphabet_lacks_are_written_plainer(text: str, plain: str) -> None:
    assert plainer(text) == plain


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("pay at https://evil.example/x now", "pay at https evil. example/x now"),
        ("open evil.com", "open evil. com"),
        ("call +1 900 555 0199 now", "call 190_055_501_99 now"),
        ("gpt-4.1 took 12.5 s at 2026-11-02 09:00", "gpt-4.1 took 12.5 s at 2026-11-02 09:00"),
        ("one\r\nReply T1 take\x00", "one Reply T1 take"),
        ("host 10.0.0.12", "host 10.0.0.12"),
    ],
)
def test_text_of_an_event_becomes_no_link_no_number_and_no_line(text: str, safe: str) -> None:
    assert harmless(text, 200) == safe


@pytest.mark.requirement("NTF-01")
def test_a_page_is_one_message_of_160_characters_with_code_and_link() -> None:
    message = a_message(
        short="P0: p95 latency of gpt-gateway is 12 s. Hits gpt-gateway. " * 5, reply_code="2842", act_url=LINK
    )
    text = page_text(message, 3, replies=True)
    assert parts(text) == 1
    assert text.startswith("P0: p95 latency of gpt-gateway")
    assert text.endswith(f"... Reply T2842 take, R2842 resolve. {LINK}")


def test_where_nobody_can_answer_the_link_stands_alone() -> None:
    message = a_message(short="P0: slow. " * 30, reply_code="2842", act_url=LINK)
    text = page_text(message, 3, replies=False)
    assert (parts(text), "Reply" in text, text.endswith(f" {LINK}")) == (1, False, True)


def test_a_link_that_leaves_no_room_gives_way_to_the_code() -> None:
    message = a_message(short="P0: slow. " * 30, reply_code="2842", act_url="https://" + "h" * 80 + ".example/a/t")
    text = page_text(message, 3, replies=True)
    assert text.endswith("... Reply T2842 take, R2842 resolve.")
    assert parts(text) == 1


def test_a_title_in_another_script_takes_up_to_three_parts() -> None:
    message = a_message(short="P0: 応答が遅い。" * 60, reply_code="2842", act_url=LINK)
    text = page_text(message, 3, replies=True)
    assert (is_gsm(text), parts(text), LINK in text) == (False, 3, True)


@given(text=st.text(max_size=400), rest=st.sampled_from(["", " Reply T1.", f" {LINK}"]), most=st.integers(1, 4))
def test_a_text_always_fits_and_keeps_what_must_not_be_cut(text: str, rest: str, most: int) -> None:
    whole = fitted(plainer(harmless(text, 300)), rest, most)
    assert parts(whole) <= (1 if is_gsm(whole) else most)
    assert whole.endswith(rest.strip())
