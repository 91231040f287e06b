"""The process in which Apprise runs: a job a line on stdin, an answer a line on stdout, nothing else in or out.

Every connection goes through the guard by an audit hook (PEP 578), which sees the address itself, so that neither a
redirect nor a name that changes its answer leads around it; other programs and sockets of this machine are not reached.
"""

import json
import logging
import os
import re
import sys
from ipaddress import ip_address
from typing import Any

from llm_incident_manager.channels.outgoing import OutgoingGuard

_STATUS = re.compile(r"error\s*[=:]\s*\(?([1-5][0-9]{2})\b", re.IGNORECASE)
_FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "syslog.openlog")


class Refused(OSError):
    """The guard does not permit this connection."""


class Watch:
    """What happens while one message is sent: whether the guard refused something, and which status Apprise logged."""

    def __init__(self, guard: OutgoingGuard) -> None:
        self._guard = guard
        self.sending = False
        self.refused = False
        self.status: int | None = None

    def begin(self) -> None:
        """Forget the message before."""
        self.sending, self.refused, self.status = True, False, None

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raise where the process does what it may not (an audit hook)."""
        if not self.sending:
            return
        if event in _FORBIDDEN or event == "syslog.syslog":
            self._refuse()
        elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = arguments[1] if len(arguments) > 1 else None
            if not isinstance(address, tuple) or not self._may_reach(address):
                self._refuse()

    def _may_reach(self, address: tuple[Any, ...]) -> bool:
        try:
            found = str(ip_address(str(address[0]).partition("%")[0]))
        except ValueError:
            return False
        return self._guard.refusal(found) is None

    def _refuse(self) -> None:
        self.refused = True
        raise Refused("not permitted")


class StatusInLogs(logging.Handler):
    """Reads the HTTP status out of what Apprise logs; the text itself, which may hold secrets, goes nowhere."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.WARNING)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the status of a failure."""
        if (found := _STATUS.search(record.getMessage())) is not None:
            self._watch.status = int(found[1])


def main() -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - services may print
    first = json.loads(sys.stdin.buffer.readline())
    watch = Watch(OutgoingGuard(first["allow"]))
    sys.addaudithook(watch.audit)
    apprise = _loaded(watch)
    _say(answers, {"ready": True})
    for line in sys.stdin.buffer:
        job = json.loads(line)
        watch.begin()
        said = _sent(apprise, job)
        watch.sending = False
        if said == "failed" and watch.refused:
            said = "guarded"
        _say(answers, {"said": said, "status": watch.status})


def _loaded(watch: Watch) -> Any:
    # An extra, and this is the only process that needs it.
    import apprise

    log = logging.getLogger("apprise")
    log.handlers[:] = [StatusInLogs(watch)]
    log.propagate = False
    # All services are read now, so that the first message does not wait for them.
    apprise.Apprise().add("json://127.0.0.1")
    return apprise


def _sent(apprise: Any, job: dict[str, str]) -> str:
    asset = apprise.AppriseAsset(secure_logging=True, storage_mode="memory")
    asset.async_mode = False
    asset.app_id = asset.app_desc = "LLM-Incident-Manager"
    sender = apprise.Apprise(asset=asset)
    try:
        if not sender.add(job["url"]):
            return "invalid"
        for service in sender:
            service.overflow_mode = apprise.OverflowMode.TRUNCATE
        sent = sender.notify(body=job["text"], title=job["title"], notify_type=job["kind"], body_format="text")
    except Exception:
        # Whatever a service stumbles over is a message that was not sent.
        return "failed"
    return "sent" if sent else "failed"


def _say(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
