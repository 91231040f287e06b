"""What the sister projects really send, byte by byte as it was found in their code; only values are made up."""

ANOMALY = (
    '{"alert_id":"7f8f7f0e-2b1c-4d6e-9a55-0c5a3b1d9e10","timestamp":"2026-02-21T10:30:00.123456Z",'
    '"severity":"critical","anomaly_type":"latency_spike","service_name":"chat-api","model":"gpt-4",'
    '"detection_method":"z_score","confidence":0.8947368421052632,"details":{"metric":"latency_ms",'
    '"value":5400.0,"baseline":800.0,"threshold":2000.0,"deviation_sigma":11.5,"additional":{}},'
    '"context":{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","user_id":"user-789","region":"us-west-2",'
    '"time_window":"rolling_window","sample_count":1000,"additional":{}},"root_cause":"Latency 5400.00ms is '
    '11.50 standard deviations above baseline 800.00ms","remediation":["Check service health and resource '
    'utilization","Review recent deployments or configuration changes"],"related_alerts":[],'
    '"runbook_url":null}'
)
"""Sentinel on its queue: the z-score detector."""

COST = (
    '{"alert_id":"0b0f7a52-7a0e-4a44-8f0a-3f3f4b0b8b11","timestamp":"2026-02-21T11:00:00Z",'
    '"severity":"medium","anomaly_type":"cost_anomaly","service_name":"rag-search","model":"claude-3-opus",'
    '"detection_method":"cusum","confidence":0.95,"details":{"metric":"cost_usd","value":1.24,'
    '"baseline":0.031,"threshold":0.531,"deviation_sigma":null,"additional":{"cusum_pos":5.609,'
    '"cusum_neg":0.0,"samples":118}},"context":{"trace_id":null,"user_id":null,"region":null,'
    '"time_window":"last_118_samples","sample_count":1000,"additional":{}},"root_cause":"Sustained cost '
    'increase detected (CUSUM: 5.61, baseline: $0.0310)","remediation":["Review recent API usage patterns",'
    '"Check for model version changes or pricing updates"],"related_alerts":[],"runbook_url":null}'
)
"""Sentinel: the CUSUM detector of cost."""

DECISION = (
    '{"agent_id":"prompt-injection-detection-agent","agent_version":"1.0.0",'
    '"decision_type":"prompt_injection_detection","inputs_hash":"d86fea128bec1f43770382dd71028d50b665a7d8c7e87'
    'ca272ee9c920c294bcc","outputs":{"threats_detected":true,"risk_score":0.575,"severity":"medium",'
    '"confidence":0.9099999999999999,"pattern_match_count":3,"detected_categories":["instruction_override",'
    '"system_prompt_attack","jailbreak"],"entity_count":3},"confidence":0.9099999999999999,'
    '"constraints_applied":[],"execution_ref":"0f9d5f6e-5a57-4c39-9d0c-1b7a0f6c2d11",'
    '"timestamp":"2026-02-21T10:35:00.000Z","duration_ms":1.84,"telemetry":{"content_length":80,'
    '"content_source":"user_input","session_id":"sess-abc123","caller_id":"user-789"}}'
)
"""Shield's prompt-injection agent."""

RESPONSE = (
    '{"result":{"agent":{"agent_id":"prompt-injection-detection-agent","agent_version":"1.0.0",'
    '"classification":"DETECTION_ONLY","decision_type":"prompt_injection_detection"},'
    '"result":{"threats_detected":true,"risk_score":0.575,"severity":"medium","confidence":0.9099999999999999,'
    '"entities":[{"entity_type":"prompt_injection","category":"instruction_override","start":0,"end":32,'
    '"confidence":0.85,"pattern_id":"IO-001","severity":"critical"},{"entity_type":"prompt_injection",'
    '"category":"system_prompt_attack","start":37,"end":62,"confidence":0.8,"pattern_id":"SP-006",'
    '"severity":"high"},{"entity_type":"prompt_injection","category":"jailbreak","start":76,"end":79,'
    '"confidence":0.9,"pattern_id":"JB-002","severity":"critical"}],'
    '"risk_factors":[{"factor_id":"rf-jailbreak","category":"jailbreak","description":"Detected 1 jailbreak '
    'pattern(s)","severity":"critical","score_contribution":0.95,"confidence":0.9}],"pattern_match_count":3,'
    '"detected_categories":["instruction_override","system_prompt_attack","jailbreak"]},"duration_ms":1.84,'
    '"cached":false},"execution_metadata":{"trace_id":"1c1b2a50-9a3c-4a3f-8a39-3e5d2d5a7e01",'
    '"timestamp":"2026-02-21T10:35:00.010Z","service":"shield-agents"},"layers_executed":["input_validation",'
    '"agent_dispatch","response_envelope"]}'
)
"""Shield's agents over HTTP."""

