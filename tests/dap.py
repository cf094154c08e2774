"""A client of the Debug Adapter Protocol that does what VS Code does with a configuration of `launch.json`.

It resolves the entry's variables, starts debugpy's adapter, runs the program in a terminal of its own when the adapter
asks for one, and follows the processes that the program becomes. All of that happens in a place, which is this machine
or, as with VS Code's remote folders, another one.
"""

from __future__ import annotations

import json
import os
import pty
import queue
import re
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

#: Seconds for whatever is waited for, on a loaded machine.
PATIENCE = 120

Message = dict[str, Any]


#: Joins its standard input and output to a port.
RELAY = """\
import os, socket, sys, threading

def send():
    while data := os.read(0, 1 << 16):
        plug.sendall(data)
    plug.shutdown(socket.SHUT_WR)

plug = socket.create_connection((sys.argv[1], int(sys.argv[2])))
threading.Thread(target=send, daemon=True).start()
while data := plug.recv(1 << 16):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
"""


@dataclass(frozen=True)
class Place:
    """Where the editor's folder and its programs are: this machine. A subclass may start programs elsewhere.

    :ivar root: the folder that is open.
    :ivar environment: of the programs.
    """

    root: Path
    environment: Mapping[str, str]

    @property
    def python(self) -> str:
        """The interpreter that is chosen for the folder."""
        return str(self.root / ".venv/bin/python")

    def start(
        self, words: Sequence[str], *, cwd: str = "", environment: Mapping[str, str] | None = None, **streams: Any
    ) -> subprocess.Popen[bytes]:
        """Start a program, with variables besides those of all programs.

        :param streams: `stdin` and so on, of a terminal or pipes.
        """
        variables = {**self.environment, **(environment or {})}
        return subprocess.Popen(words, cwd=cwd or self.root, env=variables, **streams)

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with self.start(words, **pipes) as process:
            output, errors = process.communicate(given.encode(), timeout=4 * PATIENCE)
        return subprocess.CompletedProcess(words, process.returncode, output.decode(), errors.decode())

    def must(self, *words: str, given: str = "") -> str:
        """Run a program that has to succeed; give what it printed."""
        ran = self.run(*words, given=given)
        assert ran.returncode == 0, f"{' '.join(words)}:\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    def read(self, file: Path) -> str:
        """Return a file's text."""
        return self.must("cat", str(file))

    def write(self, file: Path, text: str) -> None:
        """Make a file."""
        self.must("tee", str(file), given=text)

    def entry(self, name: str, file: Path, inputs: Mapping[str, str] | None = None) -> Message:
        """Return an entry of the folder's `launch.json` as VS Code resolves it.

        :param file: the one that is open in the editor.
        :param inputs: what is typed into the prompts; each has its default otherwise.
        """
        text = re.sub(r"^\s*//.*$", "", self.read(self.root / ".vscode/launch.json"), flags=re.MULTILINE)
        launch = json.loads(text)
        entry = next(entry for entry in launch["configurations"] if entry["name"] == name)
        asked = {one["id"]: one.get("default", "") for one in launch.get("inputs", [])} | dict(inputs or {})
        values = {"file": str(file), "workspaceFolder": str(self.root)}
        values |= {f"input:{name}": value for name, value in asked.items()}

        def resolve(value: Any) -> Any:
            if isinstance(value, str):
                return re.sub(r"\$\{([^}]+)\}", lambda match: values[match[1]], value)
            if isinstance(value, list):
                return [resolve(one) for one in value]
            return {key: resolve(one) for key, one in value.items()} if isinstance(value, dict) else value

        resolved: Message = resolve(entry)
        if resolved["request"] == "launch":  # the extension adds the interpreter
            resolved.setdefault("python", [self.python])
        return resolved


@dataclass
class Terminal:
    """The integrated terminal: a pseudo-terminal, all that was written to it, and a keyboard."""

    process: subprocess.Popen[bytes]
    side: int
    _written: list[bytes] = field(default_factory=list)
    _thread: threading.Thread = field(init=False)

    @classmethod
    def run(cls, place: Place, words: list[str], cwd: str, environment: Mapping[str, str]) -> Self:
        """Start a program in it."""
        side, other = pty.openpty()
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), other)
        process = place.start(words, cwd=cwd, environment=environment, start_new_session=True, **streams)
        os.close(other)
        terminal = cls(process, side)
        terminal._thread = threading.Thread(target=terminal._read, daemon=True)
        terminal._thread.start()
        return terminal

    def close(self) -> None:
        """End the program, if it still runs."""
        self.process.kill()
        self.process.wait()
        self._thread.join(PATIENCE)
        os.close(self.side)

    def _read(self) -> None:
        with suppress(OSError):  # the last process has gone
            while data := os.read(self.side, 1 << 16):
                self._written.append(data)

    @property
    def text(self) -> str:
        """All that was written so far."""
        return b"".join(self._written).decode(errors="replace").replace("\r\n", "\n")

    def type(self, line: str) -> None:
        """Press keys, and Enter."""
        os.write(self.side, f"{line}\n".encode())


