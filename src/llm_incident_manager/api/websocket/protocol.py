"""uvicorn's WebSocket protocol, made to end what hangs, to name what is wrong, and to cost little while idle."""

import logging
from typing import Any

import msgspec
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.server import ServerProtocol

from llm_incident_manager.api.problems import MEDIA_TYPE, problem
from llm_incident_manager.api.websocket.paths import PATHS

WINDOW_BITS = 12
WORTH_PACKING = 1024
"""Bytes; what is shorter is sent as it is, which costs both sides less."""
LAST_SECONDS = 5.0
"""So long a connection that is over may take to get rid of what it still has to send."""
STOP_SECONDS = 4.0
"""So long after the server began to stop a connection is cut, whatever it still has to send."""
PACKED_AT_ONCE, PLAIN_AT_ONCE = 4096, 262_144
"""Bytes off the wire that are taken apart before what they hold is received."""
LINGER_SECONDS = 0.5
"""So long the rest of what is faulty is read, so that the reason arrives."""
_LOG = logging.getLogger("llm_incident_manager.websocket")


class SparingDeflate(PerMessageDeflate):
    """permessage-deflate (RFC 7692) that leaves short messages alone, and keeps no window between messages."""

    def encode(self, frame: Frame) -> Frame:
        """Return the frame as it is sent."""
        if frame.fin and len(frame.data) < WORTH_PACKING:
            return frame
        return super().encode(frame)


class _SparingFactory(ServerPerMessageDeflateFactory):
    def __init__(self) -> None:
        super().__init__(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            server_max_window_bits=WINDOW_BITS,
            client_max_window_bits=WINDOW_BITS,
            compress_settings={"memLevel": 5},
        )

    def process_request_params(self, params: Any, accepted_extensions: Any) -> Any:
        answer, made = super().process_request_params(params, accepted_extensions)
        return answer, _sparing(made)


def _sparing(made: Extension) -> Extension:
    assert isinstance(made, PerMessageDeflate)
    return SparingDeflate(
        made.remote_no_context_takeover,
        made.local_no_context_takeover,
        made.remote_max_window_bits,
        made.local_max_window_bits,
        made.compress_settings,
    )


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = ServerProtocol(extensions=[_SparingFactory()], max_size=config.ws_max_size, logger=_LOG)
        self._faulty = False
        self._raw = bytearray()

    def data_received(self, data: bytes) -> None:
        # After a fault in the protocol what still comes is read and dropped: closing over unread bytes would reset the
        # connection, and the other side would never read why (RFC 6455 §7.1.1).
        if not self._faulty:
            self._raw += data
            self._unpack()

    async def receive(self) -> Any:
        message = await super().receive()
        self._unpack()
        return message

    def _unpack(self) -> None:
        """Take frames apart until a message waits to be received: a few packed bytes may unpack to a thousand times."""
        size = PACKED_AT_ONCE if self.conn.extensions else PLAIN_AT_ONCE
        while self._raw and not self.read_paused and not self._faulty:
            piece = bytes(self._raw[:size])
            del self._raw[:size]
            super().data_received(piece)
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                self._no_handshake()

    def shutdown(self) -> None:
        """The server stops. Our own doors send what they owe before they close; others are closed here."""
        if self.handshake_complete and not self.close_sent and self.scope["path"] in PATHS:
            self.loop.call_later(STOP_SECONDS, self.transport.abort)
            return
        super().shutdown()

    def handle_cont(self, event: Frame) -> None:
        """Put a fragment behind the others, as one growing piece: a million of them must not be a million objects."""
        frames: list[Any] = self.frames
        if not frames or not isinstance(frames[0], bytearray):
            frames[:] = [bytearray(b"".join(frames))]
        frames[0] += event.data
        if event.fin:
            frames[:] = [bytes(frames[0])]
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        """Hand a complete message on; text that is not UTF-8 ends the connection (RFC 6455 §8.1)."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                self.frames = [b"".join(self.frames)]
                self.frames[0].decode()
            except UnicodeDecodeError as wrong:
                self.frames = []
                self.conn.fail(1007, f"the text is not UTF-8 at byte {wrong.start}; send JSON encoded as UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """What came is no WebSocket: say why where that is possible, and end."""
        self._faulty = True
        closing = self.conn.close_sent
        self.transport.write(b"".join(self.conn.data_to_send()))
        if closing is None:
            self.transport.close()
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": closing.code, "reason": closing.reason})
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)
        self._end_soon()

    def _no_handshake(self) -> None:
        """It asks for an upgrade, and is no handshake (a POST, say): uvicorn would leave it without an answer."""
        self._faulty = self.handshake_complete = self.close_sent = True
        detail = "this is no WebSocket handshake; send GET with Upgrade: websocket (RFC 6455 section 4.1)"
        content = msgspec.json.encode(problem(400, "invalid_handshake", detail))
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (MEDIA_TYPE.encode(), len(content)) + content)
        self.transport.close()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._end_soon()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if not self.disconnected and not self._faulty:
            self._end_soon(self.close_timeout if self.close_timer is not None else 0.0)

    def _end_soon(self, after: float = 0.0) -> None:
        # Closing waits until everything is sent; whoever does not read must not be waited for.
        self.loop.call_later(after + LAST_SECONDS, self.transport.abort)
