"""Personal one-time links: how people sign in to the dashboard, so that every change has a human actor (AUD-02)."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.incidents.incident import SYSTEM, Actor
from llm_incident_manager.domain.vocabulary import ActorType, Scope
from llm_incident_manager.engine.audit_note import note
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.identify import ADMIN, DEFAULT_TENANT, People, digest_of, scopes_of_role
from llm_incident_manager.engine.ports import Store, SystemTransaction
from llm_incident_manager.engine.rows import SignInLink
from llm_incident_manager.errors import FieldFault, Invalid, NotFound

LONGEST_SECONDS = 7 * 86400
_TOKEN_BYTES = 32
_NO_FACTS = RequestFacts()


class Links:
    """Makes and redeems links; only a token's SHA-256 is stored."""

    def __init__(self, store: Store, people: Callable[[str], People]) -> None:
        self._store = store
        self._people = people

    async def create(self, caller: Caller | None, user_id: str | None, ttl_seconds: float = 900) -> str:
        """Return the token of a new link for one person; without ``caller`` the server itself asks, in ``default``.

        ``user_id`` None makes the administrator's link, for the first start, with the caller's scopes (the server's:
        all). A user's link carries the scopes of the role.

        Raises Forbidden without the scope ``admin``, NotFound for an unknown user, Invalid for a disabled one or a time
        outside 1 s to 7 days.
        """
        if caller is not None:
            caller.require(Scope.ADMIN)
        if not 1 <= ttl_seconds <= LONGEST_SECONDS:
            fault = FieldFault("ttl_seconds", f"{ttl_seconds:g} is not between 1 and {LONGEST_SECONDS} seconds")
            raise Invalid("a sign-in link cannot last so long", [fault])
        tenant = caller.tenant if caller is not None else DEFAULT_TENANT
        name, scopes = self._holder(tenant, user_id, caller.scopes if caller is not None else frozenset(Scope))
        token = secrets.token_urlsafe(_TOKEN_BYTES)

        def work(tx: SystemTransaction) -> None:
            tx.add_link(
                SignInLink(
                    digest=digest_of(token),
                    tenant=tenant,
                    user_id=user_id,
                    name=name,
                    scopes=scopes,
                    expires_at=tx.now + timedelta(seconds=ttl_seconds),
                )
            )
            note(
                tx.of(tenant),
                by=caller.actor if caller is not None else SYSTEM,
                request=caller.request if caller is not None else _NO_FACTS,
                event_type="sign_in_link_created",
                kind="users",
                item_id=user_id or ADMIN,
                changes=[],
            )

        await self._store.system(work, background=False)
        return token

    async def redeem(self, token: str, request: RequestFacts = _NO_FACTS) -> dict[str, Any] | None:
        """Return ``{user_id, name, tenant, scopes}`` exactly once.

        None for a link that is unknown, used or over, or whose user was removed or disabled since.
        """
        digest = digest_of(token)

        def work(tx: SystemTransaction) -> dict[str, Any] | None:
            link = tx.redeem_link(digest)
            if link is None:
                return None
            try:
                name, scopes = self._holder(link.tenant, link.user_id, frozenset(link.scopes))
            except (NotFound, Invalid):
                return None
            user_id = link.user_id or ADMIN
            by = Actor(type=ActorType.USER, id=user_id, name=name)
            bound = tx.of(link.tenant)
            note(bound, by=by, request=request, event_type="signed_in", kind="users", item_id=user_id, changes=[])
            return {"user_id": user_id, "name": name, "tenant": link.tenant, "scopes": [str(each) for each in scopes]}

        return await self._store.system(work, background=False)

    def _holder(self, tenant: str, user_id: str | None, own: frozenset[Scope]) -> tuple[str, tuple[Scope, ...]]:
        if user_id is None:
            return "Administrator", tuple(sorted(own))
        user = self._people(tenant).users.get(user_id)
        if user is None:
            raise NotFound(f"there is no user {user_id}", code="user_unknown")
        if not user.enabled:
            raise Invalid(f"user {user_id} is disabled", [FieldFault("user_id", f"user {user_id} is disabled")])
        return user.name or user_id, scopes_of_role(user.role)
