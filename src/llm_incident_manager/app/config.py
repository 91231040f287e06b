"""How this process runs: the environment's variables and the command line's flags, checked together."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from llm_incident_manager.app.environment import Environment, Secret
from llm_incident_manager.engine.keyring import Keyring, read_keys
from llm_incident_manager.errors import Invalid


class Mode(StrEnum):
    """Specification §7."""

    STANDALONE = "standalone"
    API = "api"
    WORKER = "worker"
    SIDECAR = "sidecar"
    AGGREGATOR = "aggregator"


class WorkerType(StrEnum):
    """What a worker does, specification §7.2."""

    CLASSIFIER = "classifier"
    ROUTER = "router"
    NOTIFIER = "notifier"
    ACTION = "action"
    SCHEDULER = "scheduler"
    ALL = "all"


class DatabaseType(StrEnum):
    """Specification §3.2.2."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


AVAILABLE_MODES = frozenset({Mode.STANDALONE})
AVAILABLE_BUSES = frozenset({"memory"})
_BUSES = ("memory", "redis", "nats", "amqp", "kafka")
_LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
_DATABASES = {"postgresql": DatabaseType.POSTGRESQL, "postgres": DatabaseType.POSTGRESQL, "sqlite": DatabaseType.SQLITE}
_PORTS = (0, 65535)


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the process must know before it opens anything; ``repr`` shows no secret.

    ``buffer_size`` counts events of one batch in memory; ``buffer_bytes`` bounds the journal, ``None`` leaves it to the
    config file. A port of 0 picks a free one; ``grpc_wanted``, ``otlp_wanted`` and ``ws_port_chosen`` say that it was
    named, so that it must be had; ``ws_port`` is ``None`` where HTTP's is enough, ``otlp_grpc_port`` where OTLP's is.
    ``notes`` say what is set without effect.
    """

    mode: Mode
    worker_type: WorkerType
    database: DatabaseType
    database_url: Secret | None
    db_path: Path
    data_dir: Path
    config_file: Path | None
    host: str
    http_port: int
    grpc_port: int
    ws_port: int | None
    ws_port_chosen: bool
    public_url: str | None
    bootstrap_api_key: Secret | None
    redis_enabled: bool
    redis_url: Secret | None
    bus_url: Secret
    kafka_brokers: tuple[str, ...]
    kafka_consumer_group: str | None
    central_endpoint: str | None
    service_name: str | None
    region: str | None
    buffer_size: int
    buffer_bytes: int | None
    tls_cert_file: Path | None
    tls_key_file: Path | None
    tls_client_ca_file: Path | None
    log_level: str
    encryption_keys: Keyring = Keyring()
    fast_intake: bool | None = None
    """``None``: on with a version of uvicorn that the short cut is proven with."""
    grpc_wanted: bool = False
    otlp_grpc_port: int | None = None
    otlp_wanted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def admin_key_file(self) -> Path:
        """Where the first admin key lies when ``BOOTSTRAP_API_KEY`` is not set."""
        return self.data_dir / "admin.key"


def read_environment(environment: Mapping[str, str], flags: Mapping[str, str | None] | None = None) -> ServerConfig:
    """Return the configuration; a flag (``mode``, ``worker_type``, ``config``, ``http_port`` …) goes first.

    An empty variable counts as not set.

    Raises:
        Invalid: ``invalid_environment``, naming every bad variable with its value and what would be right.
    """
    read = Environment(environment, flags or {})
    database, database_url = _database(read)
    db_path, data_dir = _places(read, database, database_url)
    config = ServerConfig(
        mode=_mode(read),
        worker_type=read.choice("WORKER_TYPE", WorkerType, WorkerType.ALL),
        database=database,
        database_url=database_url,
        db_path=db_path,
        data_dir=data_dir,
        config_file=read.path("CONFIG_FILE", flag="config"),
        host=read.text("HOST") or "127.0.0.1",
        http_port=read.whole("HTTP_PORT", 3000, *_PORTS),
        grpc_port=read.whole("GRPC_PORT", 9090, *_PORTS),
        ws_port=None if read.is_blank("WS_PORT") else read.whole("WS_PORT", 8080, *_PORTS),
        ws_port_chosen=read.text("WS_PORT") is not None,
        public_url=_public_url(read),
        bootstrap_api_key=_bootstrap_key(read),
        redis_enabled=_redis(read),
        redis_url=read.secret("REDIS_URL"),
        bus_url=_bus(read),
        kafka_brokers=tuple(
            broker.strip() for broker in (read.text("KAFKA_BROKERS") or "").split(",") if broker.strip()
        ),
        kafka_consumer_group=read.text("KAFKA_CONSUMER_GROUP"),
        central_endpoint=read.text("CENTRAL_ENDPOINT"),
        service_name=read.text("SERVICE_NAME"),
        region=read.text("REGION"),
        buffer_size=read.whole("BUFFER_SIZE", 1000, 1, 1_000_000),
        buffer_bytes=read.whole("BUFFER_BYTES", 0, 1024**2, 2**50) or None,
        tls_cert_file=read.file("TLS_CERT_FILE"),
        tls_key_file=read.file("TLS_KEY_FILE"),
        tls_client_ca_file=read.file("TLS_CLIENT_CA_FILE"),
        log_level=_log_level(read),
        encryption_keys=_encryption_keys(read),
        fast_intake=read.flag("FAST_INTAKE", False) if read.text("FAST_INTAKE") not in (None, "auto") else None,
        grpc_wanted=read.text("GRPC_PORT") is not None,
        otlp_grpc_port=None if read.is_blank("OTLP_GRPC_PORT") else read.whole("OTLP_GRPC_PORT", 4317, *_PORTS),
        otlp_wanted=read.text("OTLP_GRPC_PORT") is not None,
        notes=tuple(read.notes),
    )
    for given, other in (("TLS_CERT_FILE", "TLS_KEY_FILE"), ("TLS_KEY_FILE", "TLS_CERT_FILE")):
        if read.text(given) and not read.text(other):
            read.fault(given, f"needs {other} beside it; set both or neither")
    if read.text("TLS_CLIENT_CA_FILE") and not read.text("TLS_CERT_FILE"):
        read.fault("TLS_CLIENT_CA_FILE", "needs TLS_CERT_FILE and TLS_KEY_FILE beside it")
    read.refuse()
    return config


def _mode(read: Environment) -> Mode:
    mode = read.choice("MODE", Mode, Mode.STANDALONE)
    if mode not in AVAILABLE_MODES:
        available = ", ".join(sorted(AVAILABLE_MODES))
        read.fault("MODE", f"is not available in this version; use {available}")
    return mode


def _database(read: Environment) -> tuple[DatabaseType, Secret | None]:
    url = read.secret("DATABASE_URL")
    named = read.text("DB_TYPE")
    kind = _DATABASES.get(named.lower()) if named else None
    if named and kind is None:
        read.fault("DB_TYPE", "is not one of sqlite, postgresql")
    if url is None:
        if kind is DatabaseType.POSTGRESQL:
            read.fault("DB_TYPE", "needs DATABASE_URL, such as postgresql://user:password@host:5432/incidents")
        return kind or DatabaseType.SQLITE, None
    scheme = url.reveal().partition(":")[0].partition("+")[0].lower()
    spoken = _DATABASES.get(scheme)
    if spoken is None:
        read.fault("DATABASE_URL", "must start with postgresql:// or sqlite:///", show=False)
    elif kind is not None and kind is not spoken:
        read.fault("DB_TYPE", f"does not fit DATABASE_URL, which is {spoken}; set one of the two")
    return spoken or DatabaseType.SQLITE, url


def _places(read: Environment, database: DatabaseType, url: Secret | None) -> tuple[Path, Path]:
    """Return the database's file and the data folder; each follows from the other where only one is set."""
    db_path, data_dir = read.path("DB_PATH"), read.path("DATA_DIR")
    if database is DatabaseType.SQLITE and url is not None:
        inside = url.reveal().partition("://")[2].partition("?")[0].removeprefix("/")
        if not inside:
            read.fault("DATABASE_URL", "names no file; write sqlite:///data/incidents.db", show=False)
        elif db_path is not None and db_path != Path(inside):
            read.fault("DB_PATH", "is not the file that DATABASE_URL names; set one of the two")
        db_path = Path(inside) if inside else db_path
    data_dir = data_dir or (db_path.parent if db_path is not None else Path("data"))
    return db_path or data_dir / "incidents.db", data_dir


