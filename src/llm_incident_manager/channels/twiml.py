"""TwiML, written so that no text can become a verb of it."""

import re
from xml.sax.saxutils import escape, quoteattr

from llm_incident_manager.channels.plain_text import one_line
from llm_incident_manager.channels.spec import ChannelAnswer

_LINK = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://\S*", re.IGNORECASE)
# What XML 1.0 cannot hold, beside what ``one_line`` takes out.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\ufffe\uffff]")


def speakable(text: str, limit: int) -> str:
    """Return text as a voice should read it: one line, no addresses."""
    return one_line(_LINK.sub("a link", _NOT_XML.sub("", text)), limit)


def say(text: str, language: str) -> str:
    """Return a spoken sentence."""
    return f"<Say language={quoteattr(language)}>{escape(_NOT_XML.sub('', text))}</Say>"


def gather(inside: str, action: str) -> str:
    """Return what waits for one key while ``inside`` is spoken; ``action`` is told which."""
    return f'<Gather input="dtmf" numDigits="1" timeout="8" method="POST" action={quoteattr(action)}>{inside}</Gather>'


def message(text: str) -> str:
    """Return the answer to a text."""
    return f"<Message>{escape(_NOT_XML.sub('', text))}</Message>" if text else ""


def response(inside: str) -> str:
    """Return the whole document."""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>'


def answer(inside: str) -> ChannelAnswer:
    """Return the document as an answer to Twilio."""
    return ChannelAnswer(body=response(inside).encode(), media_type="text/xml; charset=utf-8")
