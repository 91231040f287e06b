"""Regular expressions that cannot run away: a subset without nested repetition, on short text."""

import re

MAX_PATTERN = 200
MAX_TEXT = 512
"""Only the first characters of a text are searched."""

_MAX_REPEATS = 5
_MAX_OPEN_REPEATS = 2
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?|[*+?]|\{\d*,?\d*\}|.", re.DOTALL)


def compile_pattern(text: str) -> re.Pattern[str]:
    """Return the compiled pattern.

    Python's engine has no time limit, so what can take long is refused: repeated groups, look-arounds, back-references,
    more than two open repetitions (``*``, ``+``, ``{n,}``).

    Raises:
        ValueError: says what is wrong with the pattern.
    """
    if len(text) > MAX_PATTERN:
        raise ValueError(f"has {len(text)} characters; a pattern may have at most {MAX_PATTERN}")
    repeats = open_repeats = 0
    before = ""
    for token in _TOKEN.findall(text):
        if token == "(?":
            raise ValueError("uses (?…); only plain groups are allowed")
        if len(token) == 2 and token[0] == "\\" and token[1] in "123456789":
            raise ValueError(f"uses the back-reference {token}; it may hold none")
        is_repeat = token in "*+?" or (token[0] == "{" and len(token) > 2)
        if is_repeat and token != "?" and before == ")":
            raise ValueError(f"repeats a group with {token}; only single characters and classes may be repeated")
        if is_repeat:
            repeats += 1
            open_repeats += token in "*+" or token.endswith(",}") or _reach(token) > 16
        before = token
    if repeats > _MAX_REPEATS or open_repeats > _MAX_OPEN_REPEATS:
        raise ValueError(f"repeats too often; at most {_MAX_REPEATS} repetitions, {_MAX_OPEN_REPEATS} of them open")
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no regular expression: {error}") from None


def _reach(token: str) -> int:
    numbers = re.findall(r"\d+", token)
    return int(numbers[-1]) if numbers else 0
