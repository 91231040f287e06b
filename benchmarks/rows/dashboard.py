"""How soon an event is on an open page, in a real browser."""

import importlib
import importlib.util
import shutil
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.bench import Bench
from benchmarks.calls import percentile
from benchmarks.missing import Missing
from benchmarks.product import product
from benchmarks.table import Figure, Goal, against
from benchmarks.templates import filled, sentinel_event

SHOWN = Goal(value=1.0, unit="s", at_most=True)
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def shown(bench: Bench) -> Iterator[Figure]:
    """Leave the list of incidents open, send events with pauses between them, and wait for each to be seen."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if importlib.util.find_spec("playwright") is None or chromium is None:
        raise Missing("no playwright, or no Chromium on PATH")
    browsers: Any = importlib.import_module("playwright.sync_api")
    number = bench.pick(100, 20)
    delays: list[float] = []
    with bench.folder() as folder, product(folder) as server, browsers.sync_playwright() as started:
        calls = server.calls()
        link = calls.post("/api/v1/users/ana/sign_in_links").document["url"]
        browser = started.chromium.launch(executable_path=chromium, args=SWITCHES)
        page = browser.new_page()
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/incidents")
        for count in range(number):
            began = time.perf_counter()
            body = filled(sentinel_event(title=f"Something new {count}"), f"seen-{count}")
            incident_id = calls.post("/api/v1/events", body).document["incident_id"]
            page.wait_for_selector(f"#row-{incident_id}", timeout=30_000)
            delays.append(time.perf_counter() - began)
            page.wait_for_timeout(100)
        browser.close()
    note = f"{number} events, median {percentile(delays, 0.5):.2f} s, worst {max(delays):.2f} s; from the request on"
    yield against(SHOWN, "an event is on the open dashboard after, p99", percentile(delays, 0.99), note=note)
