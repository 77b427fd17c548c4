"""What keys and commands do on the screen."""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import CodexError, ProtocolError, UserError

from ..commands.line import FAILED, SEND, run_line
from ..commands.table import find
from ..render import load_theme, themes
from ..session.cells import AgentCell, CardCell, UserCell
from ..session.controller import Draft
from .editor import edit_outside

if TYPE_CHECKING:
    from .app import CodexApp

SECOND_PRESS_S = 2.0
SUMMARY_CHARS = 200
MOST_TO_COPY = 100_000
"""Bytes; terminals take no more of it (OSC 52)."""
CONVERSATION, BOTH, FILES = "conversation", "both", "files"


class Actions:
    """Acts on an application."""

    def __init__(self, app: CodexApp) -> None:
        self._app = app
        self._pressed_at = float("-inf")

    # -- sending ---------------------------------------------------------------------------------

    async def send_line(self, draft: Draft, *, queue: bool) -> None:
        """What the user has written: a command of theirs (`!`), one of ours (`/`), or input for the agent."""
        app, text = self._app, draft.text
        if text.startswith("!") and text[1:].strip():
            try:
                await app.session.shell(text[1:].strip())
            except CodexError:
                app.composer.set_text(text)
                raise
            return
        if text.startswith("/"):
            outcome = await run_line(app.commands, text)
            if outcome.result == FAILED and not app.composer.text and _can_be_mended(text):
                app.composer.set_text(text, draft.images)
            if outcome.result != SEND:
                return
            draft = Draft(text=outcome.text, images=(*draft.images, *outcome.images), mentions=draft.mentions)
        await app.send(draft, queue=queue)

    # -- keys ------------------------------------------------------------------------------------

    async def key(self, action: str) -> bool:
        """A key that concerns the whole screen; False if it does nothing here."""
        act = self._keys().get(action)
        if act is None:
            return False
        found = act()
        if isinstance(found, Awaitable):
            self._app.go(_awaited(found))
        return True

    def _keys(self) -> dict[str, Callable[[], Any]]:
        app = self._app
        view = app.transcript_view
        found: dict[str, Callable[[], Any]] = {
            "cancel": self.cancel,
            "quit": partial(self.quit_pressed, sure=not app.composer.text),
            "interrupt": app.session.interrupt,
            "transcript": self.show_transcript,
            "clear-screen": self.clear,
            "external-editor": self.edit_draft,
            "copy": partial(run_line, app.commands, "/copy"),
            "next-mode": partial(run_line, app.commands, "/approvals"),
            "effort-up": partial(self._change_effort, 1),
            "effort-down": partial(self._change_effort, -1),
            "edit-queued": self.edit_queued,
            "help": partial(run_line, app.commands, "/help"),
            "toggle-vim": self.toggle_vim,
        }
        if view is not None:
            for name in ("scroll-up", "scroll-down", "scroll-top", "scroll-bottom"):
                found[name] = partial(view.act, name)
        return found

    def cancel(self) -> None:
        """ctrl+c: what is written is put aside, else the turn is stopped, else twice to leave."""
        app = self._app
        if app.composer.text:
            app.composer.keep_draft()
        elif app.session.busy:
            app.go(app.session.interrupt())
        else:
            self.quit_pressed(sure=False)

    def quit_pressed(self, *, sure: bool) -> None:
        """Leave if it is sure, or asked for twice."""
        app, now = self._app, time.monotonic()
        if sure or now - self._pressed_at < SECOND_PRESS_S:
            app.leave()
            return
        self._pressed_at = now
        app.hint = f"{app.keymap.hint('global', 'cancel')} again to leave"
        app.refresh_status()

    async def _change_effort(self, step: int) -> None:
        session = self._app.session
        listed = (await session.link.request("model/list", {}))["data"]
        model = next((entry for entry in listed if session.status.model in (entry.get("model"), entry["id"])), None)
        efforts = [one["reasoningEffort"] for one in (model or {}).get("supportedReasoningEfforts", ())]
        if not efforts:
            session.notice("info", f"{session.status.model} has no efforts to choose from")
            return
        now = session.status.effort or (model or {}).get("defaultReasoningEffort")
        place = efforts.index(now) if now in efforts else 0
        await run_line(self._app.commands, f"/effort {efforts[max(0, min(len(efforts) - 1, place + step))]}")

    def edit_queued(self) -> None:
        """Take back what was queued last, to change it."""
        draft = self._app.session.unqueue()
        if draft is not None:
            self._app.composer.keep_draft()
            self._app.composer.set_text(draft.text, draft.images)

    def toggle_vim(self) -> None:
        """vi keys on or off."""
        composer = self._app.composer
        composer.vim = not composer.vim
        self._app.session.notice("info", f"vi keys are {'on' if composer.vim else 'off'}")

    def clear(self) -> None:
        """An empty screen; the transcript stays (ctrl+t)."""
        self._app.clear_screen()

    # -- editors ---------------------------------------------------------------------------------

    def edit_draft(self) -> None:
        """Write in an editor of the user's own."""
        composer = self._app.composer
        try:
            composer.set_text(edit_outside(composer.text_to_send, self._app.suspend, self._app.options.environ))
        except UserError as error:
            self._app.session.notice("warning", error.message, error.hint)

    async def edit_text(self, text: str) -> str | None:
        """A text edited outside (a hunk of a patch); None if there is no way to."""
        try:
            return edit_outside(text, self._app.suspend, self._app.options.environ)
        except UserError as error:
            self._app.session.notice("warning", error.message, error.hint)
            return None

    def open_url(self, url: str) -> None:
        """Open a page in the user's browser, at their wish."""
        if url.startswith(("https://", "http://")):
            import webbrowser

            self._app.go(_awaited(anyio.to_thread.run_sync(webbrowser.open, url)))

    # -- what commands ask for -------------------------------------------------------------------

    async def perform(self, action: str, argument: str) -> bool:
        """See `commands.ui.Ui`."""
        match action:
            case "clear":
                self.clear()
            case "transcript":
                self.show_transcript()
            case "rewind":
                await self.rewind()
            case "theme":
                await self.choose_theme(argument)
            case "keymap" | "keys":
                self._show_keys()
            case "vim":
                self.toggle_vim()
            case "copy":
                self._copy(argument)
            case "open-url":
                self.open_url(argument)
            case "trust":
                return await self._trust()
            case "login":
                return await self._login()
            case "agents":
                return await self._look_at(argument)
            case _:
                return False
        return True

    def show_transcript(self) -> None:
        """The whole transcript, to scroll in; of a resumed session the beginning is read now."""
        app = self._app
        app.show_overlay("Transcript", app.source)
        if app.session.older is not None:
            app.go(self._read_older())

    async def _read_older(self) -> None:
        while await self._app.session.read_older() and len(self._app.screen_stack) > 1:
            pass

    def _copy(self, text: str) -> None:
        # what would act is left out: the text is pasted into terminals
        kept = (char for char in text if char in "\n\t" or not (char < " " or "\x7f" <= char <= "\x9f"))
        data = "".join(kept).encode("utf-8", "replace")
        if len(data) > MOST_TO_COPY:
            raise UserError(f"{len(data):,} bytes are more than terminals take", hint="ctrl+t shows the transcript")
        self._app.write_control(f"\x1b]52;c;{base64.b64encode(data).decode()}\x07")

    def _show_keys(self) -> None:
        from ..keys_default import DEFAULTS

        session, keys = self._app.session, self._app.keymap
        rows = []
        for context, actions in DEFAULTS.items():
            rows.append(("", context))
            rows += [(keys.hint(context, action) or "-", action.replace("-", " ")) for action in actions]
        session.transcript.add(CardCell(key=session.new_key("keys"), title="Keys", rows=tuple(rows)))

    async def choose_theme(self, name: str) -> None:
        """Take a theme, picked with a preview if no name is given, and keep it."""
        app = self._app
        if not name:
            before = app.colours
            known = themes(environ=app.options.environ)
            options = [_option(one, words, current=one == before.name) for one, words in known.items()]
            name = await app.commands.pick("Theme", options, on_move=self._preview_theme) or ""
            if not name:
                app.use_theme(before)
                return
        app.use_theme(load_theme(name, environ=app.options.environ))
        edit = {"keyPath": "tui.theme", "value": name, "mergeStrategy": "replace"}
        await app.session.link.request("config/value/write", edit)

    def _preview_theme(self, name: Any) -> None:
        if name is None:  # nothing has what was typed in its name
            return
        self._app.use_theme(load_theme(name, environ=self._app.options.environ))

    async def _trust(self) -> bool:
        from .opening import ask_trust

        await ask_trust(self._app, even_if_known=True)
        return True

    async def _login(self) -> bool:
        from ..first_run import choose_model

        await choose_model(self._app.commands)
        return True

    async def _look_at(self, thread_id: str) -> bool:
        """The transcript of a sub-agent."""
        if not thread_id:
            return False
        from ..render import joins, render_cell
        from ..session.load import load_tail
        from ..session.transcript import Transcript
        from .transcript_view import TranscriptSource

        transcript = Transcript()
        await load_tail(self._app.session.link, transcript, thread_id, 400)
        source = TranscriptSource(transcript, render_cell, self._app.colours, joins=joins)
        self._app.show_overlay(f"Agent {thread_id[:8]}", source)
        return True

    # -- turns -----------------------------------------------------------------------------------

    async def rewind(self) -> None:
        """Back to an earlier message: the conversation, files too, or files alone."""
        app, session = self._app, self._app.session
        turns = session.user_turns()
        if not turns:
            session.notice("info", "there is no message to go back to")
            return
        options = [_option(turn_id, "", label=_first_line(cell)) for turn_id, cell in turns]
        turn_id = await app.commands.pick("Back to before which message?", options)
        if turn_id is None:
            return
        ways = [
            _option(CONVERSATION, "files stay as they are", label="The conversation"),
            _option(BOTH, "files become what they were before", label="Conversation and files"),
            _option(FILES, "the conversation goes on as it is", label="Files alone"),
        ]
        way = await app.commands.pick("What is to be taken back?", ways)
        if way is None:
            return
        cell = dict(turns)[turn_id]
        done = await session.rewind(turn_id, files=way != CONVERSATION, conversation=way != FILES)
        count = len(done.get("files") or ())
        files = "1 file" if count == 1 else f"{count} files"
        what = {CONVERSATION: "the conversation", BOTH: f"the conversation and {files}", FILES: files}
        session.notice("info", f"{what[way]}: back to before \u201c{_first_line(cell)[:60]}\u201d")
        if way != FILES and not app.composer.text:
            app.composer.set_text(cell.text, tuple(image for image in cell.images if "://" not in image))

    def last_answer(self) -> str:
        """The beginning of what the agent said last."""
        for cell in reversed(self._app.session.transcript.cells):
            if isinstance(cell, AgentCell) and cell.text:
                return " ".join(cell.text[: 2 * SUMMARY_CHARS].split())[:SUMMARY_CHARS]
        return ""

    async def read_cost(self) -> None:
        """What the thread has cost so far, for the status line. A server without prices has none."""
        session = self._app.session
        try:
            found = await session.link.request("cost/read", {"threadId": session.thread_id})
        except ProtocolError:
            return
        usd = found.get("usd")
        session.status.usd = None if usd is None else float(usd)
        self._app.draw_soon()

    def farewell(self) -> str:
        """What is said when the application has ended."""
        session = self._app.session
        if not session.thread_id or not any(isinstance(cell, UserCell) for cell in session.transcript):
            return ""
        status = session.status
        words = ""
        if status.total_tokens:
            words = f"Tokens: {status.total_tokens:,} ({status.input_tokens:,} in, {status.output_tokens:,} out)\n"
        return f"{words}To continue this session, run codex resume {session.thread_id}\n"


def _can_be_mended(line: str) -> bool:
    """Whether a command that failed is worth having back: what is typed next must not run into one that is right."""
    name, _, arguments = line.strip().removeprefix("/").partition(" ")
    return bool(arguments) or find(name) is None


def _first_line(cell: UserCell) -> str:
    return " ".join(cell.text[:400].split()) or "(images)"


def _option(value: Any, detail: str, *, label: str = "", current: bool = False) -> Any:
    from ..commands.ui import Option

    return Option(value=value, label=label or str(value), detail=detail, current=current)


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work