def _public_url(read: Environment) -> str | None:
    value = read.text("PUBLIC_URL")
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        read.fault("PUBLIC_URL", "is not a URL such as https://incidents.example.com")
    return value.rstrip("/")


def _bootstrap_key(read: Environment) -> Secret | None:
    key = read.secret("BOOTSTRAP_API_KEY")
    if key is not None and (not key.reveal().isascii() or any(not "!" <= letter <= "~" for letter in key.reveal())):
        read.fault(
            "BOOTSTRAP_API_KEY", "has spaces or signs that no header carries; use letters and digits", show=False
        )
    elif key is not None and len(key.reveal()) < 16:
        read.notes.append("BOOTSTRAP_API_KEY is shorter than 16 characters; choose a longer one")
    return key


def _redis(read: Environment) -> bool:
    """Return whether Redis is used: where its address is known, unless that is switched off."""
    url = read.secret("REDIS_URL")
    wanted = read.flag("REDIS_ENABLED", url is not None)
    if wanted and url is None:
        read.notes.append("REDIS_ENABLED=true has no effect without REDIS_URL, such as redis://127.0.0.1:6379/0")
    elif url is not None and url.reveal().partition("://")[0].lower() not in ("redis", "rediss", "unix"):
        read.fault("REDIS_URL", "must start with redis://, rediss:// or unix://", show=False)
    return wanted and url is not None


