"""Write docs/sources.md from the ``SPEC`` of every source: ``python -m scripts.write_sources``."""

from pathlib import Path

from llm_incident_manager.sources.registry import source_specs
from llm_incident_manager.sources.signing import own_signature
from llm_incident_manager.sources.spec import SourceSpec

PAGE = Path(__file__).parent.parent / "docs" / "sources.md"
URL, KEY = "https://incidents.example.com", "$LIM_KEY"
HEAD = """# Senders

How to point a tool here. Replace `https://incidents.example.com` by the address of your server and `$LIM_KEY` by an
ingest key (`lim keys create NAME --scope ingest`, or bound to a source of its own: `--source NAME`). What is good is
stored durably before the tool gets its answer; sent again, it counts nothing. `python -m scripts.write_sources` writes
this page from what each source says of itself.

**The key** may stand in `Authorization` (any scheme; of `Basic` the password), in `X-API-Key`, in the header that the
source's settings name, as `?key=`, and where a tool has its own place for it. **The name** of the source is that of the
plugin, unless the key is bound to a source, or the path names one of your settings:

```yaml
sources:
  payments-grafana:
    plugin: grafana                    # POST /api/v1/sources/payments-grafana is read as Grafana's
    signing_secret: "${GRAFANA_HMAC}"  # unsigned and wrongly signed requests are 401 then
    allow_ips: ["10.0.0.0/8"]          # others are 403; behind a proxy: incoming.trusted_proxies
    severity_words: {page: P0}         # words of your own
    encrypt: [payload.user, title]     # encrypted before anything is kept: docs/encryption.md
    redact: [secrets, emails, cards]   # taken out before anything is kept; also phones, ips
```

**Any other JSON** becomes events by a mapping. A rule is a path, a text with paths in braces, `{path, default}`, or
`{value}` for what always is the same; `$.` begins at the top of the document. `lim sources test ci deploy.json` shows
what comes of it and stores nothing.

```yaml
sources:
  ci:                                  # POST /api/v1/sources/ci
    mapping:
      items: runs                      # a list; without it the document itself is the item
      fields:
        title: "{job.name} failed on {branch}"
        severity: {path: job.level, default: high}
        category: {value: availability}
        timestamp: finished_at
        dedup_key: job.id              # what a resolve finds its incident by
        event_id: run_id               # what makes a repeat count nothing
        resource_type: {value: pipeline}
        resource_id: $.repository
      tags: {branch: branch}
      metrics: {duration_seconds: seconds}
      resolve: {path: status, is: [passed, fixed]}
      ignore: {path: status, is: [skipped]}
      severity: {blocker: P0}          # words of its own
```

**A tool that never says that it is over** (LangSmith, LiteLLM, logs) can be given `quiet_seconds`: an incident of that
source that got no event for so long is resolved, and its notes say why. Without it people resolve.

**A resolve that comes before its trigger** (another door, another node, a retry) still ends it, up to 24 hours later:
what counts is the time that the tool gives. The incident opens resolved, with the reason, and pages nobody; a trigger
with a later time, or with none, opens anew ([why](decisions/0078-recoveries-that-overtake.md)).

**Tried as written.** Tests copy every block below from this page and try it against a running server: commands are run,
our settings are loaded, Alertmanager's and Prometheus' files are read by `amtool` and `promtool`, OpenTelemetry's SDK,
LiteLLM's alerting and PagerDuty's command line run with these addresses, and every address takes what its sender sends.
Only for its shape, its address and the payload could be checked what is typed into a web page or into the environment
of a service that does not run here: Core bundle fan-out, Datadog, Grafana, Langfuse, LangSmith, LLM-Observatory,
Sentry, Status page (Statuspage API v2).

A tool without a signature of its own can use ours, `X-Incident-Signature: t=<unix>,v1=<hex HMAC-SHA256 of "t.body">`;
`signature_header` names another header. What cannot be read is answered with what is wrong, and kept as a dead letter;
`lim dead-letters replay` lets its source translate it again, with the settings that hold then.
"""


def page() -> str:
    """Return the whole page."""
    specs = sorted(source_specs(entries=()).values(), key=lambda spec: spec.title.lower())
    return "\n".join([HEAD, *(_section(spec) for spec in specs)])


def _section(spec: SourceSpec) -> str:
    paths = [f"`{method} {door.path.replace(':path', '')}`" for door in spec.doors for method in door.methods]
    facts = ["Path: " + ", ".join([f"`POST /api/v1/sources/{spec.name}`", *paths]) + "."]
    if spec.key_members:
        facts.append("Key also as " + ", ".join(f"`{name}`" for name in spec.key_members) + " in the body.")
    if spec.key_headers:
        facts.append("Key also in " + ", ".join(f"`{name}`" for name in spec.key_headers) + ".")
    if spec.signature.header != own_signature().header:
        facts.append(f"Signature: `{spec.signature.header}`.")
    setup = spec.setup.replace("{url}", URL).replace("{key}", KEY)
    return f"## {spec.title}\n\n{spec.description} {' '.join(facts)}\n\n```\n{setup}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
