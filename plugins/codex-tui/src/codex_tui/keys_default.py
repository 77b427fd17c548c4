"""The keys as they are without configuration, and the names under which Codex's own configuration knows them."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "global": {
        "cancel": ("ctrl+c",),  # clears the composer, else interrupts, else leaves when pressed twice
        "quit": ("ctrl+d",),  # on an empty composer
        "interrupt": ("escape",),  # twice on an empty composer: rewind
        "transcript": ("ctrl+t",),
        "clear-screen": ("ctrl+l",),
        "external-editor": ("ctrl+g",),
        "suspend": ("ctrl+z",),
        "copy": ("ctrl+o",),
        "next-mode": ("shift+tab",),
        "effort-down": ("alt+comma",),
        "effort-up": ("alt+full_stop",),
        "edit-queued": ("alt+up",),
        "help": ("f1",),
        "toggle-vim": (),
        "scroll-up": ("pageup",),
        "scroll-down": ("pagedown",),
        "scroll-top": ("ctrl+home",),
        "scroll-bottom": ("ctrl+end",),
    },
    "composer": {
        "submit": ("enter",),
        "queue": ("tab",),
        "newline": ("shift+enter", "ctrl+j", "alt+enter"),
        "left": ("left", "ctrl+b"),
        "right": ("right", "ctrl+f"),
        "up": ("up", "ctrl+p"),
        "down": ("down", "ctrl+n"),
        "word-left": ("alt+b", "alt+left", "ctrl+left"),
        "word-right": ("alt+f", "alt+right", "ctrl+right"),
        "line-start": ("home", "ctrl+a"),
        "line-end": ("end", "ctrl+e"),
        "text-start": ("alt+less_than_sign",),
        "text-end": ("alt+greater_than_sign",),
        "delete-left": ("backspace", "shift+backspace", "ctrl+h"),
        "delete-right": ("delete", "ctrl+d"),
        "delete-word-left": ("ctrl+w", "alt+backspace", "ctrl+backspace"),
        "delete-word-right": ("alt+d", "alt+delete", "ctrl+delete"),
        "kill-line-start": ("ctrl+u",),
        "kill-line-end": ("ctrl+k",),
        "yank": ("ctrl+y",),
        # A terminal sends the same for ctrl+_, ctrl+/ and ctrl+-, unless it speaks the kitty protocol.
        "undo": ("ctrl+underscore", "ctrl+slash", "ctrl+minus", "ctrl+shift+minus"),
        "redo": ("alt+underscore", "alt+slash", "alt+minus"),
        "history-search": ("ctrl+r",),
        "history-search-next": ("ctrl+s",),
        "paste-image": ("ctrl+v", "alt+ctrl+v"),
        "expand-paste": ("alt+p",),
    },
    "list": {
        "up": ("up", "ctrl+p"),
        "down": ("down", "ctrl+n"),
        "page-up": ("pageup",),
        "page-down": ("pagedown",),
        "home": ("home",),
        "end": ("end",),
        "accept": ("enter",),
        "cancel": ("escape", "ctrl+c"),
    },
    "approval": {
        "up": ("up", "ctrl+p"),
        "down": ("down", "ctrl+n"),
        "accept": ("enter",),
        "cancel": ("escape", "ctrl+c"),
        "details": ("ctrl+a",),
        "edit": ("ctrl+e",),
    },
    "pager": {
        "up": ("up", "k"),
        "down": ("down", "j"),
        "page-up": ("pageup", "shift+space", "ctrl+b"),
        "page-down": ("pagedown", "space", "ctrl+f"),
        "half-page-up": ("ctrl+u",),
        "half-page-down": ("ctrl+d",),
        "home": ("home", "g"),
        "end": ("end", "G"),
        "find": ("slash",),
        "find-next": ("n",),
        "find-previous": ("N",),
        "close": ("q", "escape", "ctrl+t", "ctrl+c"),
    },
}
"""Context -> action -> keys. A dialogue (list, approval, pager) sees a key before `global` does and may hide it."""

SHARED = frozenset({("composer.delete-right", "global.quit")})
"""Pairs that may be on one key: which is meant follows from whether the composer is empty."""

ALIASES: Mapping[str, str] = {
    "global.open_transcript": "global.transcript",
    "global.open_external_editor": "global.external-editor",
    "global.clear_terminal": "global.clear-screen",
    "global.toggle_vim_mode": "global.toggle-vim",
    "global.toggle_shortcuts": "global.help",
    "global.submit": "composer.submit",
    "global.queue": "composer.queue",
    "chat.interrupt_turn": "global.interrupt",
    "chat.decrease_reasoning_effort": "global.effort-down",
    "chat.increase_reasoning_effort": "global.effort-up",
    "chat.edit_queued_message": "global.edit-queued",
    "chat.next_permission_mode": "global.next-mode",
    "composer.toggle_shortcuts": "global.help",
    "composer.history_search_previous": "composer.history-search",
    "composer.history_search_next": "composer.history-search-next",
    "editor.insert_newline": "composer.newline",
    "editor.move_left": "composer.left",
    "editor.move_right": "composer.right",
    "editor.move_up": "composer.up",
    "editor.move_down": "composer.down",
    "editor.move_word_left": "composer.word-left",
    "editor.move_word_right": "composer.word-right",
    "editor.move_line_start": "composer.line-start",
    "editor.move_line_end": "composer.line-end",
    "editor.delete_backward": "composer.delete-left",
    "editor.delete_forward": "composer.delete-right",
    "editor.delete_backward_word": "composer.delete-word-left",
    "editor.delete_forward_word": "composer.delete-word-right",
    "editor.kill_line_start": "composer.kill-line-start",
    "editor.kill_line_end": "composer.kill-line-end",
    "editor.yank": "composer.yank",
    "list.move_up": "list.up",
    "list.move_down": "list.down",
    "list.jump_top": "list.home",
    "list.jump_bottom": "list.end",
    "approval.open_fullscreen": "approval.details",
    "pager.scroll_up": "pager.up",
    "pager.scroll_down": "pager.down",
    "pager.jump_top": "pager.home",
    "pager.jump_bottom": "pager.end",
    "pager.close_transcript": "pager.close",
}
"""Codex's names for actions that we have under another one."""

FOREIGN_CONTEXTS = frozenset(
    {"agents", "chat", "editor", "vim_normal", "vim_operator", "vim_search", "vim_text_object", "async_questions"}
)
"""Contexts of Codex of which we have only what `ALIASES` names; the rest of them has no effect here."""

FOREIGN_ACTIONS = frozenset(
    {
        *(f"global.{name}" for name in ("leader", "open_agents", "select_transcript", "find_transcript")),
        *(f"global.{name}" for name in ("focus_activity", "toggle_raw_output", "toggle_side_conversation")),
        *(f"global.{name}" for name in ("toggle_fast_mode", "change_host", "hide_pane", "resize_panes")),
        *(f"list.{name}" for name in ("move_left", "move_right")),
        *(f"approval.{name}" for name in ("open_thread", "approve", "approve_for_session", "approve_for_prefix")),
        *(f"approval.{name}" for name in ("deny", "decline")),
    }
)
"""Actions of Codex that we know of and do not have: a file of Codex stays usable."""
