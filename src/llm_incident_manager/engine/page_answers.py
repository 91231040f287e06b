"""⑦ People act from a page: a link, a button, a key or a text that comes back (NTF-05). Always *take*, or *resolve*.

One page does each once, however often it is pressed, and each request counts once, however often it is sent: both are
written down in the transaction that changes the incident.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar, assert_never

import msgspec
import structlog

from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Change, RequestFacts
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.notifications.answers import (
    Heard,
    Offer,
    PageAction,
    Pressed,
    Replied,
    Reported,
    Result,
    Said,
    is_spent,
    read_ask,
    reply_code,
)
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.domain.vocabulary import ActorType, Scope
from llm_incident_manager.engine import page_words
from llm_incident_manager.engine.commit import commit
from llm_incident_manager.engine.context import Context, Contexts
from llm_incident_manager.engine.identify import scopes_of_role
from llm_incident_manager.engine.kept_alerts import is_page
from llm_incident_manager.engine.page_reports import reported
from llm_incident_manager.engine.page_tokens import PageTokens
from llm_incident_manager.engine.ports import Store, SystemTransaction, Transaction
from llm_incident_manager.errors import Conflict, NotFound

log = structlog.get_logger("answers")
T = TypeVar("T")
LIVES = timedelta(hours=24)
"""How long after it was planned a page lets its reader act."""
REPLAYS_KEPT = timedelta(days=400)
"""How long a provider's request is known again; its signature carries no time."""
TRIES = 3
MOST_TEXTS = 200
_NO_FACTS = RequestFacts()


