"""The long proof sees what it is there for: a fault, a hang, memory that goes on growing."""

import random
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.hostile import proof as proving
from tests.hostile.log_requests import log_requests
from tests.hostile.proof import GROWTH_MB, Proof, tried
from tests.soak import Part, mutants_sentence, report

pytestmark = pytest.mark.requirement("SEC-05")


class Answers:
    """A sender whose answers, and their seconds on a clock of its own, are given."""

    def __init__(self, *answers: tuple[float, str]) -> None:
        self._answers: Iterator[tuple[float, str]] = iter(answers)
        self.now = 0.0
        self.drawn = 0

    def draw(self) -> object:
        self.drawn += 1
        return f"mutant {self.drawn}"

    def attempt(self, mutant: object) -> str:
        seconds, fault = next(self._answers)
        self.now += seconds
        return fault

    def close(self) -> None:
        """Nothing is open."""


def asked(monkeypatch: pytest.MonkeyPatch, amount: int, *answers: tuple[float, str]) -> proving.Tried:
    sender = Answers(*answers)
    monkeypatch.setattr(proving.time, "monotonic", lambda: sender.now)
    return tried(sender, amount)


def test_a_fault_is_told_with_its_mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(monkeypatch, 2, (0.1, ""), (0.1, "500: it failed"))
    assert (found.sent, found.faults) == (2, ["500: it failed for 'mutant 2'"])


def test_what_is_slow_every_time_is_a_hang_and_what_was_slow_once_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, 1, (1.5, ""), (0.2, "")).faults == []
    found = asked(monkeypatch, 1, (1.5, ""), (1.2, ""), (1.4, ""), (1.3, ""))
    assert found.faults == ["took 1.2 s for 'mutant 1'"]


def a_proof(growth: float = 0.0, *faults: str) -> Proof:
    return Proof(
        door="otlp", seed=7, sent=20_000, seconds=60, faults=list(faults), slowest_seconds=0.1, at_start_mb=150,
        first_mb=160, second_mb=160 + growth,
    )  # fmt: skip


def test_memory_that_grows_and_faults_fail_the_part() -> None:
    assert a_proof(GROWTH_MB - 0.1).passed
    assert not a_proof(GROWTH_MB).passed
    assert not a_proof(0, "500").passed
    assert mutants_sentence([a_proof(2)]) == (
        "no 5xx and no answer after more than a second; the second helping added at most 2.0 MB (otlp)"
    )
    said = mutants_sentence([a_proof(12), a_proof(1, "500")])
    assert said == "faults at otlp (seed 7); the second helping added otlp +12.0 MB"


def test_a_part_that_was_not_run_stays_in_the_report_as_it_was() -> None:
    before = "| part | how much |\n|---|---|\n| simulator | 10 seeds |\n| mutants | old |\n"
    part = Part(name="mutants", amount="5", seconds=1, result="nothing", passed=True)
    rows = [line for line in report([part], before).splitlines() if line.startswith("| ")]
    assert rows[1] == "| simulator | 10 seeds |"
    assert rows[2].startswith("| mutants | 5 | 1 s | passed: nothing | ")
    assert len(rows) == 3


def test_mutants_of_otlp_are_half_of_them_still_requests() -> None:
    read = 0
    for _, message in zip(range(200), log_requests(random.Random(1)), strict=False):
        try:
            ExportLogsServiceRequest.FromString(message)
        except Exception:
            continue
        read += 1
    assert 60 < read < 200