SCAN = (
    '{"result":{"isValid":false,"riskScore":0.95,"sanitizedText":"PromptInjection",'
    '"scannerResults":[{"scanner":"PromptInjection","isValid":false,"riskScore":0.95,'
    '"riskFactors":[{"description":"Detected 2 injection indicator(s)","severity":"Critical","score":0.95}],'
    '"entities":[{"entityType":"prompt_injection","text":"[instruction_override]","start":0,"end":80,'
    '"confidence":0.95}],"executionTimeMs":1}],"scanTimeMs":1,"cacheHit":false},'
    '"execution":{"executionId":"9b2f6a0e-51a5-4a7b-9e6f-0d9a7c1b2e3f","repoSpan":{"spanId":"a1",'
    '"spanType":"repo","parentSpanId":"p1","executionId":"9b2f6a0e-51a5-4a7b-9e6f-0d9a7c1b2e3f",'
    '"name":"llm-shield","attributes":{"repo_name":"llm-shield"},"startTime":"2026-02-21T10:35:00+00:00",'
    '"endTime":"2026-02-21T10:35:00+00:00","status":"completed","durationMs":1,"artifacts":[],"children":[]}}}'
)
"""Shield's Rust API."""

CIRCUIT = (
    r'{"version":"4","groupKey":"{}:{alertname=\"CircuitBreakerOpen\"}","truncatedAlerts":0,"status":"firing",'
    '"receiver":"incident-manager","groupLabels":{"alertname":"CircuitBreakerOpen"},'
    '"commonLabels":{"alertname":"CircuitBreakerOpen","severity":"warning","component":"resilience",'
    '"cluster":"llm-edge-agent-production","environment":"production"},'
    '"commonAnnotations":{"summary":"Circuit breaker is open"},"externalURL":"http://alertmanager:9093",'
    '"alerts":[{"status":"firing","labels":{"alertname":"CircuitBreakerOpen","severity":"warning",'
    '"component":"resilience","provider":"openai","instance":"llm-edge-agent:9090","job":"llm-edge-agent",'
    '"cluster":"llm-edge-agent-production","environment":"production"},"annotations":{"summary":"Circuit '
    'breaker is open","description":"Circuit breaker for openai is open on llm-edge-agent:9090"},'
    '"startsAt":"2026-02-21T10:40:00Z","endsAt":"0001-01-01T00:00:00Z",'
    '"generatorURL":"http://prometheus:9090/graph","fingerprint":"c3f1a6a0b8e9d7f2"}]}'
)
"""The edge agent's Prometheus rule, by Alertmanager."""

SIGNAL = (
    '{"timestamp":"2026-02-21T10:45:00Z","action":"incident.resolve","principal":"user:john.doe",'
    '"resource":"incident:INC-20260221-00042","outcome":"allowed","metadata":{"old_status":"IN_PROGRESS",'
    '"new_status":"RESOLVED","root_cause":"Database connection pool exhaustion"}}'
)
"""Governance's audit signal."""

AUDIT_ROW = (
    '{"action":"incident_resolved","resource_type":"incident","resource_id":"INC-20260221-00042",'
    '"details":{"actor":{"type":"user","id":"user-john.doe"},"changes":[{"field":"status",'
    '"old_value":"IN_PROGRESS","new_value":"RESOLVED"}]}}'
)
"""A row of the governance dashboard's audit log."""