def _encryption_keys(read: Environment) -> Keyring:
    """Return the keys of ``ENCRYPTION_KEYS``, or of the file that ``ENCRYPTION_KEYS_FILE`` names."""
    written, file = read.secret("ENCRYPTION_KEYS"), read.file("ENCRYPTION_KEYS_FILE")
    if written is not None and file is not None:
        read.fault("ENCRYPTION_KEYS", "is set beside ENCRYPTION_KEYS_FILE; set one of the two", show=False)
        return Keyring()
    name, text = "ENCRYPTION_KEYS", written.reveal() if written is not None else None
    if file is not None and file.is_file():
        name = "ENCRYPTION_KEYS_FILE"
        try:
            text = file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            read.fault(name, "cannot be read as text; write id:base64, one key a line")
            return Keyring()
        if file.stat().st_mode & 0o077:
            read.notes.append(f"{name}: others on this machine may read the file; chmod 600 it")
    if text is None:
        return Keyring()
    try:
        return read_keys(text, name)
    except Invalid as invalid:
        for fault in invalid.faults:
            read.fault(name, fault.message, show=False)
        return Keyring()


def _bus(read: Environment) -> Secret:
    url = read.secret("BUS_URL") or Secret("memory:")
    scheme = url.reveal().partition(":")[0].lower()
    if scheme not in _BUSES:
        read.fault("BUS_URL", f"must start with one of {', '.join(f'{bus}:' for bus in _BUSES)}", show=False)
    elif scheme not in AVAILABLE_BUSES:
        read.fault("BUS_URL", f"{scheme}: is not available in this version; use memory:", show=False)
    return url


def _log_level(read: Environment) -> str:
    level = (read.text("LOG_LEVEL") or "info").lower()
    level = {"warn": "warning", "fatal": "critical"}.get(level, level)
    if level not in _LOG_LEVELS:
        read.fault("LOG_LEVEL", f"is not one of {', '.join(_LOG_LEVELS)}")
        return "info"
    return level
