"""Where the pages of the demo arrive: a small web server and a small mail server that keep what they get."""

import asyncio
import email
import json
from email import policy
from typing import Any

import msgspec

_LONGEST = 1 << 20


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """One page as it arrived at a person's device."""

    to: str
    channel: str
    type: str
    incident_id: str
    text: str


class Sink:
    """Both servers; ``arrived`` has everything so far, :meth:`wait` waits for what is still to come."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self._news = asyncio.Condition()
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> tuple[str, str]:
        """Listen on free ports of this machine; return the web server's and the mail server's URL."""
        for speak in (self._web, self._mail):
            self._servers.append(await asyncio.start_server(speak, "127.0.0.1", 0, limit=_LONGEST))
        web, mail = (server.sockets[0].getsockname()[1] for server in self._servers)
        return f"http://127.0.0.1:{web}", f"smtp://127.0.0.1:{mail}"

    async def stop(self) -> None:
        """Close both."""
        for server in self._servers:
            server.close()
        for writer in tuple(self._open):
            writer.close()

    async def wait(self, to: str, channel: str, kind: str, incident_id: str, *, seconds: float) -> Arrived:
        """Return the page to ``to`` about the incident; raises TimeoutError where none comes."""

        def found() -> Arrived | None:
            wanted = (to, channel, incident_id)
            fitting = (each for each in self.arrived if (each.to, each.channel, each.incident_id) == wanted)
            return next((each for each in fitting if each.type in (kind, "")), None)

        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: found() is not None)
        page = found()
        assert page is not None
        return page

    async def _keep(self, page: Arrived) -> None:
        async with self._news:
            self.arrived.append(page)
            self._news.notify_all()

    async def _web(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                await self._keep(_webhook_page(first.split(" ")[1].strip("/"), json.loads(body)))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the sender is done
        finally:
            self._open.discard(writer)
            writer.close()

    async def _mail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(answer: str) -> None:
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()

        to = ""
        self._open.add(writer)
        try:
            await say("220 demo")
            while line := (await reader.readline()).decode("latin-1").strip():
                verb = line.upper()
                if verb.startswith("RCPT TO:"):
                    to = line[8:].strip().strip("<>").split(">")[0]
                if verb == "DATA":
                    await say("354 go on")
                    await self._keep(_mail_page(to, await reader.readuntil(b"\r\n.\r\n")))
                await say("221 bye" if verb == "QUIT" else "250 OK")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the sender is done
        finally:
            self._open.discard(writer)
            writer.close()


def _webhook_page(to: str, document: dict[str, Any]) -> Arrived:
    incident: dict[str, Any] = document.get("incident") or {}
    text = f"{incident.get('severity')} {incident.get('title')} (level {document.get('level')})"
    return Arrived(to=to, channel="webhook", type=str(document["type"]), incident_id=str(incident.get("id")), text=text)


def _mail_page(to: str, content: bytes) -> Arrived:
    message = email.message_from_bytes(content, policy=policy.default)
    body = message.get_body(("plain",))
    subject, text = str(message["subject"]), str(body.get_content()) if body is not None else ""
    words = f"{subject} {text}".replace("[", " ").replace("]", " ").replace("/", " ").split()
    incident_id = next((word.strip(".,:()") for word in words if word.startswith("INC-")), "")
    return Arrived(to=to.partition("@")[0], channel="email", type="", incident_id=incident_id, text=subject)
