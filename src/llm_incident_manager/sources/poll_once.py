"""① One poll of one source: a conditional GET, what is new into the journal, and only then the cursor."""

import asyncio
import dataclasses
import random
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.incidents.incident import Actor
from llm_incident_manager.domain.vocabulary import ActorType, Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.fetching import Fetch, Fetched, NotFetched
from llm_incident_manager.engine.poll_rows import PollState
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.errors import IncidentManagerError, Invalid
from llm_incident_manager.resilience.backoff import delay
from llm_incident_manager.sources.polled import polling_of
from llm_incident_manager.sources.receive import Receive
from llm_incident_manager.sources.spec import Polled, Polling, PollMoment, SourceRequest, SourceSpec

log = structlog.get_logger("polls")
replace = msgspec.structs.replace
LEASE_SECONDS = 60.0
"""How long a node may ask and take in; another one asks again after it."""
WORK_SECONDS = 40.0
"""A poll that takes longer is given up, well within its lease."""
LONGEST_BACKOFF_SECONDS = 120.0
"""Between two polls of what fails, unless its interval is longer or it asks for more."""
JITTER = 0.1
"""Polls drift apart by up to a tenth of the wait, so that many do not ask at the same instant."""
_LONGEST_ERROR = 500


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tools:
    """What a poll works with; ``jitter`` gives random numbers from 0 to 1."""

    store: Store
    receive: Receive
    fetch: Fetch
    clock: Clock
    telemetry: Telemetry
    jitter: Callable[[], float] = random.random


