"""The client for async code. Everything happens in the task that opened it and in tasks that end with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Self, TypeVar, Unpack

import anyio
from anyio.abc import TaskGroup

from ._decode import Unreadable, decode
from ._params import ListOptions, ThreadOptions, TurnOptions, list_params, thread_params, turn_params
from .approvals import Answerer, Declined, Handlers
from .config import CodexConfig
from .errors import CodexSdkError, ConnectError, TransportClosedError
from .events import Event
from .inputs import RunInput, wire_input
from .models import Account, Model, Page, ServerInfo, ThreadInfo, TurnResult
from .rpc import UNDO_S, Connection
from .transport import Transport, open_transport
from .turns import EventStream, TurnWatch

T = TypeVar("T")


class AsyncCodex:
    """A server, started or connected to by `async with AsyncCodex() as codex:`, and let go at its end, also when that
    is cancelled. The keywords are short for those of `CodexConfig`."""

    def __init__(
        self,
        config: CodexConfig | None = None,
        *,
        handlers: Handlers | None = None,
        codex_bin: str | None = None,
        address: str | None = None,
        token: str | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        options = {"codex_bin": codex_bin, "address": address, "token": token, "cwd": cwd, "env": env}
        self._config = (config or CodexConfig()).with_options(**options)
        self._handlers = handlers or Handlers()
        self._watches: set[TurnWatch] = set()
        self._connection: Connection | None = None
        self._transport: Transport | None = None
        self._tasks: TaskGroup | None = None
        self._metadata = ServerInfo()

    async def __aenter__(self) -> Self:
        if self._transport is not None:
            raise CodexSdkError("this client was opened before: make a new one")
        answerer = Answerer(self._handlers, self._note_declined)
        self._transport = await open_transport(self._config)
        self._connection = Connection(self._transport, answerer.ask)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        try:
            self._tasks.start_soon(self._connection.run)
            await self._shake_hands()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._connection is not None
        assert self._transport is not None
        assert self._tasks is not None
        self._connection.close()
        self._tasks.cancel_scope.cancel()
        try:
            # Without the exception of the caller's block, which leaves it as it is and not in a group.
            await self._tasks.__aexit__(None, None, None)
        finally:
            await self._transport.aclose()

    async def close(self) -> None:
        """End all calls; the server is let go at the end of the `async with` block."""
        if self._connection is not None:
            self._connection.close()

    async def _shake_hands(self) -> None:
        config = self._config
        info = {
            "name": config.client_name,
            "title": config.client_title,
            "version": config.client_version or _version(),
        }
        params = {"clientInfo": info, "capabilities": {"experimentalApi": config.experimental_api}}
        try:
            with anyio.fail_after(config.start_timeout_s):
                found = await self.request("initialize", params)
                await self._open.notify("initialized")
        except TimeoutError as error:
            text = f"the server did not answer the handshake within {config.start_timeout_s:g} s"
            raise ConnectError(text) from error
        except TransportClosedError as error:
            raise ConnectError(f"the server ended before it answered the handshake: {error}") from error
        self._metadata = _read(ServerInfo, found)

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise CodexSdkError("this client is not open: use it inside of `async with AsyncCodex() as codex:`")
        return self._connection

    @property
    def metadata(self) -> ServerInfo:
        """What the server said of itself."""
        return self._metadata

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Any request of the protocol, in its own words; its result. Raises `JsonRpcError`, `TransportClosedError`."""
        return await self._open.request(method, params)

    def events(self) -> EventStream:
        """All that the server tells from now on: `async with codex.events() as events: async for event in events:`."""
        return EventStream(self._open.router)

    # -- threads ---------------------------------------------------------------------------------

    async def thread_start(self, **options: Unpack[ThreadOptions]) -> AsyncThread:
        """A new thread."""
        return self._thread(await self.request("thread/start", thread_params(options)))

    async def thread_resume(self, thread_id: str, **options: Unpack[ThreadOptions]) -> AsyncThread:
        """A recorded thread, to go on with; its turns are in `info`."""
        return self._thread(await self.request("thread/resume", {"threadId": thread_id, **thread_params(options)}))

    async def thread_fork(self, thread_id: str, **options: Unpack[ThreadOptions]) -> AsyncThread:
        """A new thread that begins with the history of another."""
        return self._thread(await self.request("thread/fork", {"threadId": thread_id, **thread_params(options)}))

    async def thread_list(self, **options: Unpack[ListOptions]) -> Page[ThreadInfo]:
        """A page of recorded threads, the newest first; `cursor=page.next_cursor` for the next."""
        return _page(ThreadInfo, await self.request("thread/list", list_params(options)))

    async def thread_archive(self, thread_id: str) -> None:
        """Put a thread aside."""
        await self.request("thread/archive", {"threadId": thread_id})

    async def thread_unarchive(self, thread_id: str) -> ThreadInfo:
        """Put it back."""
        found = await self.request("thread/unarchive", {"threadId": thread_id})
        return _read(ThreadInfo, _member(found, "thread"))

    async def thread_delete(self, thread_id: str) -> None:
        """Remove a thread for good."""
        await self.request("thread/delete", {"threadId": thread_id})

    def _thread(self, found: Any) -> AsyncThread:
        return AsyncThread(self, _read(ThreadInfo, _member(found, "thread")), found)

    # -- models, account -------------------------------------------------------------------------

    async def models(
        self, *, include_hidden: bool = False, cursor: str | None = None, limit: int | None = None
    ) -> Page[Model]:
        """Models of the provider, the best first."""
        params = {"includeHidden": include_hidden, "cursor": cursor, "limit": limit}
        found = await self.request("model/list", {name: value for name, value in params.items() if value is not None})
        return _page(Model, found)

    async def account(self, *, refresh_token: bool = False) -> Account:
        """Who is signed in."""
        found = await self.request("account/read", {"refreshToken": refresh_token})
        account = found.get("account") if isinstance(found, dict) else None
        known = account if isinstance(account, dict) else {}
        return Account(
            kind=known.get("type"),
            email=known.get("email"),
            plan_type=known.get("planType"),
            requires_openai_auth=bool(_member(found, "requiresOpenaiAuth")),
            raw=found,
        )

    async def login_api_key(self, api_key: str) -> None:
        """Sign in with an API key, which the server keeps."""
        await self.request("account/login/start", {"type": "apiKey", "apiKey": api_key})

    async def logout(self) -> None:
        """Forget what is kept."""
        await self.request("account/logout")

    # -- turns -----------------------------------------------------------------------------------

    async def _start_turn(self, thread_id: str, params: Mapping[str, Any]) -> TurnWatch:
        connection = self._open
        watch = TurnWatch(connection.router, thread_id, self._watches)

        def interrupt(found: Any) -> tuple[str, dict[str, Any]] | None:
            """The caller was cancelled before it learnt of its turn, so nobody else can end it."""
            turn_id = _turn_id(found)
            return None if turn_id is None else ("turn/interrupt", {"threadId": thread_id, "turnId": turn_id})

        def claim(found: Any) -> None:
            if (turn_id := _turn_id(found)) is not None:
                watch.claim(turn_id)

        try:
            found = await connection.request("turn/start", params, undo=interrupt, at_answer=claim)
            if not watch.id:
                raise CodexSdkError(f"an answer of the server names no turn: {found!r:.200}")
        except BaseException:
            watch.forget()
            raise
        return watch

    def _note_declined(self, declined: Declined) -> None:
        request = declined.request
        for watch in self._watches:
            if watch.thread_id == request.thread_id and watch.id in ("", request.turn_id):
                watch.decline(declined)


