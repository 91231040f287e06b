"""⑦ What channels hear: ``POST /api/v1/channels/{name}/{what}``, called by providers in the name of people (NTF-05).

There is no key: the channel itself proves who sent the request, before anything in it is believed.
"""

from collections.abc import Mapping, Sequence

import structlog
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from llm_incident_manager.api.bodies import ClientGone, read_body
from llm_incident_manager.api.identity import request_facts
from llm_incident_manager.api.problems import as_response, problem, problem_response
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.channels.spec import ChannelRequest, Hearing
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.notifications.answers import Heard, Reported, Result, Said
from llm_incident_manager.errors import IncidentManagerError, NotFound, Unavailable
from llm_incident_manager.ids import new_id

PATH = "/api/v1/channels/{name}/{what}"
LONGEST_BODY = 512 * 1024
"""Bytes; Slack sends the whole message back with each press."""
_log = structlog.get_logger("api.channels")


class ChannelDoor:
    """Hands a request to the channel that it names, what that hears to the engine, and the answer back."""

    def __init__(self, port: RestPort) -> None:
        self._port = port
        self.path = PATH
        """What requests are counted under."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["route"] = self
        try:
            response = await self._answer(scope, receive)
        except ClientGone:
            return
        except IncidentManagerError as error:
            _log.warning("channel_request_refused", channel=scope["path_params"]["name"][:40], reason=error.code)
            response = problem_response(error)
        except Exception as fault:
            # Here and not further out: the address holds a page's token, so it must not reach the log.
            fault_id = new_id("err")
            _log.error("request_failed", fault_id=fault_id, path=PATH, exc_info=fault)
            response = as_response(problem(500, "internal_error", f"it failed here; mention {fault_id}"))
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        name, what = scope["path_params"]["name"], scope["path_params"]["what"]
        channel = self._port.channels.get(name)
        if not isinstance(channel, Hearing):
            raise NotFound("no channel that people can answer on is set up under this name")
        limits = self._port.limits
        body = await read_body(
            receive, scope["headers"], most=LONGEST_BODY, unpacked=LONGEST_BODY, seconds=limits.body_seconds
        )
        request = ChannelRequest(what=what, url=self._url(scope), headers=_headers(scope), body=body)
        said = await self._told(channel.hear(request), request_facts(scope))
        answer = await channel.say(request, said)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(answer.body, answer.status, headers, answer.media_type if answer.body else None)

    async def _told(self, heard: Sequence[Heard], facts: RequestFacts) -> list[Said]:
        said: list[Said] = []
        for each in heard:
            try:
                said.append(await self._port.answers.hear(each, facts))
            except Unavailable:
                if isinstance(each, Reported):
                    raise
                said.append(Said(result=Result.REFUSED, text=_AWAY))
        return said

    def _url(self, scope: Scope) -> str:
        """Return the address as the provider called it: proxies in between may have changed all but path and query."""
        query = scope["query_string"].decode("latin-1")
        return f"{self._port.public_url.rstrip('/')}{scope['path']}" + (f"?{query}" if query else "")


def channel_door_routes(port: RestPort) -> list[BaseRoute]:
    """Return the route."""
    return [Route(PATH, ChannelDoor(port), methods=["POST"])]


def _headers(scope: Scope) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


_AWAY = "It does not work right now, so nothing was changed. Please repeat it in a minute, or open the incident."