class Connection:
    """One debug session: requests out, responses and events in."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes], on_request: Callable[[Message], Message]) -> None:
        self._reader, self._writer, self._on_request = reader, writer, on_request
        self._sequence = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._responses: dict[int, Message] = {}
        self._events: list[Message] = []
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close both streams; whoever writes into the first has ended."""
        self._thread.join(PATIENCE)
        for stream in (self._reader, self._writer):
            with suppress(OSError):
                stream.close()

    def send(self, command: str, arguments: Message | None = None) -> int:
        """Send a request and do not wait for its answer."""
        return self._write({"type": "request", "command": command, "arguments": arguments or {}})

    def request(self, command: str, arguments: Message | None = None) -> Message:
        """Send a request and give the body of its answer."""
        return self.answer(self.send(command, arguments))

    def answer(self, sequence: int) -> Message:
        """Wait for the answer to a request."""
        response = self._wait(lambda: self._responses.pop(sequence, None), f"an answer to request {sequence}")
        assert response["success"], response
        return response.get("body") or {}

    def event(self, *names: str, patience: float | None = PATIENCE) -> Message:
        """Wait for an event of one of these names, and take it; without patience until the session ends."""

        def take() -> Message | None:
            found = next((event for event in self._events if event["event"] in names), None)
            if found:
                self._events.remove(found)
            return found

        return self._wait(take, f"one of the events {names}", patience)

    def _wait(self, condition: Callable[[], Message | None], what: str, patience: float | None = PATIENCE) -> Message:
        found: list[Message] = []

        def there() -> bool:
            if value := condition():
                found.append(value)
            return bool(found) or self._ended

        with self._changed:
            assert self._changed.wait_for(there, patience), f"not within {patience} s: {what}"
        assert found, f"the adapter ended before {what}"
        return found[0]

    def _write(self, message: Message) -> int:
        with self._lock:
            self._sequence += 1
            body = json.dumps({"seq": self._sequence, **message}).encode()
            with suppress(BrokenPipeError, ValueError):
                self._writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
                self._writer.flush()
            return self._sequence

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            while line := self._reader.readline():
                length = int(line.split(b":")[1])
                self._reader.readline()
                self._take(json.loads(self._reader.read(length)))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, message: Message) -> None:
        if message["type"] == "request":
            body = self._on_request(message)
            answer = {"type": "response", "request_seq": message["seq"], "command": message["command"]}
            self._write({**answer, "success": True, "body": body})
            return
        with self._changed:
            if message["type"] == "response":
                self._responses[message["request_seq"]] = message
            else:
                self._events.append(message)
            self._changed.notify_all()


@dataclass(frozen=True)
class Stop:
    """A program that stands at a breakpoint."""

    connection: Connection
    thread: int
    frame: Message

    @property
    def place(self) -> tuple[str, int]:
        """The file's name and the line."""
        return Path(self.frame["source"]["path"]).name, self.frame["line"]

    def locals(self) -> dict[str, str]:
        """Return the local variables as the editor shows them."""
        scopes = self.connection.request("scopes", {"frameId": self.frame["id"]})["scopes"]
        reference = next(scope for scope in scopes if scope["name"] == "Locals")["variablesReference"]
        found = self.connection.request("variables", {"variablesReference": reference})["variables"]
        return {one["name"]: one["value"] for one in found}

    def evaluate(self, expression: str) -> str:
        """Type an expression, or a statement, into the debug console."""
        asked = {"expression": expression, "frameId": self.frame["id"], "context": "repl"}
        result: str = self.connection.request("evaluate", asked)["result"]
        return result

    def resume(self) -> None:
        """Press F5."""
        self.connection.request("continue", {"threadId": self.thread})


