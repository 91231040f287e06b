"""Load on the real server while it is killed with ``kill -9`` at random instants; then every promise is looked up.

``python -m tests.chaos.kill_nine --kills 200`` runs it by itself; ``--seed`` draws the same load and the same delays
(the instants inside the process differ, as they do in life).
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from tests.chaos.ledger import Ledger, Sent, hash_of
from tests.chaos.pages import PageCheck
from tests.contract.fakes.receiver import WebhookReceiver
from tests.process import ServerProcess

CLIENTS = 6
SECRET = "chaos-signing-secret"
SHARE_OF_NEW = 0.12
PAUSE_SECONDS = 0.01
QUIET_SECONDS = 120.0


def configuration(receiver_url: str) -> str:
    """Return a config file in which Ana is paged by webhook, and nothing escalates by itself."""
    ana = {"url": f"{receiver_url}/ana", "secret": SECRET}
    level = {"level": 1, "targets": [{"type": "user", "id": "ana"}], "escalate_after": 86400, "channels": ["webhook"]}
    return json.dumps(
        {
            "limits": {"events_per_minute_per_source": 10_000_000},
            "outgoing": {"allow": ["127.0.0.0/8"]},
            "users": [{"id": "ana", "name": "Ana", "contacts": {"webhook": ana}}],
            "teams": [{"id": "platform", "name": "Platform", "members": ["ana"]}],
            "routes": [
                {"name": "all", "priority": 0, "conditions": {}, "assign": {"team": "platform"}, "policy": "slow"}
            ],
            "escalation_policies": [{"name": "slow", "conditions": {}, "levels": [level]}],
        }
    )


@dataclass
class Report:
    """What a run did and found; ``faults`` is empty if every promise was kept."""

    seed: int
    kills: int = 0
    figures: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = ", ".join(f"{name} {number}" for name, number in self.figures.items())
        replay = f"python -m tests.chaos.kill_nine --seed {self.seed} --kills {self.kills}"
        lines = [f"kill -9: {self.kills} kills in {self.seconds:.0f} s; {said}; again: {replay}"]
        return "\n".join([*lines, *self.faults[:40]])


class KillNine:
    """One run: :meth:`run` loads, kills, starts again, and checks."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ledger = Ledger(random.Random(seed + 1))
        self.report = Report(seed)
        self._folder = folder
        self._up = asyncio.Event()
        self._over = False
        self._kills: list[tuple[datetime, datetime]] = []
        self._paged: list[tuple[str, str]] = []
        self._looked = 0

    async def run(self, *, kills: int, seconds: float) -> Report:
        """Kill at least ``kills`` times and for at least ``seconds``, then check; never raises for a broken promise."""
        began = time.monotonic()
        async with WebhookReceiver() as self.receiver:
            self.server = ServerProcess(self._folder, configuration(self.receiver.url))
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(CLIENTS):
                        group.create_task(self._client())
                    while self.report.kills < kills or time.monotonic() - began < seconds:
                        await self._one_life()
                    self._over = True
                    await self._begin_life()
                await self._check()
                ended = await asyncio.to_thread(self.server.stop)
                if ended != 0:
                    self.report.faults.append(f"after SIGTERM it ended with code {ended}")
            finally:
                self.server.kill9()
        self.report.seconds = time.monotonic() - began
        self.report.faults += self.ledger.faults
        if self.report.faults:
            self.report.faults.append(self.server.tail)
        return self.report

    # -- the process

    async def _begin_life(self) -> None:
        self.server.start(wait=False)
        await asyncio.to_thread(self.server.wait_ready)
        self._up.set()

    async def _one_life(self) -> None:
        if self.chance.random() < 0.15:
            self.server.start(wait=False)
            await asyncio.sleep(self.chance.uniform(0.0, 2.0))  # killed while it starts
        else:
            await self._begin_life()
            # Often soon: what a start repeats must survive being killed as well.
            await asyncio.sleep(self.chance.choice([0.05, 0.3, 1.5, 3.0]) * self.chance.random())
        self._up.clear()
        before = datetime.now(UTC)
        if not self.server.running:
            self.report.faults.append(f"it ended by itself\n{self.server.tail}")
        self.server.kill9()
        self._kills.append((before, datetime.now(UTC)))
        self.report.kills += 1

    # -- the load

    async def _client(self) -> None:
        steps = [self._single, self._batch, self._send_again, self._look, self._act, self._storm]
        while not self._over:
            await self._up.wait()
            (step,) = self.chance.choices(steps, [40, 15, 15, 15, 15, 3])
            async with self._http() as http:
                with contextlib.suppress(httpx2.TransportError):
                    for _ in range(20 if step != self._storm else 2):
                        await step(http)
                        if self._over or not self._up.is_set():
                            break
                        await asyncio.sleep(
                            PAUSE_SECONDS * self.chance.random()
                        )  # two cores are shared with the server

    @contextlib.asynccontextmanager
    async def _http(self) -> AsyncIterator[httpx2.AsyncClient]:
        headers = {"Authorization": f"Bearer {self.server.key}"}
        async with httpx2.AsyncClient(base_url=self.server.url, headers=headers, timeout=30.0) as http:
            yield http

    async def _single(self, http: httpx2.AsyncClient) -> None:
        event = self.ledger.an_event(SHARE_OF_NEW)
        await self._post(http, event)
        if event.incident_id is not None and self.chance.random() < 0.3:
            await self._get(http, event.incident_id, "right after its 202")

    async def _post(self, http: httpx2.AsyncClient, event: Sent) -> None:
        known = event.answered
        event.tries += 1
        answer = await http.post("/api/v1/events", json=event.document)
        if answer.status_code != 202:
            self.ledger.faults.append(f"{event.event_id}: {answer.status_code} {answer.text[:200]}")
            return
        said = answer.json()
        self.ledger.answer(event, said["status"], said["incident_id"], known=known)

    async def _batch(self, http: httpx2.AsyncClient) -> None:
        events = [self.ledger.an_event(SHARE_OF_NEW) for _ in range(self.chance.randint(2, 15))]
        await self._post_batch(http, events)

    async def _storm(self, http: httpx2.AsyncClient) -> None:
        """Hundreds of repeats at once, so that large batches are in work when the process is killed."""
        await self._post_batch(http, [self.ledger.an_event(0.0) for _ in range(200)])

    async def _post_batch(self, http: httpx2.AsyncClient, events: Sequence[Sent]) -> None:
        before = [event.answered for event in events]
        for event in events:
            event.tries += 1
        answer = await http.post("/api/v1/events", json=[event.document for event in events])
        if answer.status_code != 202:
            self.ledger.faults.append(f"a batch: {answer.status_code} {answer.text[:200]}")
            return
        for event, said, known in zip(events, answer.json()["results"], before, strict=True):
            self.ledger.answer(event, said["status"], said["incident_id"], known=known)

    async def _send_again(self, http: httpx2.AsyncClient) -> None:
        """A sender repeats what was answered, and half of what was not."""
        some = self.chance.sample(list(self.ledger.sent.values()), k=min(5, len(self.ledger.sent)))
        some = [event for event in some if event.answered or hash_of(event.event_id) % 2]
        if some:
            await self._post_batch(http, some)

    async def _look(self, http: httpx2.AsyncClient) -> None:
        known = [event for event in list(self.ledger.sent.values())[-200:] if event.incident_id is not None]
        if known and (incident_id := self.chance.choice(known).incident_id):
            await self._get(http, incident_id, "under load")

    async def _get(self, http: httpx2.AsyncClient, incident_id: str, when: str) -> None:
        answer = await http.get(f"/api/v1/incidents/{incident_id}")
        self.ledger.counts["looked up"] += 1
        if answer.status_code != 200:
            self.ledger.faults.append(f"{incident_id} {when}: {answer.status_code} {answer.text[:200]}")

    async def _act(self, http: httpx2.AsyncClient) -> None:
        """People act on pages: only on what has reached them."""
        for request in self.receiver.requests[self._looked :]:
            if (page := request.json)["type"] == "incident_created":
                self._paged.append((page["incident"]["id"], page["incident"]["resource"]["id"]))
        self._looked = len(self.receiver.requests)
        if not self._paged:
            return
        incident_id, resource = self.chance.choice(self._paged[-50:])
        if self.chance.random() < 0.6:
            answer = await http.post(f"/api/v1/incidents/{incident_id}/take")
            done = self.ledger.taken
        else:
            self.ledger.touched.add(resource)
            resolution = {"root_cause": "a test", "resolution_notes": "over"}
            answer = await http.post(f"/api/v1/incidents/{incident_id}/resolve?walk=true", json=resolution)
            done = self.ledger.resolved
        if answer.status_code == 200:
            done.add(incident_id)
            self.ledger.counts["commands of people"] += 1
        elif answer.status_code != 409:  # 409: it is resolved already
            self.ledger.faults.append(f"{incident_id}: {answer.status_code} {answer.text[:200]}")

    # -- the end

    async def _check(self) -> None:
        ledger = self.ledger
        async with self._http() as http:
            await asyncio.to_thread(
                self.server.until,
                "all is triaged",
                lambda: self.server.metric("worker_queue_depth") == 0,
                QUIET_SECONDS,
            )
            incidents = await _all(http, "/api/v1/incidents", "incidents")
            ledger.check_counts(incidents, exact=False)
            promised = {event.incident_id for event in ledger.accepted()}
            for incident_id in sorted(promised - {None}):  # type: ignore[type-var]
                await self._get(http, str(incident_id), "at the end")
            never_answered = sum(not event.answered for event in ledger.sent.values())
            events = list(ledger.sent.values())
            for start in range(0, len(events), 100):
                await self._post_batch(http, events[start : start + 100])
            await asyncio.to_thread(
                self.server.until,
                "all is triaged",
                lambda: self.server.metric("worker_queue_depth") == 0,
                QUIET_SECONDS,
            )
            incidents = await _all(http, "/api/v1/incidents", "incidents")
            ledger.check_counts(incidents, exact=True)
            ledger.check_open(incidents)
            letters = await _all(http, "/api/v1/dead_letters", "dead_letters")
            ledger.faults += [f"a dead letter: {letter['reason']}: {letter['body'][:120]}" for letter in letters]
            pages = PageCheck(self.receiver.requests, self._kills, SECRET)
            await self._settled(http, incidents)
            pages.look(incidents)
            ledger.faults += pages.faults
            verified = (await http.get("/api/v1/audit/verify", timeout=300.0)).json()
            if not verified["valid"]:
                ledger.faults.append(f"the audit trail does not verify: {verified['first_fault']}")
        self.report.figures = {
            "events": len(ledger.accepted()),
            "never answered at first": never_answered,
            "incidents": len(incidents),
            **ledger.counts,
            "audit links checked": verified["checked"],
            **pages.figures,
        }

    async def _settled(self, http: httpx2.AsyncClient, incidents: Sequence[dict[str, Any]]) -> None:
        """Wait until no page is under way: one whose process was killed is claimed again when its lease ends."""
        until = time.monotonic() + QUIET_SECONDS
        for incident in incidents:
            while True:
                rows = (await http.get(f"/api/v1/incidents/{incident['id']}/notifications")).json()["notifications"]
                pending = [row for row in rows if row["state"] in ("planned", "retrying")]
                if not pending:
                    break
                if time.monotonic() > until:
                    self.ledger.faults.append(f"{incident['id']}: {pending[0]['sentence']}, for {QUIET_SECONDS:.0f} s")
                    break
                await asyncio.sleep(0.1)


async def _all(http: httpx2.AsyncClient, path: str, plural: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        answer = (await http.get(path, params=query)).raise_for_status().json()
        found += answer[plural]
        cursor = answer["next_cursor"]
        if cursor is None:
            return found


async def kill_nine(folder: Path, *, kills: int, seconds: float = 0.0, seed: int | None = None) -> Report:
    """Run it in ``folder`` and return the report: at least ``kills`` kills, and at least ``seconds`` of load."""
    return await KillNine(folder, random.randrange(1 << 30) if seed is None else seed).run(kills=kills, seconds=seconds)


def main() -> int:
    """Run from the command line; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description="kill -9 under load, many times")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.0, help="at least so long")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--folder", type=Path, help="where its data stays; default: a temporary one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lim-chaos-") as temporary:
        folder = given.folder or Path(temporary)
        report = asyncio.run(kill_nine(folder, kills=given.kills, seconds=given.seconds, seed=given.seed))
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