class Answers:
    """What is heard from pages. Nothing here says who somebody is: a token or a provider's signature has."""

    def __init__(
        self,
        store: Store,
        contexts: Contexts,
        tenants: Callable[[], Iterable[str]],
        tokens: PageTokens,
        committed: Callable[[Incident], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._contexts = contexts
        self._tenants = tenants
        self._tokens = tokens
        self._committed = committed

    async def look(self, token: str) -> Offer | None:
        """Return what a page's link offers; nothing changes. None for a token that was not made here, or is gone."""
        named = self._tokens.read(token)
        if named is None:
            return None
        tenant, notification_id = named

        def work(tx: Transaction) -> Offer | None:
            try:
                row = tx.notifications.get(notification_id)
                incident = tx.incidents.get(row.incident_id)
            except NotFound:
                return None
            return page_words.offer(
                row, incident, tx.notifications.of_incident(incident.id), self._contexts(tenant), tx.now,
                over=_is_over(row, tx.now),
            )  # fmt: skip

        return await self._store.read(tenant, work)

    async def hear(self, heard: Heard, request: RequestFacts = _NO_FACTS) -> Said:
        """Do what somebody asks for, or write down what the provider says; raises Unavailable while the store is away.

        What is wrong with a request is said in the answer, for whoever sent it.
        """
        for attempt in range(TRIES):
            try:
                said, incident = await self._store.system(lambda tx: self._heard(tx, heard, request), background=False)
            except Conflict as conflict:
                if attempt == TRIES - 1 or conflict.code not in ("conflict", "version_conflict"):
                    raise
                continue
            if incident is not None:
                self._committed(incident)
            return said
        raise AssertionError("unreachable")

    def _heard(self, tx: SystemTransaction, heard: Heard, request: RequestFacts) -> tuple[Said, Incident | None]:
        match heard:
            case Pressed():
                return self._pressed(tx, heard, request)
            case Replied():
                return self._replied(tx, heard, request)
            case Reported():
                named = self._tokens.read(heard.token)
                if named is None:
                    return _UNKNOWN, None
                return reported(tx.of(named[0]), named[1], heard, self._contexts(named[0]))
            case _:
                assert_never(heard)

    def _pressed(self, tx: SystemTransaction, heard: Pressed, request: RequestFacts) -> tuple[Said, Incident | None]:
        named = self._tokens.read(heard.token)
        if named is None:
            return _UNKNOWN, None
        tenant, notification_id = named
        try:
            row = tx.of(tenant).notifications.get(notification_id)
            incident = tx.of(tenant).incidents.get(row.incident_id)
        except NotFound:
            return _UNKNOWN, None
        if heard.channel and heard.channel != row.channel:
            return _UNKNOWN, None
        who = self._who(heard, row, self._contexts(tenant))
        if isinstance(who, Said):
            return who, None
        return self._act(tx.of(tenant), row, incident, heard.action, who, request)

    def _replied(self, tx: SystemTransaction, heard: Replied, request: RequestFacts) -> tuple[Said, Incident | None]:
        holders = self._holders(heard.channel, heard.address)
        if not holders:
            log.warning("reply_ignored", channel=heard.channel, reason="nobody here has this number")
            return Said(result=Result.UNKNOWN), None
        if not _first_time(tx, holders[0][0], f"{heard.channel}:{heard.once}"):
            return Said(result=Result.ALREADY), None
        open_pages = self._texted(tx, heard.channel, holders)
        ask = read_ask(heard.text)
        if ask is None:
            hour = f"{heard.channel}:help:{heard.address}:{tx.now:%Y%m%d%H}"
            # A telephone that answers by itself must not be answered for ever.
            helped = _first_time(tx, holders[0][0], hour)
            text = page_words.how_to_reply([incident for _, incident in open_pages]) if helped else ""
            return Said(result=Result.UNCLEAR, text=text), None
        fitting = [each for each in open_pages if ask.code in ("", reply_code(each[1].id))]
        if len(fitting) != 1:
            return Said(result=Result.UNCLEAR, text=page_words.which(ask, [each[1] for each in fitting])), None
        ((row, incident),) = fitting
        context = self._contexts(row.tenant)
        who = _recipient(row.recipient, context)
        if isinstance(who, Said):
            return who, None
        return self._act(tx.of(row.tenant), row, incident, ask.action, who, request)

    def _act(
        self,
        tx: Transaction,
        row: Notification,
        incident: Incident,
        action: PageAction,
        by: Actor,
        request: RequestFacts,
    ) -> tuple[Said, Incident | None]:
        if _is_over(row, tx.now):
            return self._as_it_stands(tx, row, incident, by, Result.EXPIRED), None
        if is_spent(row.answer, action) or not incident.is_open:
            return self._as_it_stands(tx, row, incident, by, Result.ALREADY), None
        had = incident.assigned_to
        after = commit(
            tx, incident, _changes(incident, action, by), by=by, context=self._contexts(row.tenant), request=request
        )
        tx.notifications.note(
            msgspec.structs.replace(
                tx.notifications.get(row.id), answer=action.value, answered_at=row.answered_at or tx.now
            )
        )
        said = self._as_it_stands(tx, row, after, by, Result.DONE, action=action, had=had)
        return said, after

    def _as_it_stands(
        self,
        tx: Transaction,
        row: Notification,
        incident: Incident,
        by: Actor,
        result: Result,
        *,
        action: PageAction | None = None,
        had: str | None = None,
    ) -> Said:
        rows = tx.notifications.of_incident(incident.id)
        context = self._contexts(row.tenant)
        text = page_words.outcome(result, action, incident, rows, row, by, had, context, tx.now)
        return Said(result=result, text=text, incident_id=incident.id, heading=page_words.heading(incident))

    def _who(self, heard: Pressed, row: Notification, context: Context) -> Actor | Said:
        if heard.address:
            known = _holder_of(row.channel, heard.address, context)
            return known or Said(result=Result.REFUSED, text=page_words.not_known(row.channel, heard.address))
        if heard.person:
            meant = dict(page_words.people_of(row, context))
            if heard.person not in meant:
                return Said(result=Result.REFUSED, text="This page did not go to that person. Open it again.")
            return _recipient(f"user:{heard.person}", context)
        return _recipient(row.recipient, context)

    def _holders(self, channel: str, address: str) -> list[tuple[str, str]]:
        """Return (tenant, recipient) of everybody who has this address on the channel, over all tenants."""
        found: list[tuple[str, str]] = []
        for tenant in self._tenants():
            settings = self._contexts(tenant).settings
            people = ((f"user:{each.id}", each.contacts) for each in settings.users.values())
            teams = ((f"team:{each.id}", each.contacts) for each in settings.teams.values())
            for recipient, contacts in (*people, *teams):
                if any(each.channel == channel and _same(each.address, address) for each in contacts):
                    found.append((tenant, recipient))
        return found

    def _texted(
        self, tx: SystemTransaction, channel: str, holders: Sequence[tuple[str, str]]
    ) -> list[tuple[Notification, Incident]]:
        """Return the open incidents that these people were texted of, newest first, each with its newest page."""
        newest: dict[tuple[str, str], tuple[Notification, Incident]] = {}
        for tenant, recipient in holders:
            bound = tx.of(tenant)
            rows = bound.notifications.sent_to(recipient, channel, since=tx.now - LIVES, limit=MOST_TEXTS)
            rows = [row for row in rows if is_page(row)]
            incidents = bound.incidents.get_many({row.incident_id for row in rows})
            for row in rows:
                incident = incidents.get(row.incident_id)
                if incident is not None and incident.is_open:
                    newest.setdefault((tenant, incident.id), (row, incident))
        return sorted(newest.values(), key=lambda each: each[0].planned_at, reverse=True)


def _changes(incident: Incident, action: PageAction, by: Actor) -> list[Change]:
    match action:
        case PageAction.TAKE:
            return decide.take(incident, by=by)
        case PageAction.RESOLVE:
            return decide.resolve(incident, by=by, given=ResolutionGiven(), walk=True)
        case _:
            assert_never(action)


def _is_over(row: Notification, at: datetime) -> bool:
    return at - row.planned_at > LIVES


def _first_time(tx: SystemTransaction, tenant: str, key: str) -> bool:
    return tx.spend(tenant, f"heard:{key}", kept_until=tx.now + REPLAYS_KEPT)


def _recipient(recipient: str, context: Context) -> Actor | Said:
    """Return who acts when ``recipient`` does: the person, or what stands for one (a team's telephone)."""
    kind, _, name = recipient.partition(":")
    if kind != "user":
        team = context.settings.teams.get(name) if kind == "team" else None
        return Actor(type=ActorType.USER, id=recipient, name=team.name if team is not None else name)
    user = context.settings.users.get(name)
    if user is None or not user.enabled:
        return Said(result=Result.REFUSED, text="Whoever was paged is no user here any more. Nothing was changed.")
    if not {Scope.RESPOND, Scope.ADMIN} & set(scopes_of_role(user.role)):
        text = f"{user.name or user.id} may look but not act here: the role is {user.role}. Nothing was changed."
        return Said(result=Result.REFUSED, text=text)
    return Actor(type=ActorType.USER, id=user.id, name=user.name)


def _holder_of(channel: str, address: str, context: Context) -> Actor | Said | None:
    for user in context.settings.users.values():
        if any(each.channel == channel and _same(each.address, address) for each in user.contacts):
            return _recipient(f"user:{user.id}", context)
    return None


def _same(written: str, address: str) -> bool:
    """Whether both are one address; numbers may be written with blanks and brackets."""
    return written == address or "".join(each for each in written if each not in " ()-") == address


_UNKNOWN = Said(result=Result.UNKNOWN, text="This is no page of ours, or it is from too long ago. Nothing was changed.")