class Debugger:
    """A debugging session from its start to the program's end.

    :param configuration: a resolved entry of `launch.json`.
    :param breakpoints: file -> lines.
    :param place: where adapter and terminals are.
    """

    def __init__(self, configuration: Message, breakpoints: Mapping[Path, list[int]], place: Place) -> None:
        self._configuration, self._breakpoints, self._place = configuration, breakpoints, place
        self._ends = ExitStack()
        self._connections: list[Connection] = []
        self._stops: queue.Queue[tuple[Connection, Message]] = queue.Queue()
        self.terminal: Terminal | None = None
        #: Each breakpoint as the adapter has taken it.
        self.verified: list[bool] = []

    def __enter__(self) -> Self:
        """Start the program, or attach to it."""
        self._ends.callback(self._close)
        if "connect" in self._configuration:  # its adapter is there
            self._follow(self._configuration)
            return self
        adapter = self._place.start(
            [self._place.python, "-m", "debugpy.adapter"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._ends.callback(self._end, adapter)
        self._begin(adapter, self._configuration)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End whatever still runs."""
        self._ends.close()

    def _end(self, adapter: subprocess.Popen[bytes]) -> None:
        self._connections[0].send("disconnect", {"terminateDebuggee": True})
        with suppress(subprocess.TimeoutExpired):
            adapter.wait(10)
        adapter.kill()
        adapter.wait()
        if self.terminal:
            self.terminal.close()

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _begin(self, adapter: subprocess.Popen[bytes], configuration: Message) -> None:
        """Begin a session with an adapter that this program is, or relays to."""
        assert adapter.stdin
        assert adapter.stdout
        connection = Connection(adapter.stdout, adapter.stdin, self._on_request)
        self._connections.append(connection)
        capabilities = {
            "adapterID": "debugpy",
            "supportsRunInTerminalRequest": True,
            "supportsStartDebuggingRequest": False,
        }
        connection.request("initialize", {**capabilities, "linesStartAt1": True, "columnsStartAt1": True})
        begun = connection.send(configuration["request"], configuration)
        connection.event("initialized")
        for file, lines in self._breakpoints.items():
            asked = {"source": {"path": str(file)}, "breakpoints": [{"line": line} for line in lines]}
            taken = connection.request("setBreakpoints", asked)["breakpoints"]
            self.verified += [one["verified"] for one in taken]
        connection.request("setExceptionBreakpoints", {"filters": []})
        connection.request("configurationDone")
        connection.answer(begun)
        threading.Thread(target=self._watch, args=(connection,), daemon=True).start()

    def _watch(self, connection: Connection) -> None:
        """Pass on stops; follow children as VS Code does."""
        with suppress(AssertionError):
            while event := connection.event("stopped", "debugpyAttach", patience=None):
                if event["event"] == "stopped":
                    self._stops.put((connection, event["body"]))
                    continue
                # Each by itself: a child that ends, or hangs, while it is followed leaves the others' sessions alone.
                threading.Thread(target=self._follow_child, args=(event["body"],), daemon=True).start()

    def _follow_child(self, configuration: Message) -> None:
        with suppress(AssertionError, OSError):
            self._follow(configuration)

    def _follow(self, configuration: Message) -> None:
        """Begin a session with an adapter that is there."""
        port = configuration["connect"]
        words = [self._place.python, "-c", RELAY, port["host"], str(port["port"])]
        relay = self._place.start(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._ends.callback(self._unplug, relay)
        self._begin(relay, configuration)

    @staticmethod
    def _unplug(relay: subprocess.Popen[bytes]) -> None:
        relay.kill()
        relay.wait()

    def _on_request(self, message: Message) -> Message:
        assert message["command"] == "runInTerminal", message
        asked = message["arguments"]
        environment = {name: value for name, value in (asked.get("env") or {}).items() if value is not None}
        self.terminal = Terminal.run(self._place, asked["args"], asked["cwd"], environment)
        return {}

    def stop(self) -> Stop:
        """Wait for the next stop at a breakpoint."""
        stop = self.stop_or_end()
        assert stop, f"it ended before a breakpoint: {self.text}"
        return stop

    def stop_or_end(self) -> Stop | None:
        """Wait for the next stop, or give None where the program has ended before one."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            ended = self.terminal is not None and self.terminal.process.poll() is not None
            with suppress(queue.Empty):
                connection, body = self._stops.get(timeout=0.2)
                assert body["reason"] == "breakpoint", body
                trace = connection.request("stackTrace", {"threadId": body["threadId"], "startFrame": 0, "levels": 1})
                return Stop(connection, body["threadId"], trace["stackFrames"][0])
            if ended:
                return None
        raise AssertionError(f"no stop within {PATIENCE} s: {self.text}")

    @property
    def text(self) -> str:
        """All that the terminal shows so far."""
        return self.terminal.text if self.terminal else ""

    def type(self, line: str) -> None:
        """Press keys in the terminal, and Enter."""
        assert self.terminal
        self.terminal.type(line)

    def exit_code(self) -> int:
        """Wait for the program's end."""
        assert self.terminal
        return self.terminal.process.wait(PATIENCE)
