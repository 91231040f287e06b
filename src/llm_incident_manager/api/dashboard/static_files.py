"""Styles, scripts and icons: read once at start, named by what they contain, kept by browsers for a year."""

import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class StaticFiles:
    """The files of ``static/``. Only names that were there at start can be asked for, so no path can lead elsewhere."""

    def __init__(self) -> None:
        folder = files("llm_incident_manager.api.dashboard") / "static"
        self._contents = {
            entry.name: entry.read_bytes()
            for entry in folder.iterdir()
            if entry.is_file() and entry.name.rpartition(".")[2] in _TYPES
        }
        self._digests = {name: hashlib.sha256(body).hexdigest()[:8] for name, body in self._contents.items()}

    def address(self, name: str) -> str:
        """Return the address of a file, which changes when its content does."""
        return f"/static/{name}?v={self._digests[name]}"

    async def answer(self, request: Request) -> Response:
        """Answer ``GET /static/{name}``."""
        name = request.path_params["name"]
        body = self._contents.get(name)
        if body is None:
            return Response("There is no such file.", status_code=404, media_type="text/plain")
        tag = f'"{self._digests[name]}"'
        fresh = request.query_params.get("v") == self._digests[name]
        headers = {
            "ETag": tag,
            "Cache-Control": "public, max-age=31536000, immutable" if fresh else "no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
        if tag in known:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)
