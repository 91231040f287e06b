"""Who is asking: a signed cookie, and the proof that a form came from one of our own pages."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from llm_incident_manager.api.dashboard.port import Session
from llm_incident_manager.api.dashboard.settings import DashboardSettings


class Sessions:
    """Writes and reads the dashboard's cookies. Nothing is kept on the server."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._settings = settings
        # ``__Host-`` binds the cookie to this very host and to TLS (RFC 6265bis §4.1.3.2).
        self._prefix = "__Host-lim_" if settings.secure else "lim_"

    def open(self, response: Response, facts: Mapping[str, Any]) -> Session:
        """Sign the person in on ``response``; ``facts`` are ``{user_id, name, tenant, scopes}``."""
        session = Session(
            user_id=str(facts["user_id"]),
            name=str(facts.get("name") or facts["user_id"]),
            tenant=str(facts["tenant"]),
            scopes=tuple(str(scope) for scope in facts["scopes"]),
            csrf=secrets.token_urlsafe(24),
            expires_at=self._settings.clock.now() + self._settings.session_lifetime,
        )
        content = {
            "user_id": session.user_id,
            "name": session.name,
            "tenant": session.tenant,
            "scopes": list(session.scopes),
            "csrf": session.csrf,
            "expires_at": session.expires_at.isoformat(),
        }
        self.write(response, "session", content, int(self._settings.session_lifetime.total_seconds()))
        return session

    def read(self, request: Request) -> Session | None:
        """Return who is asking, or None where the cookie is missing, forged or over."""
        content = self.read_cookie(request, "session")
        if not isinstance(content, dict):
            return None
        session = Session(
            user_id=content["user_id"],
            name=content["name"],
            tenant=content["tenant"],
            scopes=tuple(content["scopes"]),
            csrf=content["csrf"],
            expires_at=datetime.fromisoformat(content["expires_at"]),
        )
        return session if self._settings.clock.now() < session.expires_at else None

    def close(self, response: Response) -> None:
        """Sign out on ``response``."""
        self.clear(response, "session")

    def write(self, response: Response, name: str, content: Any, max_age_seconds: int) -> None:
        """Set a signed cookie that scripts cannot read."""
        response.set_cookie(
            self._prefix + name,
            self._signer(name).dumps(content),
            max_age=max_age_seconds,
            path="/",
            secure=self._settings.secure,
            httponly=True,
            samesite="lax",
        )

    def read_cookie(self, request: Request, name: str) -> Any:
        """Return what :meth:`write` signed, or None."""
        raw = request.cookies.get(self._prefix + name)
        if raw is None:
            return None
        try:
            return self._signer(name).loads(raw)
        except BadSignature:
            return None

    def clear(self, response: Response, name: str) -> None:
        """Remove a cookie."""
        response.delete_cookie(
            self._prefix + name, path="/", secure=self._settings.secure, httponly=True, samesite="lax"
        )

    def _signer(self, name: str) -> URLSafeSerializer:
        signing = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        return URLSafeSerializer(self._settings.secret, salt=f"dashboard.{name}", signer_kwargs=signing)


def same_token(expected: str, given: str) -> bool:
    """Whether the form's token is the session's, compared in constant time."""
    return bool(expected) and hmac.compare_digest(expected.encode(), given.encode())


def from_own_page(request: Request, public_url: str) -> bool:
    """Whether the browser says that this post comes from our own origin.

    ``Referrer-Policy: no-referrer`` makes browsers send ``Origin: null`` with our own forms (Fetch, "append a request
    Origin header"), so ``null`` proves nothing either way: then ``Sec-Fetch-Site`` decides where there is one, and the
    token always does.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None or origin == "null":
        return True
    own = {urlsplit(public_url).netloc.lower(), request.headers.get("host", "").lower()}
    return urlsplit(origin).netloc.lower() in own


def local_path(path: str | None) -> str | None:
    """Return ``path`` if it is a page of ours that one may be sent back to, else None."""
    if not path or len(path) > 2000 or not path.isprintable() or "\\" in path:
        return None
    page = path.split("?", 1)[0].split("#", 1)[0]
    return path if page == "/incidents" or page.startswith("/incidents/") else None