class PollOnce:
    """One poll of one source, whose lease ``holder`` has."""

    def __init__(
        self,
        tools: Tools,
        tenant: str,
        holder: str,
        state: PollState,
        source: SourceSettings,
        spec: SourceSpec | None,
    ) -> None:
        assert source.pull is not None
        self._tools = tools
        self._tenant = tenant
        self._holder = holder
        self._state = state
        self._source = source
        self._spec = spec
        self._pull = source.pull
        self._now = tools.clock.now()

    async def ask(self) -> bool:
        """Ask, take in what is new, move the cursor; returns whether there was an answer that could be read."""
        if self._spec is None:
            return await self._failed(None, f"there is no plugin {self._source.plugin}", None)
        polling = polling_of(self._spec)
        url = polling.url(self._pull.endpoint)
        if url != self._state.url:
            self._state = replace(self._state, url=url, etag=None, modified=None)
        try:
            async with asyncio.timeout(WORK_SECONDS):
                answer = await self._tools.fetch.get(url, self._headers(polling))
                return await self._answered(polling, answer)
        except TimeoutError:
            return await self._failed(polling, f"it took longer than {WORK_SECONDS:g} s", None)
        except IncidentManagerError as refused:
            # What it said is not in the journal (its rate, a full disk): the cursor stays where it was.
            return await self._failed(None, refused.message, None)

    async def done(self, state: PollState, *, wait_seconds: float) -> None:
        """Write the state and end the lease."""
        wait = wait_seconds * (1.0 - JITTER + 2 * JITTER * self._tools.jitter())
        kept = await self._tools.store.transact(
            self._tenant, lambda tx: tx.polls.done(state, holder=self._holder, wait_seconds=wait)
        )
        if not kept:
            log.warning("poll_lease_lost", tenant=self._tenant, source=self._source.name)

    def _headers(self, polling: Polling) -> dict[str, str]:
        headers = {"Accept": polling.accept}
        if self._state.etag is not None:
            headers["If-None-Match"] = self._state.etag
        if self._state.modified is not None:
            headers["If-Modified-Since"] = self._state.modified
        if self._pull.key is not None:
            named = self._pull.key_header
            headers[named or "Authorization"] = self._pull.key if named else f"Bearer {self._pull.key}"
        return headers

    async def _answered(self, polling: Polling, answer: Fetched | NotFetched) -> bool:
        if isinstance(answer, NotFetched):
            return await self._failed(polling, answer.reason, None)
        if answer.status == 304 and (self._state.etag or self._state.modified):
            same = self._state if self._state.alarmed else replace(self._state, bad=0, bad_since=None)
            await self._succeeded(same, interval=polling.interval_seconds, outcome="unchanged")
            return True
        if not 200 <= answer.status < 300:
            return await self._failed(polling, _refusal(answer, self._state.url), answer.after_seconds)
        try:
            polled = polling.read(self._request(answer.body), self._source, self._moment())
        except Invalid as wrong:
            faults = "; ".join(f"{fault.field} {fault.message}" for fault in wrong.faults[:3])
            return await self._failed(polling, faults or wrong.message, None)
        except Exception:
            # A plugin is a named border: what it stumbles over must not end the asking.
            log.exception("source_failed", tenant=self._tenant, source=self._source.name)
            return await self._failed(polling, "the plugin could not read it; the log says why", None)
        return await self._read(polling, polled, answer)

    async def _read(self, polling: Polling, polled: Polled, answer: Fetched) -> bool:
        if polled.is_bad and polling.failing is not None:
            await self._begin_trouble()
            bad = self._state.bad + 1
            if not self._state.alarmed and bad < self._pull.failures:
                # Once is no news yet. The cursor stays, validators too: the next poll must see the document again.
                held = replace(self._state, bad=bad)
                await self._succeeded(held, interval=polling.interval_seconds, outcome="held")
                return True
            self._state = replace(self._state, bad=bad, alarmed=True)
        else:
            self._state = replace(self._state, bad=0, bad_since=None, alarmed=False)
        await self._bring(polled)
        state = replace(
            self._state,
            told=dict(polled.told),
            etag=answer.headers.get("etag"),
            modified=answer.headers.get("last-modified"),
            note=polled.note[:_LONGEST_ERROR],
            news_at=self._now if polled.sent.steps else self._state.news_at,
        )
        outcome = "news" if polled.sent.steps else "unchanged"
        await self._succeeded(state, interval=polling.interval_seconds, outcome=outcome)
        return True

    async def _failed(self, polling: Polling | None, reason: str, after_seconds: float | None) -> bool:
        """Count a poll without an answer; where the plugin watches something, enough of them say that it is unwell."""
        failing = polling.failing if polling is not None else None
        if failing is not None:
            await self._begin_trouble()
            self._state = replace(self._state, bad=self._state.bad + 1)
        state = replace(
            self._state,
            failures=self._state.failures + 1,
            polled_at=self._now,
            error=reason[:_LONGEST_ERROR],
        )
        if failing is not None and (state.alarmed or state.bad >= self._pull.failures):
            polled = failing(self._request(b""), self._moment(), state.error)
            try:
                await self._bring(polled)
                state = replace(state, told=dict(polled.told), alarmed=True, etag=None, modified=None)
            except IncidentManagerError as refused:
                log.warning("poll_not_told", tenant=self._tenant, source=self._source.name, reason=refused.message)
        interval = float(self._pull.interval_seconds or (polling.interval_seconds if polling is not None else 60))
        patience = self._pull.failures if failing is not None else 1
        wait = interval
        if state.failures > patience:
            wait = delay(state.failures - patience, base=interval, cap=max(interval, LONGEST_BACKOFF_SECONDS))
        self._count("failed")
        log.warning("poll_failed", tenant=self._tenant, source=self._source.name, reason=state.error)
        await self.done(state, wait_seconds=max(wait, after_seconds or 0.0))
        return False

    async def _succeeded(self, state: PollState, *, interval: int, outcome: str) -> None:
        state = replace(state, failures=0, error="", polled_at=self._now, succeeded_at=self._now)
        await self.done(state, wait_seconds=float(self._pull.interval_seconds or interval))
        self._count(outcome)

    async def _begin_trouble(self) -> None:
        """Write down since when, before anything is told of it: told again after a crash, it is the same event."""
        if self._state.bad_since is not None:
            return
        self._state = replace(self._state, bad_since=self._now)
        kept = await self._tools.store.transact(
            self._tenant,
            lambda tx: tx.polls.keep(self._state, holder=self._holder, lease_seconds=LEASE_SECONDS),
        )
        if not kept:
            raise _LeaseLost("another node asks now", code="poll_lease_lost")

    async def _bring(self, polled: Polled) -> None:
        if not polled.sent.steps:
            return
        name = self._source.name
        caller = Caller(
            tenant=self._tenant,
            actor=Actor(type=ActorType.INTEGRATION, id=name, name=name),
            scopes=frozenset({Scope.INGEST}),
            key_id="polls",
            source=name,
        )
        outcomes = await self._tools.receive.bring(polled.sent, caller)
        for outcome in outcomes:
            refusal = getattr(outcome, "refusal", None)
            if refusal is not None and not isinstance(refusal, Invalid):
                raise refusal

    def _request(self, body: bytes) -> SourceRequest:
        return SourceRequest(
            source=self._source.name,
            body=body,
            received_at=self._now,
            method="GET",
            query={"instance": self._source.name},
        )

    def _moment(self) -> PollMoment:
        return PollMoment(told=self._state.told, since=self._state.bad_since or self._now)

    def _count(self, outcome: str) -> None:
        telemetry, name = self._tools.telemetry, self._source.name
        telemetry.count("polls_total", {"source": name, "tenant": self._tenant, "outcome": outcome})
        succeeded = self._now if outcome != "failed" else self._state.succeeded_at
        if succeeded is not None:
            where = {"source": name, "tenant": self._tenant}
            telemetry.set("poll_last_success_timestamp_seconds", where, succeeded.timestamp())


class _LeaseLost(IncidentManagerError):
    """The poll took too long, and somebody else has it."""


def _refusal(answer: Fetched, url: str) -> str:
    host = urlsplit(url).hostname or "it"
    said = f"{host} answered {answer.status}"
    if 300 <= answer.status < 400 and (place := answer.headers.get("location")):
        return f"{said}: it has moved to {place[:200]!r}; set endpoint to that"
    return said
