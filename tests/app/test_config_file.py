"""The config file: what must load loads, and every fault is told with its line."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_incident_manager.app.config_channels import channel_checks
from llm_incident_manager.app.config_file import ConfigFile, ConfigFileInvalid, parse_config, read_config_file
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.engine.documents.apply import difference
from llm_incident_manager.engine.settings import TenantSettings, build_settings
from llm_incident_manager.errors import FieldFault
from tests.app.config_texts import EXAMPLE, SECURITY_POLICY, SENTINEL

PEOPLE = """
users:
  - {id: ana, contacts: {email: ana@example.com}}
  - {id: bo, contacts: {webhook: "https://example.com/bo"}}
teams:
  - {id: platform, members: [ana, bo]}
"""


def load(text: str, **environment: str) -> ConfigFile:
    return parse_config(text, environment=environment)


def settings_of(config: ConfigFile, tenant: str = "default") -> TenantSettings:
    built = build_settings(tenant, config.tenants[tenant], server=config.server)
    assert built.faults == ()
    return built


def faults_of(text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigFileInvalid) as refused:
        load(text, **environment)
    return str(refused.value).splitlines()


def test_the_example_loads_as_written() -> None:
    config = load(EXAMPLE)
    built = settings_of(config)
    assert config.notes == ()
    assert config.server.outgoing.allow == ("127.0.0.0/8",)
    assert config.server.channels["email"]["from"] == "incidents@example.com"
    assert built.events_per_minute == 1000
    assert [contact.channel for contact in built.users["ana"].contacts] == ["email", "webhook"]
    assert built.users["bo"].contacts[0].secret == "s3cret"
    assert built.teams["platform"].contacts == ()
    assert built.teams["platform"].escalation["manager"][0].label == "user:ana"
    assert built.catch_all.channels == ("email",)
    assert built.routes[0].policy == built.policies[0].id == "by-severity"
    assert [level.escalate_after for level in built.policies[0].levels] == [300, 900]
    assert built.schedules["primary"].layers[0].rotation.users == ("ana", "bo")
    assert built.rules[0].severity is Severity.P0
    assert built.thresholds[0].above == 10000


def test_the_shipped_example_loads() -> None:
    config = read_config_file(Path(__file__).parents[2] / "examples" / "incident-manager.yaml", environment={})
    assert settings_of(config).routes


@pytest.mark.requirement("ING-10")
def test_the_specifications_integration_loads_verbatim() -> None:
    built = settings_of(load(SENTINEL, SENTINEL_API_KEY="a-key-of-the-sentinel"))
    source = built.sources["llm-sentinel"]
    assert source.enabled
    assert source.key_header == "X-Sentinel-API-Key"
    assert source.severity_words["high"] is Severity.P1
    assert source.extra["retry"] == {"max_attempts": 3, "backoff": "exponential"}
    assert list(built.ingest_keys().values()) == ["llm-sentinel"]
    assert "a-key-of-the-sentinel" not in repr(built)


@pytest.mark.requirement("RTE-08")
@pytest.mark.requirement("RTE-04")
def test_the_specifications_security_policy_loads_verbatim_once_its_targets_exist() -> None:
    targets = """
users: [{id: ciso, contacts: {email: ciso@example.com}}]
teams:
  - {id: security-team, members: ciso}
  - {id: incident-response, contacts: {slack: "https://hooks.example.com/x"}}
