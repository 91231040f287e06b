"""How a request comes in: identified, its parameters known, and repeated writes answered as before."""

import difflib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from llm_incident_manager.api.identity import identified
from llm_incident_manager.api.rest.idempotency import RememberedAnswers
from llm_incident_manager.errors import FieldFault, Invalid

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Answering = Callable[[Request], Coroutine[Any, Any, Response]]


class ApiRoute(APIRoute):
    """A route for callers with a key."""

    def get_route_handler(self) -> Answering:
        """Return the endpoint behind its door."""
        answering = super().get_route_handler()
        known = _parameters(self.dependant)

        async def door(request: Request) -> Response:
            request.state.caller = identified(request.app.state.port, request.scope)
            _refuse_unknown(request, known)
            key = request.headers.get("idempotency-key")
            if key is None or request.method not in _WRITES:
                return await answering(request)
            remembered: RememberedAnswers = request.app.state.remembered
            return await remembered.answer(request, key, answering)

        return door


def _refuse_unknown(request: Request, known: tuple[str, ...]) -> None:
    """A misspelt filter must not silently list everything."""
    faults: list[FieldFault] = []
    for name in dict.fromkeys(request.query_params.keys()):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known) or 'none'}"
            faults.append(FieldFault(name[:100], f"is no parameter of this call; {hint}"))
    if faults:
        raise Invalid("a parameter is not known", faults, code="unknown_parameter")


def _parameters(dependant: Dependant) -> tuple[str, ...]:
    own = tuple(field.alias for field in dependant.query_params)
    return own + tuple(name for inner in dependant.dependencies for name in _parameters(inner))
