from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IncidentRequest(_message.Message):
    __slots__ = ("event_id", "source", "timestamp", "event_type", "category", "title", "description", "severity", "resource", "metrics", "tags", "payload", "source_version", "labels", "correlation_id", "parent_event_id", "dedup_key", "schema_version")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PayloadEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SOURCE_VERSION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEDUP_KEY_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    source: str
    timestamp: str
    event_type: str
    category: str
    title: str
    description: str
    severity: str
    resource: Resource
    metrics: _containers.ScalarMap[str, float]
    tags: _containers.ScalarMap[str, str]
    payload: _containers.ScalarMap[str, str]
    source_version: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    correlation_id: str
    parent_event_id: str
    dedup_key: str
    schema_version: str
    def __init__(self, event_id: _Optional[str] = ..., source: _Optional[str] = ..., timestamp: _Optional[str] = ..., event_type: _Optional[str] = ..., category: _Optional[str] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., severity: _Optional[str] = ..., resource: _Optional[_Union[Resource, _Mapping]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., tags: _Optional[_Mapping[str, str]] = ..., payload: _Optional[_Mapping[str, str]] = ..., source_version: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., correlation_id: _Optional[str] = ..., parent_event_id: _Optional[str] = ..., dedup_key: _Optional[str] = ..., schema_version: _Optional[str] = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("type", "id", "name", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    type: str
    id: str
    name: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, type: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class IncidentResponse(_message.Message):
    __slots__ = ("status", "event_id", "incident_id", "message", "errors", "code", "retry_after_seconds")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_SECONDS_FIELD_NUMBER: _ClassVar[int]
    status: str
    event_id: str
    incident_id: str
    message: str
    errors: _containers.RepeatedCompositeFieldContainer[FieldFault]
    code: str
    retry_after_seconds: float
    def __init__(self, status: _Optional[str] = ..., event_id: _Optional[str] = ..., incident_id: _Optional[str] = ..., message: _Optional[str] = ..., errors: _Optional[_Iterable[_Union[FieldFault, _Mapping]]] = ..., code: _Optional[str] = ..., retry_after_seconds: _Optional[float] = ...) -> None: ...

class EventBatch(_message.Message):
    __slots__ = ("batch_id", "events")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    events: _containers.RepeatedCompositeFieldContainer[IncidentRequest]
    def __init__(self, batch_id: _Optional[str] = ..., events: _Optional[_Iterable[_Union[IncidentRequest, _Mapping]]] = ...) -> None: ...

class BatchResponse(_message.Message):
    __slots__ = ("batch_id", "accepted", "duplicates", "rejected", "results")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    accepted: int
    duplicates: int
    rejected: int
    results: _containers.RepeatedCompositeFieldContainer[IncidentResponse]
    def __init__(self, batch_id: _Optional[str] = ..., accepted: _Optional[int] = ..., duplicates: _Optional[int] = ..., rejected: _Optional[int] = ..., results: _Optional[_Iterable[_Union[IncidentResponse, _Mapping]]] = ...) -> None: ...

class FieldFault(_message.Message):
    __slots__ = ("field", "message")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    field: str
    message: str
    def __init__(self, field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("incident_id",)
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    def __init__(self, incident_id: _Optional[str] = ...) -> None: ...

class UpdateRequest(_message.Message):
    __slots__ = ("incident_id", "action", "fields", "if_version")
    class FieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    IF_VERSION_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    action: str
    fields: _containers.ScalarMap[str, str]
    if_version: int
    def __init__(self, incident_id: _Optional[str] = ..., action: _Optional[str] = ..., fields: _Optional[_Mapping[str, str]] = ..., if_version: _Optional[int] = ...) -> None: ...

class Incident(_message.Message):
    __slots__ = ("id", "severity", "status", "category", "title", "description", "source", "created_at", "updated_at", "assigned_to", "assigned_team", "escalation_level", "external_id", "fingerprint", "impact", "source_event_id", "acknowledged_at", "resolved_at", "closed_at", "sla", "resource", "environment", "tags", "labels", "links", "duplicate_of", "parent_incident", "recurrence_of", "metrics", "resolution", "metadata", "event_type", "event_count", "event_metrics", "last_event_at", "snoozed_until", "imported", "allowed_actions", "ladder", "version")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class EventMetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_TO_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_TEAM_FIELD_NUMBER: _ClassVar[int]
    ESCALATION_LEVEL_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    IMPACT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_AT_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_AT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    SLA_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_OF_FIELD_NUMBER: _ClassVar[int]
    PARENT_INCIDENT_FIELD_NUMBER: _ClassVar[int]
    RECURRENCE_OF_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_METRICS_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_AT_FIELD_NUMBER: _ClassVar[int]
    SNOOZED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    LADDER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    severity: str
    status: str
    category: str
    title: str
    description: str
    source: str
    created_at: str
    updated_at: str
    assigned_to: str
    assigned_team: str
    escalation_level: int
    external_id: str
    fingerprint: str
    impact: str
    source_event_id: str
    acknowledged_at: str
    resolved_at: str
    closed_at: str
    sla: Sla
    resource: Resource
    environment: str
    tags: _containers.ScalarMap[str, str]
    labels: _containers.RepeatedScalarFieldContainer[str]
    links: _containers.RepeatedCompositeFieldContainer[Link]
    duplicate_of: str
    parent_incident: str
    recurrence_of: str
    metrics: Figures
    resolution: Resolution
    metadata: _containers.ScalarMap[str, str]
    event_type: str
    event_count: int
    event_metrics: _containers.ScalarMap[str, float]
    last_event_at: str
    snoozed_until: str
    imported: bool
    allowed_actions: _containers.RepeatedScalarFieldContainer[str]
    ladder: Ladder
    version: int
    def __init__(self, id: _Optional[str] = ..., severity: _Optional[str] = ..., status: _Optional[str] = ..., category: _Optional[str] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., source: _Optional[str] = ..., created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., assigned_to: _Optional[str] = ..., assigned_team: _Optional[str] = ..., escalation_level: _Optional[int] = ..., external_id: _Optional[str] = ..., fingerprint: _Optional[str] = ..., impact: _Optional[str] = ..., source_event_id: _Optional[str] = ..., acknowledged_at: _Optional[str] = ..., resolved_at: _Optional[str] = ..., closed_at: _Optional[str] = ..., sla: _Optional[_Union[Sla, _Mapping]] = ..., resource: _Optional[_Union[Resource, _Mapping]] = ..., environment: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., labels: _Optional[_Iterable[str]] = ..., links: _Optional[_Iterable[_Union[Link, _Mapping]]] = ..., duplicate_of: _Optional[str] = ..., parent_incident: _Optional[str] = ..., recurrence_of: _Optional[str] = ..., metrics: _Optional[_Union[Figures, _Mapping]] = ..., resolution: _Optional[_Union[Resolution, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., event_type: _Optional[str] = ..., event_count: _Optional[int] = ..., event_metrics: _Optional[_Mapping[str, float]] = ..., last_event_at: _Optional[str] = ..., snoozed_until: _Optional[str] = ..., imported: _Optional[bool] = ..., allowed_actions: _Optional[_Iterable[str]] = ..., ladder: _Optional[_Union[Ladder, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class Sla(_message.Message):
    __slots__ = ("acknowledgment_deadline", "resolution_deadline", "acknowledgment_breached", "resolution_breached")
    ACKNOWLEDGMENT_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGMENT_BREACHED_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_BREACHED_FIELD_NUMBER: _ClassVar[int]
    acknowledgment_deadline: str
    resolution_deadline: str
    acknowledgment_breached: bool
    resolution_breached: bool
    def __init__(self, acknowledgment_deadline: _Optional[str] = ..., resolution_deadline: _Optional[str] = ..., acknowledgment_breached: _Optional[bool] = ..., resolution_breached: _Optional[bool] = ...) -> None: ...

class Link(_message.Message):
    __slots__ = ("incident_id", "kind", "reason")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    kind: str
    reason: str
    def __init__(self, incident_id: _Optional[str] = ..., kind: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Figures(_message.Message):
    __slots__ = ("mttd", "mtta", "mttr")
    MTTD_FIELD_NUMBER: _ClassVar[int]
    MTTA_FIELD_NUMBER: _ClassVar[int]
    MTTR_FIELD_NUMBER: _ClassVar[int]
    mttd: float
    mtta: float
    mttr: float
    def __init__(self, mttd: _Optional[float] = ..., mtta: _Optional[float] = ..., mttr: _Optional[float] = ...) -> None: ...

class Resolution(_message.Message):
    __slots__ = ("root_cause", "resolution_notes", "resolved_by", "playbook_used")
    ROOT_CAUSE_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_NOTES_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_BY_FIELD_NUMBER: _ClassVar[int]
    PLAYBOOK_USED_FIELD_NUMBER: _ClassVar[int]
    root_cause: str
    resolution_notes: str
    resolved_by: str
    playbook_used: str
    def __init__(self, root_cause: _Optional[str] = ..., resolution_notes: _Optional[str] = ..., resolved_by: _Optional[str] = ..., playbook_used: _Optional[str] = ...) -> None: ...

class Ladder(_message.Message):
    __slots__ = ("level", "state", "next_at", "next_targets", "policy", "reason")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_AT_FIELD_NUMBER: _ClassVar[int]
    NEXT_TARGETS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    level: int
    state: str
    next_at: str
    next_targets: _containers.RepeatedScalarFieldContainer[str]
    policy: str
    reason: str
    def __init__(self, level: _Optional[int] = ..., state: _Optional[str] = ..., next_at: _Optional[str] = ..., next_targets: _Optional[_Iterable[str]] = ..., policy: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("severity", "status", "category", "source", "environment", "assigned_to", "assigned_team", "tags")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_TO_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_TEAM_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    severity: _containers.RepeatedScalarFieldContainer[str]
    status: _containers.RepeatedScalarFieldContainer[str]
    category: _containers.RepeatedScalarFieldContainer[str]
    source: _containers.RepeatedScalarFieldContainer[str]
    environment: _containers.RepeatedScalarFieldContainer[str]
    assigned_to: _containers.RepeatedScalarFieldContainer[str]
    assigned_team: _containers.RepeatedScalarFieldContainer[str]
    tags: _containers.ScalarMap[str, str]
    def __init__(self, severity: _Optional[_Iterable[str]] = ..., status: _Optional[_Iterable[str]] = ..., category: _Optional[_Iterable[str]] = ..., source: _Optional[_Iterable[str]] = ..., environment: _Optional[_Iterable[str]] = ..., assigned_to: _Optional[_Iterable[str]] = ..., assigned_team: _Optional[_Iterable[str]] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class IncidentChange(_message.Message):
    __slots__ = ("kind", "incident")
    KIND_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    incident: Incident
    def __init__(self, kind: _Optional[str] = ..., incident: _Optional[_Union[Incident, _Mapping]] = ...) -> None: ...
