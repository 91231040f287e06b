"""Tells the day: a server of its own, people with keys of their own, and a reader who sees each page arrive."""

import asyncio
import json
import secrets
import signal
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from llm_incident_manager.app.config import read_environment
from llm_incident_manager.app.demo.company import NAMES, configuration
from llm_incident_manager.app.demo.day import DAY, minutes_of
from llm_incident_manager.app.demo.day_clock import DayClock
from llm_incident_manager.app.demo.sink import Sink
from llm_incident_manager.app.demo.steps import Act, Chapter, Expect, Pass, Say, Send, Show, Step
from llm_incident_manager.app.serve import Server
from llm_incident_manager.client.incident_client import IncidentClient
from llm_incident_manager.errors import IncidentManagerError

Narrate = Callable[[str], None]
BATCH = 100
PATIENCE_SECONDS = 20.0
"""How long a page may take, in real time, before the story gives up."""


class StoryBroken(IncidentManagerError):
    """What the story promises did not happen."""

    code = "story_broken"


async def tell(narrate: Narrate, *, pause_seconds: float, stay: bool, day: tuple[Chapter, ...] = DAY) -> None:
    """Tell ``day`` to its end; with ``stay`` the server then runs on until Ctrl-C or SIGTERM.

    Raises StoryBroken where somebody was not paged who should have been.
    """
    task = asyncio.current_task()
    if task is not None and threading.current_thread() is threading.main_thread():
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    with tempfile.TemporaryDirectory(prefix="llm-incident-manager-demo-") as folder:
        try:
            await _told(Path(folder), narrate, pause_seconds, stay, day)
        except asyncio.CancelledError:
            narrate("\nThe demo ends; its folder is removed.")


async def _told(folder: Path, narrate: Narrate, pause_seconds: float, stay: bool, day: tuple[Chapter, ...]) -> None:
    sink, key = Sink(), secrets.token_urlsafe(32)
    clock = DayClock(timedelta(minutes=minutes_of(day)))
    pages_url, smtp_url = await sink.start()
    file = folder / "demo.yaml"
    # JSON is YAML, and needs no care with quoting.
    file.write_text(json.dumps(configuration(pages_url, smtp_url)), encoding="utf-8")
    environment = {
        "DATA_DIR": str(folder / "data"),
        "CONFIG_FILE": str(file),
        "HTTP_PORT": "0",
        "GRPC_PORT": "0",
        "OTLP_GRPC_PORT": "",
        "WS_PORT": "",
        "BOOTSTRAP_API_KEY": key,
    }
    server = Server(read_environment(environment), clock=clock)
    try:
        await server.start()
        try:
            with closing(Teller(server.url, key, clock, sink, narrate, pause_seconds)) as teller:
                await teller.begin()
                for number, chapter in enumerate(day, 1):
                    await teller.chapter(number, chapter)
                await teller.end(stay=stay)
            if stay:
                await asyncio.Event().wait()
        finally:
            await server.stop()
    finally:
        await sink.stop()