"""
    config = load(SECURITY_POLICY + targets)
    (policy,) = settings_of(config).policies
    assert policy.conditions.source == ("llm-shield",)
    assert [level.escalate_after for level in policy.levels] == [300, 900, None]
    assert policy.levels[2].notification_channels == ("pagerduty", "sms", "phone")
    assert any("phone cannot be sent on yet" in str(note) for note in config.notes)
    assert any(fault.endswith('user "ciso" does not exist; known users: none') for fault in faults_of(SECURITY_POLICY))


FAULTY = {
    "unknown user as target": (
        PEOPLE + "escalation_policies:\n- name: x\n  levels:\n  - targets: [{type: user, id: bob}]\n",
        'config.yaml:10: escalation_policies[0].levels[0].targets[0]: user "bob" does not exist; known users: ana, bo',
    ),
    "unknown section": ("usrs: []\n", 'config.yaml:1: usrs: unknown section "usrs"; did you mean "users"?'),
    "unknown field": (
        "users:\n- id: ana\n  contcts: {}\n",
        'config.yaml:3: users[0].contcts: unknown field "contcts"; did you mean "contacts"?',
    ),
    "unset variable": (
        "users:\n- id: ana\n  name: ${NAME_OF_ANA}\n",
        "config.yaml:3: users[0].name: the variable NAME_OF_ANA is not set; set it, or write ${NAME_OF_ANA:-default}",
    ),
    "bad variable": (
        "users:\n- id: ana\n  name: ${1}\n",
        "config.yaml:3: users[0].name: a variable is written ${NAME} or ${NAME:-default}; "
        "write $${ for the signs themselves",
    ),
    "key twice": (
        "users: []\nteams: []\nusers: []\n",
        'config.yaml:3: users: the key "users" stands here twice; the first is on line 1',
    ),
    "id twice": (
        "users:\n- id: ana\n- id: ana\n",
        'config.yaml:3: users[1]: the id "ana" is that of users[0] too; ids are unique',
    ),
    "policy name twice": (
        PEOPLE + "escalation_policies:\n- {id: a, name: x, levels: {targets: {type: user, id: bo}}}\n"
        "- {id: b, name: x, levels: {targets: {type: user, id: bo}}}\n",
        'config.yaml:9: escalation_policies[1].name: "x" is the name of escalation_policies[0] too; names are unique',
    ),
    "no id": ("users:\n- time_zone: UTC\n", "config.yaml:2: users[0].name: is required"),
    "bad id": (
        "users:\n- id: a b\n",
        'config.yaml:2: users[0].id: "a b" cannot be an id; use up to 100 letters, digits and . _ - @ : +',
    ),
    "bad zone": (
        "users:\n- {id: ana, time_zone: Europe/Madird}\n",
        'config.yaml:2: users[0].time_zone: "Europe/Madird" is not a time zone; write it like Europe/Madrid',
    ),
    "bad address": (
        "users:\n- id: ana\n  contacts:\n    email: ana\n",
        'config.yaml:4: users[0].contacts.email: "ana" is not an e-mail address such as ana@example.com',
    ),
    "bad channel of a contact": (
        "users:\n- {id: ana, contacts: {emial: ana@example.com}}\n",
        'config.yaml:2: users[0].contacts.emial: "emial" is not a channel; did you mean "email"?',
    ),
    "webhook that is no URL": (
        "users:\n- {id: ana, contacts: {webhook: example.com}}\n",
        "config.yaml:2: users[0].contacts.webhook: is not a URL such as https://example.com/hook",
    ),
    "unknown member": (
        "teams:\n- id: a\n  members:\n  - zoe\n",
        'config.yaml:4: teams[0].members[0]: user "zoe" does not exist; known users: none',
    ),
    "unknown team of a route": (
        "routes:\n- {name: r, assign: {team: t}}\n",
        'config.yaml:2: routes[0].assign.team: team "t" does not exist; known teams: none',
    ),
    "unknown policy of a route": (
        PEOPLE + "routes:\n- name: r\n  assign: {team: platform}\n  policy: p\n",
        'config.yaml:10: routes[0].policy: policy "p" does not exist; known policies: none',
    ),
    "route to nowhere": (
        "routes:\n- name: r\n",
        "config.yaml:2: routes[0]: leads nowhere: give assign: {team: …} or a policy",
    ),
    "empty level": (
        "escalation_policies:\n- name: x\n  levels:\n  - level: 1\n    targets: []\n",
        "config.yaml:5: escalation_policies[0].levels[0].targets: level 1 reaches nobody; name at least one target",
    ),
    "level of people without contacts": (
        "users: [{id: ana}]\nescalation_policies:\n- name: x\n  levels:\n  - targets: [{type: user, id: ana}]\n",
        "config.yaml:5: escalation_policies[0].levels[0].targets: reaches nobody: user ana has no contacts",
    ),
    "no levels": (
        "escalation_policies:\n- name: x\n",
        "config.yaml:2: escalation_policies[0].levels: a policy needs at least one level",
    ),
    "severity": (
        "escalation_policies:\n- name: x\n  conditions:\n    severity: P7\n  levels: []\n",
        'config.yaml:4: escalation_policies[0].conditions.severity: "P7" is not one of P0, P1, P2, P3, P4',
    ),
    "channel of a level": (
        PEOPLE + "escalation_policies:\n- name: x\n  levels:\n  - targets: {type: user, id: bo}\n    channel: slcak\n",
        'config.yaml:11: escalation_policies[0].levels[0].channel: "slcak" is not a channel; did you mean "slack"?',
    ),
    "seconds": (
        PEOPLE + "escalation_policies:\n- name: x\n  levels:\n  - targets: {type: user, id: bo}\n"
        "    escalate_after: 5m\n",
        'config.yaml:11: escalation_policies[0].levels[0].escalate_after: "5m" is not a number of seconds',
    ),
    "levels out of order": (
        PEOPLE + "escalation_policies:\n- name: x\n  levels:\n  - {level: 2, targets: {type: user, id: bo}}\n"
        "  - {level: 1, targets: {type: user, id: bo}}\n",
        "config.yaml:11: escalation_policies[0].levels[1].level: level 1 stands after level 2; number them upwards",
    ),
    "active hours": (
        PEOPLE + "escalation_policies:\n- name: x\n  schedule: {active_hours: {start: 9:00, end: 18:00}}\n"
        "  levels: {targets: {type: user, id: bo}}\n",
        'config.yaml:9: escalation_policies[0].schedule.active_hours.start: "9:00" is not a time of day such as '
        "'09:00'",
    ),
    "yes is not true": (
        "users:\n- {id: ana, enabled: yes}\n",
        'config.yaml:2: users[0].enabled: "yes" is neither true nor false',
    ),
    "limit": (
        "limits:\n  body_bytes: -1\n",
        "config.yaml:2: limits.body_bytes: -1 is not between 1024 and 268435456 bytes",
    ),
    "network": (
        "outgoing:\n  allow:\n  - everything\n",
        'config.yaml:3: outgoing.allow[0]: "everything" is not a network such as 10.0.0.0/8',
    ),
    "server section of a tenant": (
        "tenants:\n  acme:\n    limits: {}\n",
        'config.yaml:3: tenants.acme.limits: "limits" is set for the whole server; move it to the top of the file',
    ),
    "fault inside a tenant": (
        "tenants:\n  acme:\n    teams:\n    - {id: t, members: ana}\n",
        'config.yaml:4: tenants.acme.teams[0].members: user "ana" does not exist; known users: none',
    ),
    "rule": (
        "classification:\n  rules:\n  - name: r\n    if: {}\n    severity: huge\n",
        'config.yaml:5: classification.rules[0].severity: is "huge"; it must be P0 to P4, or a word for one',
    ),
    "integration": (
        "integrations:\n  sentinel:\n    mode: psuh\n",
        'config.yaml:3: integrations.sentinel.mode: "psuh" is not one of push, pull, queue',
    ),
    "override without a zone": (
        "users: [{id: ana}]\nschedules:\n- id: s\n  layers: []\n  overrides:\n"
        "  - {user: ana, start: '2027-02-01T08:00:00', end: '2027-02-02T08:00:00Z'}\n",
        'config.yaml:6: schedules[0].overrides[0].start: "2027-02-01T08:00:00" is not an instant with its zone, '
        "such as '2027-02-01T08:00:00Z'",
    ),
    "tag": ("users: !!python/object:os.system []\n", None),
    "not YAML": ("users: [\nteams: ]]\n", None),
    "two documents": ("users: []\n---\nteams: []\n", None),
    "a list": ("- users\n", "config.yaml:1: the file must be a mapping of sections"),
    "unquoted variable in braces": ("users:\n- {id: ana, name: ${NAME:-}}\n", None),
    "control character": ("users: \x07\n", "config.yaml:1: this is not YAML: the character U+0007 is not allowed"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_is_told_with_its_line_and_remedy(name: str) -> None:
    text, expected = FAULTY[name]
    found = faults_of(text)
    if expected is None:
        assert all(fault.startswith("config.yaml:") for fault in found)
    else:
        assert expected in found


def test_every_fault_is_told_at_once_in_the_order_of_lines() -> None:
    found = faults_of("users:\n- {id: ana, rolle: x}\nroutes:\n- {name: r, policy: p}\nbogus: 1\n")
    assert [int(fault.split(":")[1]) for fault in found] == [2, 4, 5]


def test_words_that_yaml_1_1_would_change_stay_text() -> None:
    (user, team, other) = settings_words("users: [{id: 012}, {id: on}]\nteams: [{id: 1:30, members: [012, on]}]")
    assert (user, team, other) == ("012", "1:30", "on")


def settings_words(text: str) -> tuple[str, str, str]:
    built = settings_of(load(text))
    return next(iter(sorted(built.users))), next(iter(built.teams)), sorted(built.users)[1]


def test_a_variable_never_becomes_structure() -> None:
    config = load('users: [{id: ana, name: "${NAME}"}]', NAME="x}, {id: bo")
    assert settings_of(config).users["ana"].name == "x}, {id: bo"


def test_an_empty_variable_takes_the_default_and_two_dollars_mean_one() -> None:
    config = load("users:\n- id: ana\n  name: ${NAME:-Ana} $${NAME}\n", NAME="")
    assert settings_of(config).users["ana"].name == "Ana ${NAME}"


def test_a_number_may_come_from_a_variable() -> None:
    assert load("limits:\n  body_bytes: ${SIZE}\n", SIZE="4096").server.limits.body_bytes == 4096


def test_anchors_and_merge_keys_work_and_cannot_explode() -> None:
    config = load("users:\n- &a {id: ana, role: admin}\n- {<<: *a, id: bo}\n")
    assert settings_of(config).users["bo"].role == "admin"
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
    )
    assert any("200000 values" in fault for fault in faults_of(bomb))
    assert any("nested deeper" in fault for fault in faults_of("users: &a [*a]\n"))
    assert faults_of("users: " + "[" * 5000)


def test_tenants_are_apart() -> None:
    config = load(PEOPLE + "tenants: {acme: {name: Acme, users: [{id: zoe}]}}")
    assert set(settings_of(config, "acme").users) == {"zoe"}
    assert config.tenant_names == {"acme": "Acme"}


def test_an_ingest_key_is_kept_as_its_digest_only() -> None:
    (item,) = load(SENTINEL, SENTINEL_API_KEY="a-key-of-the-sentinel").tenants["default"]
    assert "a-key-of-the-sentinel" not in str(item.document)


def test_a_channels_own_check_is_told_with_its_line() -> None:
    with pytest.raises(ConfigFileInvalid) as refused:
        parse_config(
            "users: []\nemail:\n  smtp_url: x\n",
            environment={},
            check_channels={"email": lambda section: [FieldFault("smtp_url", "is wrong")]},
        )
    assert str(refused.value) == "config.yaml:3: email.smtp_url: is wrong"


def test_the_email_section_is_checked_by_the_email_channel() -> None:
    with pytest.raises(ConfigFileInvalid) as refused:
        parse_config("email:\n  smtp_url: ftp://x\n  from: nobody\n", environment={}, check_channels=channel_checks())
    assert [(fault.line, fault.path) for fault in refused.value.found] == [(2, "email.smtp_url"), (3, "email.from")]
    assert parse_config(EXAMPLE, environment={}, check_channels=channel_checks()).server.channels


def test_the_difference_names_what_is_new_changed_and_gone() -> None:
    old = load("users: [{id: ana}, {id: bo}]").tenants["default"]
    new = load("users: [{id: ana, role: admin}, {id: zoe}]").tenants["default"]
    found = difference(old, new)
    assert found.added == (("users", "zoe"),)
    assert found.changed == (("users", "ana"),)
    assert found.removed == (("users", "bo"),)
    assert not difference(old, old)


def test_a_missing_file_and_a_wrong_encoding_are_faults(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileInvalid, match="cannot be read: No such file"):
        read_config_file(tmp_path / "none.yaml", environment={})
    path = tmp_path / "config.yaml"
    path.write_bytes(b"users: []\nteams: \xff\n")
    with pytest.raises(ConfigFileInvalid, match=r"config\.yaml:2: the file is not UTF-8"):
        read_config_file(path, environment={})


def test_a_file_is_checked_with_the_channels_own_rules(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("email:\n  from: incidents@example.com\n")
    with pytest.raises(ConfigFileInvalid, match=r"config\.yaml:1: email\.smtp_url: "):
        read_config_file(path, environment={})


def test_an_empty_file_is_an_empty_configuration() -> None:
    assert load("") == load("# nothing\n") == ConfigFile(tenants={"default": []})


SECTIONS = st.sampled_from(
    ["users", "teams", "routes", "escalation_policies", "schedules", "templates", "sources", "integrations",
     "catch_all", "classification", "limits", "retention", "outgoing", "email", "tenants"]
)  # fmt: skip
FIELDS = st.sampled_from(
    ["id", "name", "contacts", "members", "levels", "targets", "type", "conditions", "severity", "tags", "assign",
     "policy", "escalation", "2", "fallback", "layers", "rotation", "users", "overrides", "channels", "email", "rules",
     "if", "thresholds", "authentication", "mapping", "schedule", "active_days", "active_hours", "repeat", "allow"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("${X}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(SECTIONS, VALUES, max_size=5))
def test_any_tree_loads_or_is_refused_with_lines(tree: dict[str, object]) -> None:
    try:
        config = load(yaml.safe_dump(tree))
    except ConfigFileInvalid as refused:
        if not all(fault.line >= 1 for fault in refused.found):
            raise
    else:
        settings_of(config)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200) | st.text("{}[]&*!|>'\"%@`:,-? \n#ab$<", max_size=60))
def test_any_text_loads_or_is_refused(text: str) -> None:
    with suppress(ConfigFileInvalid):
        load(text)
