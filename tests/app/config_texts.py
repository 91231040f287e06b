# ruff: noqa: E501 - the texts stand here as they are written elsewhere
"""Texts that the config file must load as written."""

EXAMPLE = r"""
limits: {events_per_minute_per_source: 1000, buffer_bytes: 1073741824, body_bytes: 1048576}
retention: {events_days: 30, incidents_days: 730, audit_days: 2555}
outgoing: {allow: ["127.0.0.0/8"]}            # private networks that pages and webhooks may reach; none by default
users:
  - {id: ana, name: Ana, time_zone: Europe/Madrid, contacts: {email: ana@example.com, webhook: "http://127.0.0.1:8801/ana"}}
  - {id: bo, name: Bo, contacts: {webhook: {url: "http://127.0.0.1:8801/bo", secret: "${BO_SECRET:-s3cret}"}}}
teams:
  - id: platform
    name: Platform
    members: [ana, bo]
    contacts: {slack: "${SLACK_WEBHOOK:-}"}
    escalation: {2: [{type: user, id: bo}], 3: [{type: user, id: ana}], manager: {type: user, id: ana}}   # who L2, L3 and the incident manager of §4.3 are
catch_all: {targets: [{type: user, id: ana}], channels: [email]}
routes:
  - {name: everything, priority: 0, conditions: {}, assign: {team: platform}, policy: by-severity}
escalation_policies:
  - name: by-severity
    conditions: {}
    levels:
      - {level: 1, targets: [{type: user, id: ana}], escalate_after: 300, channels: [webhook, email]}
      - {level: 2, targets: [{type: user, id: bo}], escalate_after: 900, channels: [webhook]}
    repeat: {times: 0}
schedules:
  - id: primary
    name: Primary
    time_zone: Europe/Madrid
    layers: [{name: week, rotation: {type: weekly, length: 1, hand_off: '09:00', starts: '2027-01-04', users: [ana, bo]}}]
    overrides: [{user: bo, start: '2027-02-01T08:00:00Z', end: '2027-02-02T08:00:00Z'}]
email: {smtp_url: "smtp://127.0.0.1:2525", from: "incidents@example.com"}
classification:
  rules: [{name: data breach, if: {category: security, tags: {breach: "true"}}, severity: P0}]
  thresholds: [{metric: p95_latency_ms, above: 10000, severity: P0}]
"""

SENTINEL = r"""
integrations:
  llm-sentinel:
    enabled: true
    mode: push
    endpoint: https://sentinel.example.com/api/v1/incidents
    authentication:
      type: api_key
      api_key_header: X-Sentinel-API-Key
      api_key: ${SENTINEL_API_KEY}
    retry:
      max_attempts: 3
      backoff: exponential
    mapping:
      severity:
        critical: P0
        high: P1
        medium: P2
        low: P3
        info: P4
"""

SECURITY_POLICY = r"""
escalation_policies:
  - name: "Critical Security Violations"
    conditions:
      source: llm-shield
      severity: [P0]
      category: security
    levels:
      - level: 1
        targets: [{type: team, id: security-team}]
        escalate_after: 300  # 5 minutes
        channels: [pagerduty, slack]
      - level: 2
        targets: [{type: team, id: incident-response}]
        escalate_after: 900  # 15 minutes
        channels: [pagerduty, sms]
      - level: 3
        targets: [{type: user, id: ciso}]
        channels: [pagerduty, sms, phone]
"""
