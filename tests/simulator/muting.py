"""People mute pages for a while: the silences of the simulated town, and what each process knows of them."""

import random
from datetime import timedelta

import msgspec

from llm_incident_manager.app.house import House
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.routing.silence import Matcher, Silence
from llm_incident_manager.engine.settings import SettingsMemory
from tests.simulator.town import TENANTS, settings_memory

MINUTES = (1, 7, 40, 200)
EVERYTHING = Matcher(name="alertname", value=".*", is_regex=True)


class Muting:
    """The silences as they are written, whatever happens to the process."""

    def __init__(self, chance: random.Random, clock: Clock) -> None:
        self._chance = chance
        self._clock = clock
        self._silences: dict[str, tuple[Silence, ...]] = {}

    def memory(self) -> SettingsMemory:
        """Return what a process reads at its start: the town, and the silences as they are."""
        memory = settings_memory()
        for tenant, silences in self._silences.items():
            memory.put(msgspec.structs.replace(memory.of(tenant), silences=silences))
        return memory

    async def by_somebody(self, house: House) -> None:
        """Mute pages for a while, or end what mutes them; a crash may come before the sweep."""
        tenant = self._chance.choice(TENANTS)
        standing = self._silences.get(tenant, ())
        if standing and self._chance.random() < 0.5:
            self._write(house, tenant, standing[1:])
        else:
            self._write(house, tenant, (*standing, self._silence(len(standing))))
        if self._chance.random() < 0.7:
            await house.silences.run_due()

    def end_all(self, house: House) -> None:
        """Leave no silence."""
        for tenant in list(self._silences):
            self._write(house, tenant, ())

    def _silence(self, number: int) -> Silence:
        now, chance = self._clock.now(), self._chance
        matcher = chance.choice((Matcher(name="severity", value=chance.choice(("P0", "P1", "P2"))), EVERYTHING))
        until = now + timedelta(minutes=chance.choice(MINUTES))
        return Silence(id=f"s{number}", matchers=(matcher,), starts_at=now, ends_at=until, comment="quiet")

    def _write(self, house: House, tenant: str, silences: tuple[Silence, ...]) -> None:
        self._silences[tenant] = silences
        house.settings.put(msgspec.structs.replace(house.settings.of(tenant), silences=silences))
