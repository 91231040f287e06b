"""The number that stands for severity, status, category and environment."""

from itertools import product

from llm_incident_manager.domain.vocabulary import Category, Environment, Severity, Status
from llm_incident_manager.storage.facets import Facets, facets_of, severity_and_status
from tests.build import an_incident

EVERY = [*product(Severity, Status, Category, [*Environment, None])]


def test_every_combination_has_a_number_of_its_own() -> None:
    numbers = set()
    for severity, status, category, environment in EVERY:
        number = facets_of(an_incident(severity=severity, status=status, category=category, environment=environment))
        assert severity_and_status(number) == (severity, status)
        numbers.add(number)
    assert len(numbers) == len(EVERY)
    assert sorted(numbers) == Facets().numbers()


def test_numbers_that_stand_in_databases_never_change() -> None:
    newest = an_incident(
        severity=Severity.P4, status=Status.CLOSED, category=Category.OTHER, environment=Environment.QA
    )
    first = an_incident(severity=Severity.P0, status=Status.NEW, category=Category.PERFORMANCE, environment=None)
    assert (facets_of(first), facets_of(newest)) == (0, 0o4554)


def test_a_choice_that_contradicts_itself_is_empty() -> None:
    assert Facets().narrowed(statuses=[Status.NEW]).narrowed(statuses=[Status.CLOSED]).numbers() == []
