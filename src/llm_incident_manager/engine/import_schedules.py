"""⑦ People bring their schedules with them: from Opsgenie, PagerDuty and Grafana OnCall, with proof of parity."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.oncall.schedule import Schedule, Swap
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.configure import Configure
from llm_incident_manager.engine.documents.kinds import Kind, slug
from llm_incident_manager.engine.documents.parse import parse
from llm_incident_manager.engine.schedule_imports.grafana_oncall import read_grafana_oncall
from llm_incident_manager.engine.schedule_imports.opsgenie import read_opsgenie
from llm_incident_manager.engine.schedule_imports.pagerduty import read_pagerduty
from llm_incident_manager.engine.schedule_imports.parity import parity
from llm_incident_manager.engine.schedule_imports.translation import Document, Translated, Unreadable, Who, moment
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.errors import FieldFault, Invalid

TOOLS: dict[str, Callable[[Document, Who, datetime], list[Translated]]] = {
    "opsgenie": read_opsgenie,
    "pagerduty": read_pagerduty,
    "grafana-oncall": read_grafana_oncall,
}


class ImportSchedules:
    """Translates, compares and stores; needs the scope ``admin``. Imported twice it replaces what it made."""

    def __init__(self, configure: Configure, settings: Callable[[str], TenantSettings], clock: Clock) -> None:
        self._configure = configure
        self._settings = settings
        self._clock = clock

    async def run(self, caller: Caller, tool: str, document: Document, *, dry_run: bool = False) -> dict[str, Any]:
        """Return ``{schedules: [{id, name, imported, faults, notes, parity}]}``; with ``dry_run`` nothing is stored.

        ``document`` is what the tool's API answered, with ``map`` from its users (id, name or e-mail) to ours. One
        schedule with faults does not keep the others out. Raises Invalid for a file that is none of the tool's.
        """
        caller.require(Scope.ADMIN)
        if tool not in TOOLS:
            fault = FieldFault("from", f"{tool!r} is not one of {', '.join(TOOLS)}")
            raise Invalid("there is no such tool to import from", [fault], code="invalid_parameter")
        settings = self._settings(caller.tenant)
        try:
            found = TOOLS[tool](document, self._who(settings, document.get("map")), self._clock.now())
        except Unreadable as unreadable:
            path, _, what = str(unreadable).partition(": ")
            raise Invalid(f"this is not what {tool} answers: {unreadable}", [FieldFault(path, what)]) from None
        if not found:
            raise Invalid("the file holds no schedule", [FieldFault("schedules", "is empty or missing")])
        return {"schedules": [await self._one(caller, settings, each, tool, dry_run=dry_run) for each in found]}

    async def _one(
        self, caller: Caller, settings: TenantSettings, found: Translated, tool: str, *, dry_run: bool
    ) -> dict[str, Any]:
        name = str(found.document["name"])
        document = {name_: value for name_, value in found.document.items() if value} | {
            "id": slug(name) or slug(found.id) or tool,
            "layers": found.document["layers"],
        }
        answer: dict[str, Any] = {"id": document["id"], "name": name, "imported": False, "notes": found.notes}
        faults = list(found.faults)
        if not faults:
            try:
                schedule = parse(Kind.SCHEDULES, document, settings.known)
                answer["parity"] = parity(_swapped(schedule, found.swaps), found.rendered)
                if not dry_run:
                    await self._store(caller, document, found.swaps, tool)
                    answer["imported"] = True
            except Invalid as refused:
                faults = list(refused.faults)
        answer["faults"] = [{"field": fault.field, "message": fault.message} for fault in faults]
        return {"parity": None} | answer

    async def _store(self, caller: Caller, document: Document, swaps: list[Document], tool: str) -> None:
        standing = self._settings(caller.tenant).schedules
        schedule = str(document["id"])
        if schedule in standing:
            await self._configure.replace(caller, Kind.SCHEDULES, schedule, document)
        else:
            await self._configure.create(caller, Kind.SCHEDULES, document)
        for number, swap in enumerate(swaps):
            made = swap | {
                "schedule": schedule,
                "id": f"{tool}-{slug(str(swap['id'])) or f'{schedule}-{number}'}"[:100],
            }
            known, _, _ = await self._configure.page(caller, Kind.SWAPS, limit=500)
            if any(each["id"] == made["id"] for each in known):
                await self._configure.replace(caller, Kind.SWAPS, made["id"], made)
            else:
                await self._configure.create(caller, Kind.SWAPS, made)

    def _who(self, settings: TenantSettings, given: object) -> Who:
        by_word: dict[str, str] = {}
        for user in settings.users.values():
            by_word[user.name.casefold()] = user.id
        for user in settings.users.values():
            mails = [contact.address for contact in user.contacts if contact.channel == "email"]
            by_word |= {word.casefold(): user.id for word in (*mails, user.id)}
        chosen = {str(key).casefold(): str(user) for key, user in given.items()} if isinstance(given, Mapping) else {}

        def who(user_id: str, name: str, email: str) -> str | None:
            words = [word.casefold() for word in (user_id, email, name) if word]
            mapped = next((chosen[word] for word in words if word in chosen), None)
            return mapped or next((by_word[word] for word in words if word in by_word), None)

        return who


def _swapped(schedule: Schedule, swaps: list[Document]) -> Schedule:
    made = tuple(
        Swap(user=each["user"], by=each["by"], start=moment(each["start"], ""), end=moment(each["end"], ""))
        for each in swaps
        if each["user"] and each["by"]
    )
    return msgspec.structs.replace(schedule, swaps=made)
