"""How a source is asked, and whose status page it is: ``endpoint``, ``poll`` and ``provider`` of its document."""

from llm_incident_manager.domain.correlation.providers import MODELS
from llm_incident_manager.domain.events.pulling import Provider, PullSettings
from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.documents.part import Part

_HOUR = 3600
_MOST_PATTERNS = 100


def parse_pull(owner: Part, endpoint: str, key_header: str | None, key: str, *, is_pulled: bool) -> PullSettings | None:
    """Return how the source is asked; None where it sends by itself, and then ``poll`` says nothing."""
    part = owner.part("poll")
    interval, failures = None, None
    if part is not None:
        interval = part.whole("interval_seconds", low=5, high=24 * _HOUR, unit="seconds")
        failures = part.whole("failures", low=1, high=100, unit="polls")
        part.done()
        if not is_pulled:
            owner.note("poll", "says nothing for a source that sends by itself; set mode: pull")
    if not is_pulled:
        return None
    if not endpoint:
        owner.fault("endpoint", "is required for mode pull: where is the source asked?")
        return None
    return PullSettings(
        endpoint=endpoint,
        interval_seconds=interval,
        failures=failures or 3,
        key_header=key_header,
        key=key or None,
    )


def parse_provider(owner: Part) -> Provider | None:
    """Return the provider: a word, or ``{id, models, window_seconds}``; the models of well-known ones are known."""
    _, given = owner.take("provider")
    if given is None:
        return None
    if isinstance(given, str):
        name = given.strip().lower()
        if not name or len(name) > 100 or not name.isprintable():
            owner.fault("provider", f"{quoted(given)} is not the name of a provider such as openai")
            return None
        return Provider(id=name, models=MODELS.get(name, ()))
    if not isinstance(given, dict):
        owner.fault("provider", f"{quoted(given)} is not a mapping of fields, nor a name such as openai")
        return None
    part = Part(given, owner.at("provider"), owner.findings)
    name = part.text("id", required=True, limit=100).lower()
    patterns = tuple(dict.fromkeys(word.lower() for _, word in part.words("models")))
    if len(patterns) > _MOST_PATTERNS:
        part.fault("models", f"has {len(patterns)} patterns; at most {_MOST_PATTERNS} are allowed")
    for pattern in patterns:
        if not pattern.strip("*?"):
            part.fault("models", f"{quoted(pattern)} is every model; name those of the provider, such as gpt-*")
    window = part.whole("window_seconds", low=0, high=7 * 24 * _HOUR, unit="seconds")
    part.done()
    known = patterns or MODELS.get(name, ())
    return Provider(id=name, models=known, window_seconds=_HOUR if window is None else window) if name else None
