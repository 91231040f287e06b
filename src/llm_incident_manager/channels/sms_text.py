"""What a text message may hold: the GSM 7-bit alphabet (3GPP TS 23.038 §6.2.1) or UCS-2, and how many parts it takes.

One part holds 160 characters of the alphabet or 70 of UCS-2, a part of several 153 or 67 (3GPP TS 23.040 §9.2.3.24.1).
"""

import re
import unicodedata

from llm_incident_manager.channels.plain_text import one_line

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
"""Each takes the place of two."""
_PLAINER = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"',
        "\u00bb": '"', "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
        "\u2026": "...", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u2022": "-", "\u2192": "->", "\u00b7": "-",
        "`": "'", "\u00d7": "x", "\u2264": "<=", "\u2265": ">=", "\t": " ",
    }
)  # fmt: skip
ONE_PART, ONE_PART_UCS2 = 160, 70
_OF_SEVERAL, _OF_SEVERAL_UCS2 = 153, 67
_LINK = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://", re.IGNORECASE)
_HOST = re.compile(r"(?<=[\w-])\.(?=[^\W\d_]{2,})")
_DIGITS = re.compile(r"\+?\d[\d ()/.-]{6,}\d")


def is_gsm(text: str) -> bool:
    """Whether the 7-bit alphabet holds all of it."""
    return all(character in _BASIC or character in _EXTENDED for character in text)


def units(text: str) -> int:
    """Return the length in what the alphabet counts: septets, or UTF-16 code units."""
    if is_gsm(text):
        return len(text) + sum(character in _EXTENDED for character in text)
    return len(text.encode("utf-16-be")) // 2


def parts(text: str) -> int:
    """Return how many messages a telephone gets."""
    size = units(text)
    one, several = (ONE_PART, _OF_SEVERAL) if is_gsm(text) else (ONE_PART_UCS2, _OF_SEVERAL_UCS2)
    return 1 if size <= one else -(-size // several)


def plainer(text: str) -> str:
    """Return ``text`` with typographic signs written as the alphabet has them, accents dropped where it lacks them.

    Letters of other scripts stay: a message that holds any is sent in UCS-2.
    """
    return "".join(_plain_letter(character) for character in text.translate(_PLAINER))


def harmless(text: str, limit: int) -> str:
    """Return text of an event on one line, with nothing that a telephone would make a link or a number to call."""
    line = one_line(text, limit)
    unlinked = _HOST.sub(". ", _LINK.sub(lambda found: found[0][:-3] + " ", line))
    return _DIGITS.sub(lambda found: _parted(found[0]), unlinked)


def fitted(text: str, rest: str, most_parts: int) -> str:
    """Return ``text`` cut so that with ``rest`` behind it, which is never cut, it fits.

    In the 7-bit alphabet that is one part; in UCS-2 ``most_parts``, because one has only 70 characters.
    """
    whole = f"{text}{rest}"
    while not _fits(whole, most_parts):
        if not text:
            return rest.strip()
        text = text[: max(0, len(text) - max(1, _over(whole, most_parts)))].rstrip(" .,-")
        whole = f"{text}...{rest}" if text else rest.strip()
        if not text:
            return whole
    return whole


def _fits(text: str, most_parts: int) -> bool:
    return parts(text) <= (1 if is_gsm(text) else most_parts)


def _over(text: str, most_parts: int) -> int:
    if is_gsm(text):
        return (units(text) - ONE_PART + 1) // 2
    return (units(text) - (ONE_PART_UCS2 if most_parts == 1 else most_parts * _OF_SEVERAL_UCS2) + 1) // 2


def _plain_letter(character: str) -> str:
    if character in _BASIC or character in _EXTENDED:
        return character
    stripped = "".join(each for each in unicodedata.normalize("NFKD", character) if not unicodedata.combining(each))
    return stripped if stripped and is_gsm(stripped) else character


def _parted(number: str) -> str:
    """Break a run that looks like a telephone number; instants and counts stay readable."""
    digits = sum(character.isdigit() for character in number)
    if digits < 7 or re.fullmatch(r"\d{4}-\d{2}-\d{2}[ \d-]*", number):
        return number
    return re.sub(r"(\d{3})(?=\d)", r"\1_", re.sub(r"[ ()/.+-]", "", number))
