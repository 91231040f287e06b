"""③ Which incidents a provider's outage explains: those on the provider and on its models, at that time (ING-13)."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from types import MappingProxyType

from llm_incident_manager.domain.events.pulling import Provider
from llm_incident_manager.domain.incidents.incident import Incident

RESOURCE = "llm_provider"
"""The resource type of an outage of a provider."""
_PROVIDER_NAMES = ("provider", "llm_provider", "gen_ai.system", "gen_ai.provider.name", "model_provider", "vendor")
_MODEL_NAMES = (
    *("model", "model_id", "model_name", "gen_ai.request.model", "gen_ai.response.model", "litellm_model"),
    *("deployment", "engine"),
)
_LONGEST_NAME = 200

MODELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "openai": (
            *("gpt-*", "chatgpt-*", "o1", "o1-*", "o3", "o3-*", "o4-*", "codex-*", "text-embedding-*", "dall-e-*"),
            *("whisper-*", "tts-*", "omni-moderation-*", "sora-*"),
        ),
        "anthropic": ("claude", "claude-*"),
        "google": ("gemini-*", "gemma-*", "text-embedding-gecko*", "imagen-*"),
        "mistral": ("mistral-*", "mixtral-*", "codestral-*", "ministral-*", "magistral-*", "pixtral-*"),
        "cohere": ("command", "command-*", "embed-english-*", "embed-multilingual-*", "rerank-*"),
        "deepseek": ("deepseek-*",),
        "xai": ("grok-*",),
        "perplexity": ("sonar", "sonar-*"),
    }
)
"""Patterns of the models of well-known providers, where the settings name none."""


def touches(incident: Incident, provider: Provider) -> str | None:
    """Return the sentence why ``incident`` is on ``provider`` or one of its models, or None if it is not."""
    for kind, name in _providers(incident):
        if name.lower() == provider.id:
            return f"its {kind} is {name}"
    for kind, name in _models(incident):
        if _is_model_of(name.lower(), provider):
            return f"its {kind} {name} is one of {provider.id}'s"
    return None


def explained(incident: Incident, provider: Provider, *, began: datetime, ended: datetime | None) -> str | None:
    """Return why an outage of ``provider`` explains ``incident``, or None if it does not.

    The incident must be open, touch the provider, and have opened during the outage or in the window before it.
    """
    if not incident.is_open or incident.resource.type == RESOURCE:
        return None
    opened = incident.created_at
    if opened < began - timedelta(seconds=provider.window_seconds) or (ended is not None and opened > ended):
        return None
    why = touches(incident, provider)
    if why is None:
        return None
    apart = round((opened - began).total_seconds())
    when = f"{_spelled(apart)} after" if apart >= 0 else f"{_spelled(-apart)} before"
    return f"{why}; it opened {when} {provider.id}'s outage began"


def _providers(incident: Incident) -> Iterator[tuple[str, str]]:
    for name in _PROVIDER_NAMES:
        if incident.tags.get(name):
            yield f"tag {name}", incident.tags[name]
        told = incident.resource.metadata.get(name)
        if isinstance(told, str) and told:
            yield f"resource's {name}", told
    if incident.resource.type in (RESOURCE, "provider"):
        yield "resource", incident.resource.id


def _models(incident: Incident) -> Iterator[tuple[str, str]]:
    if incident.resource.type in ("model", "llm_model", "llm"):
        yield "model", incident.resource.id
        if incident.resource.name:
            yield "model", incident.resource.name
    for name in _MODEL_NAMES:
        if incident.tags.get(name):
            yield "model", incident.tags[name]
        told = incident.resource.metadata.get(name)
        if isinstance(told, str) and told:
            yield "model", told


def _is_model_of(name: str, provider: Provider) -> bool:
    """Whether a model's name, with or without a prefix such as ``openai/`` or ``bedrock/anthropic.``, is known."""
    name = name[:_LONGEST_NAME]
    prefix, slash, bare = name.rpartition("/")
    if slash and provider.id in prefix.split("/"):
        return True
    owner, dot, rest = bare.partition(".")
    names = (name, bare, rest) if dot and owner == provider.id else (name, bare)
    return any(fnmatchcase(each, pattern) for each in names for pattern in provider.models)


def _spelled(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
