"""``/api/docs``: the OpenAPI document as one page for people, made here, without a script and without another host."""

import base64
import hashlib
import json
from html import escape
from typing import Any

STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--strong:#2563eb}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line);font-size:1.2rem}
details{border:1px solid var(--line);border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}b.m{display:inline-block;min-width:4.2rem;color:var(--strong)}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:var(--soft);padding:.6rem;overflow:auto;border-radius:6px}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0}
nav a{margin-right:.8rem}
"""

_DEEPEST = 3


def content_security_policy() -> str:
    """Return the policy of the page: nothing but its own style."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def docs_page(document: dict[str, Any], openapi_path: str) -> str:
    """Return the page as HTML."""
    by_tag: dict[str, list[str]] = {}
    schemas = document["components"]["schemas"]
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            tag = (call.get("tags") or ["other"])[0]
            by_tag.setdefault(tag, []).append(_call(method, path, call, schemas))
    places = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in by_tag)
    parts = "".join(f'<h2 id="{escape(tag)}">{escape(tag)}</h2>{"".join(calls)}' for tag, calls in by_tag.items())
    title = escape(document["info"]["title"])
    about = "".join(f"<p>{escape(each)}</p>" for each in document["info"]["description"].split("\n\n"))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: REST API</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>{title}: REST API</h1>{about}"
        f'<p><a href="{escape(openapi_path)}">OpenAPI document</a></p><nav>{places}</nav>{parts}</body></html>'
    )


def _call(method: str, path: str, call: dict[str, Any], schemas: dict[str, Any]) -> str:
    said = f"<p>{escape(call.get('description', ''))}</p>"
    given = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['in'])}</td>"
        f"<td>{escape(each.get('description', ''))}</td></tr>"
        for each in call.get("parameters", ())
    )
    table = f"<h4>Parameters</h4><table>{given}</table>" if given else ""
    body = ""
    if "requestBody" in call:
        schema = call["requestBody"]["content"]["application/json"]["schema"]
        body = f"<h4>Body</h4><pre>{_sketched(schema, schemas)}</pre>"
    rows = "".join(_answered(status, told, schemas) for status, told in call["responses"].items())
    return (
        f"<details><summary><b class=m>{escape(method.upper())}</b> <code>{escape(path)}</code> "
        f"{escape(call.get('summary', ''))}</summary>{said}{table}{body}<h4>Answers</h4><table>{rows}</table></details>"
    )


def _answered(status: str, told: dict[str, Any], schemas: dict[str, Any]) -> str:
    shown = ""
    for media in told.get("content", {}).values():
        if status.startswith("2") and "schema" in media:
            shown = f"<pre>{_sketched(media['schema'], schemas)}</pre>"
    return f"<tr><th>{escape(status)}</th><td>{escape(told.get('description', ''))}{shown}</td></tr>"


def _sketched(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    return escape(json.dumps(_sketch(schema, schemas, 0), indent=2, ensure_ascii=False))


def _sketch(schema: dict[str, Any], schemas: dict[str, Any], depth: int) -> Any:
    """Return a value that shows the schema's shape: members with their types."""
    if "$ref" in schema:
        return _sketch(schemas.get(schema["$ref"].rpartition("/")[2], {}), schemas, depth)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            kinds = [_sketch(each, schemas, depth) for each in schema[several]]
            plain = [kind for kind in kinds if isinstance(kind, str)]
            return " | ".join(plain) if len(plain) == len(kinds) else next(k for k in kinds if not isinstance(k, str))
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    if schema.get("type") == "array":
        return [_sketch(schema.get("items", {}), schemas, depth + 1)]
    if "properties" in schema and depth < _DEEPEST:
        required = schema.get("required", ())
        return {
            name + ("" if name in required else "?"): _sketch(inner, schemas, depth + 1)
            for name, inner in schema["properties"].items()
        }
    kind = schema.get("type", "any")
    kind = " | ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{kind} ({schema['format']})" if "format" in schema else kind
