"""While a storm is worked off, what is new is there at once, and people are answered."""

import http.client
import threading
import time
from pathlib import Path

import pytest

from tests.chaos.load import EVENTS, a_document, accepted, config_yaml, counted, drained
from tests.process import ServerProcess

NEW = 25


@pytest.mark.requirement("ING-01")
@pytest.mark.requirement("RES-01")
@pytest.mark.requirement("REL-05")
def test_the_get_right_after_the_202_answers_200_in_the_midst_of_a_storm(tmp_path: Path) -> None:
    over = threading.Event()
    sent: list[int] = []

    def storm() -> None:
        while not over.is_set():
            try:
                answer = server.post(EVENTS, [a_document("storm") for _ in range(100)])
            except (OSError, http.client.HTTPException):
                return
            assert answer.status == 202
            sent.append(answer.json["accepted"])

    with ServerProcess(tmp_path, config_yaml()) as server:
        threads = [threading.Thread(target=storm) for _ in range(3)]
        for thread in threads:
            thread.start()
        slowest = 0.0
        try:
            server.until("the storm has begun", lambda: len(sent) > 3)
            for _ in range(NEW):
                _, incident_id = accepted(server)
                began = time.monotonic()
                answer = server.get(f"/api/v1/incidents/{incident_id}")
                slowest = max(slowest, time.monotonic() - began)
                assert answer.status == 200, answer.body
                assert answer.json["id"] == incident_id
                taken = server.post(f"/api/v1/incidents/{incident_id}/take")
                assert (taken.status, taken.json["status"]) == (200, "ACKNOWLEDGED")
        finally:
            over.set()
            for thread in threads:
                thread.join()
        drained(server)
        counts = counted(server)
        assert counts.pop("storm") == sum(sent)
        assert len(counts) == NEW
        print(f"{sum(sent)} repeats, {NEW} new incidents seen and taken at once, slowest GET {1000 * slowest:.0f} ms")