class AsyncThread:
    """One thread. `info` is what the server told of it when it was opened, `settings` the whole answer, with model,
    sandbox and so on."""

    def __init__(self, codex: AsyncCodex, info: ThreadInfo, settings: Mapping[str, Any]) -> None:
        self._codex, self.info, self.settings = codex, info, settings
        self._last: AsyncTurnHandle | None = None

    @property
    def id(self) -> str:
        """The thread's id."""
        return self.info.id

    def __repr__(self) -> str:
        return f"AsyncThread({self.id!r})"

    async def turn(self, input: RunInput, **options: Unpack[TurnOptions]) -> AsyncTurnHandle:
        """Start a turn; it goes on by itself. No event of it is lost, however late they are read."""
        watch = await self._codex._start_turn(self.id, turn_params(self.id, input, options))
        self._last = AsyncTurnHandle(self._codex, watch)
        return self._last

    async def run(self, input: RunInput, **options: Unpack[TurnOptions]) -> TurnResult:
        """A whole turn. Raises `TurnFailedError`. When the caller is cancelled, the turn is interrupted."""
        handle = await self.turn(input, **options)
        try:
            return await handle.result()
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(UNDO_S, shield=True):
                await handle._interrupt_quietly()
            raise

    async def steer(self, input: RunInput) -> None:
        """More input for the turn that was started last here."""
        await self._turn.steer(input)

    async def interrupt(self) -> None:
        """Stop the turn that was started last here."""
        await self._turn.interrupt()

    @property
    def _turn(self) -> AsyncTurnHandle:
        if self._last is None:
            raise CodexSdkError(f"no turn of thread {self.id} was started here")
        return self._last

    async def fork(self, **options: Unpack[ThreadOptions]) -> AsyncThread:
        """A new thread that begins with the history of this one."""
        return await self._codex.thread_fork(self.id, **options)

    async def read(self, *, include_turns: bool = False) -> ThreadInfo:
        """The thread as it is now."""
        found = await self._codex.request("thread/read", {"threadId": self.id, "includeTurns": include_turns})
        return _read(ThreadInfo, _member(found, "thread"))

    async def set_name(self, name: str) -> None:
        """Give it a name."""
        await self._codex.request("thread/name/set", {"threadId": self.id, "name": name})

    async def compact(self) -> None:
        """Begin to shorten the history; `events` tell of the end."""
        await self._codex.request("thread/compact/start", {"threadId": self.id})

    async def archive(self) -> None:
        """Put it aside."""
        await self._codex.thread_archive(self.id)

    async def unsubscribe(self) -> None:
        """Hear no more of it; it goes on."""
        await self._codex.request("thread/unsubscribe", {"threadId": self.id})

    def events(self) -> EventStream:
        """All that is told of this thread from now on, of turns of other clients too; used as `AsyncCodex.events`."""
        return EventStream(self._codex._open.router, self.id)


