"""Who a target is, at the moment a level is told."""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from llm_incident_manager.domain.people import Contact, Recipient, Target, Team, User
from llm_incident_manager.domain.vocabulary import TargetType

OnCallAnswer = Callable[[str, datetime], tuple[str, ...]]
"""The ids of the users on call on a schedule at an instant."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a target came to; ``missing`` says why it came to nobody."""

    recipients: tuple[Recipient, ...] = ()
    missing: str | None = None


class Directory:
    """The people of one tenant, as they are now."""

    def __init__(
        self, users: Mapping[str, User], teams: Mapping[str, Team], on_call: OnCallAnswer | None = None
    ) -> None:
        self.users = users
        self.teams = teams
        self._on_call = on_call

    def find(self, target: Target, at: datetime) -> Found:
        """Return the recipients of ``target``; a team is its own contacts and its members."""
        match target.type:
            case TargetType.USER:
                return self._user(target.id)
            case TargetType.TEAM:
                return self._team(target.id)
            case TargetType.ON_CALL:
                return self._on_call_users(target.id, at)
            case TargetType.EXTERNAL:
                return _external(target.id)

    def recipient(self, key: str) -> Recipient | None:
        """Return a recipient by its key (``user:ana``), or ``None`` if there is none any more."""
        kind, _, name = key.partition(":")
        if kind == "user":
            found = self._user(name)
            return found.recipients[0] if found.recipients else None
        if kind == "team" and (team := self.teams.get(name)) is not None:
            return _of_team(team)
        if kind == "external":
            return _external(name).recipients[0]
        return None

    def _user(self, user_id: str) -> Found:
        user = self.users.get(user_id)
        if user is None:
            return Found(missing=f"user {user_id} does not exist")
        if not user.enabled:
            return Found(missing=f"user {user_id} is disabled")
        return Found(recipients=(_of_user(user),))

    def _team(self, team_id: str) -> Found:
        team = self.teams.get(team_id)
        if team is None:
            return Found(missing=f"team {team_id} does not exist")
        members = tuple(
            _of_user(user) for member in team.members if (user := self.users.get(member)) is not None and user.enabled
        )
        own = (_of_team(team),) if team.contacts else ()
        if not own and not members:
            return Found(missing=f"team {team_id} has neither members nor contacts")
        return Found(recipients=(*own, *members))

    def _on_call_users(self, schedule_id: str, at: datetime) -> Found:
        ids = self._on_call(schedule_id, at) if self._on_call is not None else ()
        recipients = tuple(each for user_id in ids for each in self._user(user_id).recipients)
        if not recipients:
            return Found(missing=f"nobody is on call on schedule {schedule_id}")
        return Found(recipients=recipients)


def _of_user(user: User) -> Recipient:
    return Recipient(key=f"user:{user.id}", name=user.name or user.id, contacts=user.contacts)


def _of_team(team: Team) -> Recipient:
    return Recipient(key=f"team:{team.id}", name=team.name or team.id, contacts=team.contacts)


def _external(address: str) -> Found:
    channel = "webhook" if address.startswith(("http://", "https://")) else "email"
    contact = Contact(channel=channel, address=address)
    return Found(recipients=(Recipient(key=f"external:{address}", name=address, contacts=(contact,)),))
