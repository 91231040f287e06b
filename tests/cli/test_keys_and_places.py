"""Which key goes to which server: the one given, else the first key of a server on this machine, never to another."""

from pathlib import Path

import pytest

from tests.cli.conftest import Lim
from tests.cli.fake_rest import FakeRest

EMPTY = {"incidents": [], "next_cursor": None, "total": 0}


def key_sent(fake: FakeRest) -> str | None:
    return fake.asked[-1].headers.get("Authorization")


def test_the_key_of_the_environment_is_used(fake: FakeRest, lim: Lim) -> None:
    fake.answer(EMPTY)
    assert lim("incidents", "list", LIM_API_KEY="mine").exit_code == 0
    assert key_sent(fake) == "Bearer mine"


@pytest.mark.requirement("UI-02")
def test_on_the_servers_machine_its_first_key_is_found(fake: FakeRest, lim: Lim, tmp_path: Path) -> None:
    fake.answer(EMPTY)
    (tmp_path / "admin.key").write_text("first-key\n")
    assert lim("incidents", "list", LIM_API_KEY=None, DATA_DIR=str(tmp_path)).exit_code == 0
    assert key_sent(fake) == "Bearer first-key"


def test_the_data_folder_beside_is_looked_into(
    fake: FakeRest, lim: Lim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answer(EMPTY)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/admin.key").write_text("beside\n")
    monkeypatch.chdir(tmp_path)
    lim("incidents", "list", LIM_API_KEY=None)
    assert key_sent(fake) == "Bearer beside"


def test_a_local_key_never_leaves_for_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_incident_manager.app.cli.session import key_for

    (tmp_path / "admin.key").write_text("first-key\n")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BOOTSTRAP_API_KEY", "bootstrap")
    monkeypatch.delenv("LIM_API_KEY", raising=False)
    assert key_for("https://incidents.example.com") is None
    assert key_for("http://localhost.example.com:3000") is None
    assert key_for("http://127.0.0.1@example.com") is None
    assert key_for("http://127.0.0.1:3000") == "bootstrap"


def test_without_any_key_the_server_is_asked_and_its_refusal_told(fake: FakeRest, lim: Lim, tmp_path: Path) -> None:
    fake.problem(401, "unauthenticated", "an API key is needed")
    result = lim("incidents", "list", LIM_API_KEY=None, DATA_DIR=str(tmp_path))
    assert result.exit_code == 1
    assert "LIM_API_KEY" in result.stderr
    assert key_sent(fake) is None


def test_a_key_that_cannot_be_one_is_said_before_anything_is_sent(fake: FakeRest, lim: Lim) -> None:
    result = lim("incidents", "list", LIM_API_KEY="two words")
    assert result.exit_code == 1
    assert "LIM_API_KEY" in result.stderr
    assert fake.asked == []


def test_a_platform_key_names_its_tenant(fake: FakeRest, lim: Lim) -> None:
    fake.answer(EMPTY)
    lim("incidents", "list", "--tenant", "acme")
    assert fake.asked[-1].headers["X-Tenant"] == "acme"
