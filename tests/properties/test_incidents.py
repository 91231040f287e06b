"""Whatever people, sources and timers do in whatever order: replay agrees, timers agree, nobody is forgotten."""

import os
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from llm_incident_manager.domain.escalation.moves import wanted_timers
from llm_incident_manager.domain.escalation.timer import TimerKind
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import ChangeSet, PeopleTold
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.evolve import evolve, replay
from llm_incident_manager.domain.incidents.incident import Actor, Incident, Silencing
from llm_incident_manager.domain.incidents.ladder import StepKind
from llm_incident_manager.domain.incidents.transitions import InvalidTransition, next_status
from llm_incident_manager.domain.vocabulary import Action, ActorType, Category, NotificationType, Severity
from llm_incident_manager.errors import Conflict, Invalid
from tests.properties.walk import Walk

FACTOR = float(os.environ.get("PROPERTY_FACTOR", "1"))
PEOPLE = st.sampled_from(["ana", "bo", "lead"])
SEVERITIES = st.sampled_from(list(Severity))


class AnyLife(RuleBasedStateMachine):
    """One fingerprint's incidents under any sequence of events, actions and passing time."""

    @initialize(severity=SEVERITIES, category=st.sampled_from([Category.PERFORMANCE, Category.SECURITY, Category.COST]))
    def begin(self, severity: Severity, category: Category) -> None:
        self.walk = Walk()
        self.category = category
        self.ids: list[str] = []
        self._event(severity)

    def _event(self, severity: Severity, *, recovers: bool = False) -> None:
        found = self.walk.event(fingerprint="1:f", severity=severity, recovers=recovers, category=self.category)
        if found is not None and found not in self.ids:
            self.ids.append(found)

    @property
    def newest(self) -> str:
        return self.ids[-1]

    @rule(severity=SEVERITIES)
    def repeat(self, severity: Severity) -> None:
        self._event(severity)

    @rule()
    def recovery(self) -> None:
        self._event(Severity.P4, recovers=True)

    @rule(seconds=st.sampled_from([0.5, 59, 61, 299, 301, 899, 3601, 14401, 90000]))
    def time_passes(self, seconds: float) -> None:
        self.walk.pass_time(seconds)

    @rule(action=st.sampled_from(list(Action)), who=PEOPLE)
    def act(self, action: Action, who: str) -> None:
        try:
            self.walk.command(self.newest, lambda each: decide.act(each, action, by=_person(who)), who=who)
        except InvalidTransition:
            assert next_status(self.walk.incident(self.newest).status, action) is None

    @rule(who=PEOPLE)
    def take_twice(self, who: str) -> None:
        once = self.walk.command(self.newest, lambda each: decide.take(each, by=_person(who)), who=who)
        twice = self.walk.command(self.newest, lambda each: decide.take(each, by=_person(who)), who=who)
        assert once == twice

    @precondition(lambda self: self.walk.incident(self.newest).is_open)
    @rule(who=PEOPLE)
    def resolve(self, who: str) -> None:
        given = ResolutionGiven(root_cause="found")
        self.walk.command(
            self.newest, lambda each: decide.resolve(each, by=_person(who), given=given, walk=True), who=who
        )

    @precondition(lambda self: self.walk.incident(self.newest).is_open)
    @rule(severity=SEVERITIES)
    def set_severity(self, severity: Severity) -> None:
        self.walk.command(self.newest, lambda each: decide.set_severity(each, severity, reason="by hand"))

    @rule(minutes=st.integers(1, 300) | st.none())
    def snooze(self, minutes: int | None) -> None:
        now = self.walk.clock.now()
        until = now + timedelta(minutes=minutes) if minutes is not None else None
        try:
            self.walk.command(self.newest, lambda each: decide.snooze(each, until=until, at=now))
        except (Conflict, Invalid):
            pass

    @rule(minutes=st.integers(1, 300) | st.none())
    def silence(self, minutes: int | None) -> None:
        now = self.walk.clock.now()
        muting = Silencing(until=now + timedelta(minutes=minutes), silences=("s",)) if minutes is not None else None
        self.walk.command(self.newest, lambda each: decide.silence(each, muting))

    @rule(who=PEOPLE)
    def assign(self, who: str) -> None:
        self.walk.command(self.newest, lambda each: decide.assign(each, user=who, team=None))

    @invariant()
    def replay_agrees_with_what_is_stored_step_by_step(self) -> None:
        for incident, history in self._stories():
            state: Incident | None = None
            for change_set in history:
                state = evolve(state, change_set)
            assert state == replay(history) == incident

    @invariant()
    def timers_are_those_that_the_state_asks_for(self) -> None:
        for incident, _ in self._stories():
            rows = self.walk.transact(lambda tx, each=incident: tx.timers.of_incident(each.id))  # type: ignore[misc]
            assert set(rows) == set(wanted_timers(incident))

    @invariant()
    def nobody_is_forgotten(self) -> None:
        if hasattr(self, "walk"):
            assert self.walk.transact(lambda tx: tx.incidents.without_next_step()) == []

    @invariant()
    def nothing_escalates_after_it_was_resolved(self) -> None:
        for _, history in self._stories():
            state: Incident | None = None
            for change_set in history:
                if state is not None and not state.is_open:
                    told = [each.type for each in change_set.changes if isinstance(each, PeopleTold)]
                    assert NotificationType.ESCALATED not in told
                state = evolve(state, change_set)

    @invariant()
    def a_silenced_incident_has_the_end_of_its_silence_and_no_step_before_it(self) -> None:
        for incident, _ in self._stories():
            if incident.silence is not None and incident.is_open:
                kinds = {timer.kind for timer in wanted_timers(incident)}
                assert TimerKind.SILENCE in kinds
                assert not kinds & {TimerKind(each.value) for each in StepKind}

    @invariant()
    def nobody_is_told_by_the_ladder_while_it_is_silenced(self) -> None:
        for _, history in self._stories():
            state: Incident | None = None
            for change_set in history:
                before, state = state, evolve(state, change_set)
                muted = before is not None and before.silence is not None and state.silence is not None
                if muted and change_set.by.type is ActorType.SYSTEM:
                    told = [each for each in change_set.changes if isinstance(each, PeopleTold)]
                    assert [each.reason for each in told if each.step is not None] == []

    def _stories(self) -> list[tuple[Incident, list[ChangeSet]]]:
        if not hasattr(self, "walk"):
            return []
        return [
            (
                self.walk.incident(each),
                self.walk.transact(lambda tx, each=each: [link.changes() for link in tx.incidents.changes(each)]),  # type: ignore[misc]
            )
            for each in self.ids
        ]


def _person(name: str) -> Actor:
    return Actor(type=ActorType.USER, id=name, name=name)


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=int(40 * FACTOR), stateful_step_count=25, deadline=None, print_blob=True)
TestAnyLife.pytestmark = [
    pytest.mark.requirement("AUD-01"),
    pytest.mark.requirement("RTE-05"),
    pytest.mark.timeout(120 * max(1.0, FACTOR)),
]
