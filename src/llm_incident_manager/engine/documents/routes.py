"""Routes as documents: ``{name, priority, conditions, schedule, assign: {…}, policy, continue, enabled}``."""

from typing import Any

from llm_incident_manager.domain.routing.route import Route
from llm_incident_manager.domain.routing.strategy import Assignment
from llm_incident_manager.engine.documents.assignment import read_assignment
from llm_incident_manager.engine.documents.findings import Findings, listed, quoted
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.people import read_id
from llm_incident_manager.engine.documents.periods import read_periods
from llm_incident_manager.engine.documents.targets import read_conditions

PRIORITIES = 1_000_000


def parse_route(document: dict[str, Any], known: Known, findings: Findings) -> Route:
    """Return a route; ``policy`` may be a policy's id or its name, the value holds the id."""
    part = Part(document, "", findings)
    route_id = read_id(part, Kind.ROUTES, document)
    policy = part.text("policy")
    assign = part.part("assign")
    assignment = read_assignment(assign, known, alone=not policy) if assign else Assignment()
    policy_id = known.policy_id(policy) if policy else None
    if policy and policy_id is None:
        part.fault(
            "policy", f"policy {quoted(policy)} does not exist; known policies: {listed(known.policies.values())}"
        )
    route = Route(
        name=part.text("name", limit=200) or route_id,
        priority=read_priority(part),
        conditions=read_conditions(part),
        schedule=read_periods(part),
        assign=assignment,
        policy=policy_id,
        goes_on=part.flag("continue", default=False),
        enabled=part.flag("enabled", default=True),
    )
    if assign is None and not policy:
        part.fault("", "leads nowhere: give assign: {team: …} or a policy")
    part.allow("description")
    part.done()
    return route


def read_priority(part: Part) -> int:
    """Return ``priority``; higher is looked at first, 0 where none is given."""
    return part.whole("priority", low=-PRIORITIES, high=PRIORITIES, unit="priority") or 0