class AsyncTurnHandle:
    """A turn that was started. Events and result may both be asked for, in any order."""

    def __init__(self, codex: AsyncCodex, watch: TurnWatch) -> None:
        self._codex, self._watch = codex, watch

    @property
    def id(self) -> str:
        """The turn's id."""
        return self._watch.id

    @property
    def thread_id(self) -> str:
        """The thread's id."""
        return self._watch.thread_id

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._watch.done

    def __repr__(self) -> str:
        return f"AsyncTurnHandle({self.id!r})"

    async def result(self) -> TurnResult:
        """Wait for the end. Raises `TurnFailedError`, `TransportClosedError`."""
        return await self._watch.result()

    def events(self) -> AsyncIterator[Event]:
        """The events of the turn, from its first to `TurnCompleted`; each is given once. Raises
        `TransportClosedError` when there is no end."""
        return self._watch.events()

    async def steer(self, input: RunInput) -> None:
        """More input, for the model to read before its next step."""
        params = {"threadId": self.thread_id, "expectedTurnId": self.id, "input": wire_input(input)}
        await self._codex.request("turn/steer", params)

    async def interrupt(self) -> None:
        """Stop it; it ends as interrupted."""
        await self._codex.request("turn/interrupt", {"threadId": self.thread_id, "turnId": self.id})

    async def _interrupt_quietly(self) -> None:
        try:
            if not self.done:
                await self.interrupt()
        except CodexSdkError:
            return  # it has ended, or the server has

    # The names of the official SDK.
    run = result
    stream = events


def _read(cls: type[T], found: Any) -> T:
    try:
        return decode(cls, found)
    except (Unreadable, KeyError) as error:
        raise CodexSdkError(f"an answer of the server cannot be read: {error}") from error


def _member(found: Any, name: str) -> Any:
    if not isinstance(found, dict) or name not in found:
        raise CodexSdkError(f"an answer of the server has no `{name}`: {found!r:.200}")
    return found[name]


def _turn_id(found: Any) -> str | None:
    turn = found.get("turn") if isinstance(found, dict) else None
    id = turn.get("id") if isinstance(turn, dict) else None
    return id if isinstance(id, str) and id else None


def _page(cls: type[T], found: Any) -> Page[T]:
    data, cursor = _member(found, "data"), found.get("nextCursor")
    if not isinstance(data, list):
        raise CodexSdkError(f"an answer of the server has no list: {found!r:.200}")
    return Page(data=tuple(_read(cls, one) for one in data), next_cursor=cursor if isinstance(cursor, str) else None)


def _version() -> str:
    from importlib.metadata import version

    return version("codex-sdk")