class Teller:
    """Carries out the steps over REST, as each person with a key of their own, and narrates what happens.

    Calls run in threads: the client waits for its answer, and the server that gives it runs in this very loop.
    """

    def __init__(self, url: str, key: str, clock: DayClock, sink: Sink, narrate: Narrate, pause_seconds: float) -> None:
        self._url = url
        self._clock = clock
        self._sink = sink
        self._narrate = narrate
        self._pause_seconds = pause_seconds
        self._admin = IncidentClient(url, key)
        self._people: dict[str, IncidentClient] = {}
        self._incidents: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._sent = 0

    def close(self) -> None:
        """Close everybody's connection."""
        for client in (self._admin, *self._people.values()):
            client.close()

    async def begin(self) -> None:
        """Give every person a key and the reader a way in."""
        for user in NAMES:
            wanted = {"name": f"{user}'s key", "scopes": ["read", "respond"], "user_id": user}
            made = await asyncio.to_thread(self._admin.make, "api_keys", wanted)
            self._people[user] = IncidentClient(self._url, made["key"])
        self._narrate("A day at an LLM company. On duty: " + ", ".join(NAMES.values()) + ".")
        self._narrate(f"Watch it happen, signed in as Dia (the link works once):\n  {await self._link('dia')}")

    async def chapter(self, number: int, chapter: Chapter) -> None:
        """Tell one trouble."""
        self._narrate(f"\n── {number}. {chapter.title} {'─' * max(3, 70 - len(chapter.title))}")
        for step in chapter.steps:
            await self._step(step)

    async def end(self, *, stay: bool) -> None:
        """Look back on the day: figures, and the proof that nothing was altered."""
        figures = await asyncio.to_thread(self._admin.metrics)
        checked = await asyncio.to_thread(self._admin.verify_audit)
        pages = len(self._sink.arrived)
        self._narrate(f"\n── The day in figures {'─' * 54}")
        self._narrate(f"{self._sent} events, {figures['total']} incidents, {pages} messages to people.")
        times = figures["groups"][0] if figures["groups"] else {}
        for name, words in (("mtta_seconds", "until somebody took it"), ("mttr_seconds", "until it was resolved")):
            if times.get(name):
                self._narrate(f"  {times[name]['mean'] / 60:.0f} min on average {words}")
        holds = "holds" if checked["valid"] else f"does NOT hold: {checked['first_fault']}"
        self._narrate(f"The audit trail {holds}: {checked['checked']} links checked.")
        if stay:
            self._narrate(f"\nLook around, signed in as Ana (the link works once):\n  {await self._link('ana')}")
            self._narrate(f"API docs: {self._url}/api/docs\nCtrl-C ends the demo and removes everything.")

    async def _step(self, step: Step) -> None:
        match step:
            case Say(text=text):
                self._tell(text)
                await asyncio.sleep(self._pause_seconds)
            case Pass(minutes=minutes):
                self._clock.advance(timedelta(minutes=minutes))
                self._narrate(f"       … {_span(minutes)} later")
            case Send():
                await self._send(step)
            case Expect():
                await self._expect(step)
            case Act():
                await self._act(step)
            case Show(name=name):
                await self._show(name)

    async def _send(self, step: Send) -> None:
        events = [self._event(step, number) for number in range(step.count)]
        source = step.event["source"]
        for start in range(0, len(events), BATCH):
            batch = events[start : start + BATCH]
            answer = await asyncio.to_thread(self._admin.send, batch)
            if answer["rejected"]:
                raise StoryBroken(f"the server rejected events of {source}: {answer['results'][0]['errors']}")
            self._incidents.setdefault(step.name, answer["results"][0]["incident_id"])
        self._sent += len(events)
        if step.opens:
            await self._counted(step.name, len(events))
        self._tell(f"{source} sends {_number(step.count, 'event')} → {self._incidents[step.name]}")

    async def _counted(self, name: str, more: int) -> None:
        """Wait until the incident shows every event sent: repeats are counted in batches, up to a second later."""
        self._counts[name] = self._counts.get(name, 0) + more
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                incident = await asyncio.to_thread(self._admin.incident, self._incidents[name])
                if incident["event_count"] >= self._counts[name]:
                    return
                await asyncio.sleep(0.1)

    def _event(self, step: Send, number: int) -> dict[str, Any]:
        event = dict(step.event)
        event["event_id"] = f"{step.name}-{self._sent + number:06d}"
        event["timestamp"] = self._clock.now().isoformat()
        if step.varies:
            event["payload"] = {"sample": step.varies[number % len(step.varies)]}
        return event

    async def _expect(self, step: Expect) -> None:
        incident_id = self._incidents[step.name]
        try:
            page = await self._sink.wait(step.to, step.channel, step.type, incident_id, seconds=PATIENCE_SECONDS)
        except TimeoutError:
            raise StoryBroken(
                f"{step.to} should have been told about {incident_id} by {step.channel} ({step.type}) and was not"
            ) from None
        how = "gets a mail" if page.channel == "email" else "is paged"
        words = {"escalated": "escalated: ", "resolved": "resolved: "}.get(step.type, "")
        self._tell(f"    {_name(step.to)} {how}: {words}{page.text}")
        await asyncio.sleep(self._pause_seconds)

    async def _act(self, step: Act) -> None:
        incident_id, client = self._incidents[step.name], self._people[step.who]
        after = await asyncio.to_thread(client.act, incident_id, step.action, step.fields)
        did = {"take": "takes it", "start_work": "starts to work on it", "resolve": "resolves it"}
        said = f": {step.fields['text']}" if "text" in step.fields else ""
        cause = f" (cause: {step.fields['root_cause']})" if "root_cause" in step.fields else ""
        word = did.get(step.action, "writes a comment" if said else step.action)
        self._tell(f"    {_name(step.who)} {word}{said} → {after['status']}{cause}")
        await asyncio.sleep(self._pause_seconds / 2)

    async def _show(self, name: str) -> None:
        incident = await asyncio.to_thread(self._admin.incident, self._incidents[name])
        owner = incident["assigned_to"] or incident["assigned_team"] or "nobody"
        events = _number(incident["event_count"], "event")
        self._tell(
            f"    {incident['id']}: {incident['severity']} {incident['status']}, {events}, "
            f"level {incident['escalation_level']}, {owner} has it"
        )

    async def _link(self, user: str) -> str:
        made = await asyncio.to_thread(self._admin.on_item, "users", user, "sign_in_links")
        return str(made["url"])

    def _tell(self, text: str) -> None:
        self._narrate(f"{self._clock.now():%H:%M}  {text}")


def _name(user: str) -> str:
    return NAMES[user].partition(" ")[0]


def _span(minutes: float) -> str:
    whole = round(minutes)
    return _number(whole, "minute") if whole < 60 else f"{whole // 60} h {whole % 60} min"


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
