"""Which bundle counts: the copy while it is fresh, then what the source has, then the last good copy, then none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time

from codex_plugin_sdk import CodexError, ConfigError, Value, field, value

from .bundle import MAX_BUNDLE_BYTES, Bundle, BundleRefused, parse_bundle
from .guard import read_guarded, read_plain
from .settings import BundleSettings
from .signing import MAX_SIGNATURE_TEXT, verify
from .store import Contact, Copy, CopyStore, Signed
from .words import ago, shown

RETRY_S = 60.0
"""How long a source that could not be used is not asked again while a good copy stands in for it."""


@value
class Loaded(Value):
    """The bundle that counts. `confirmed_at` is when the source last said so (0: at this start); `problem` is why
    it could not this time, so that the last good copy stands in; `watched` are files whose change matters."""

    settings: BundleSettings
    bundle: Bundle
    confirmed_at: float = 0.0
    problem: str = ""
    notices: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()

    @property
    def signed(self) -> bool:
        """Whether a signature was checked; if not, only root could have written the file."""
        return bool(self.settings.public_key)


@value
class _Held(Value):
    """What is known at the start of a load. `damage` is why there is no copy although there is a file."""

    now_s: float
    copy: Copy | None
    damage: str
    contact: Contact = field(factory=Contact)

    def unusable(self, max_age_s: float) -> str:
        """Why the copy may not stand in; empty if it may."""
        if self.copy is None:
            return self.damage or "there is no earlier copy"
        try:
            self.copy.bundle.check_dates(self.now_s)
        except BundleRefused as error:
            return f"the earlier copy cannot stand in: {error.message}"
        if self.now_s - self.contact.confirmed_at > max_age_s:
            return f"the earlier copy is older than {max_age_s:g} s (bundle.max_age_s)"
        return ""


class Loader:
    """Loads the bundle for one home. `clock` gives Unix seconds."""

    def __init__(
        self,
        settings: BundleSettings,
        codex_home: str,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time,
    ) -> None:
        self._settings, self._environ, self._clock = settings, environ, clock
        self._store = CopyStore(codex_home, settings)

    def load(self) -> Loaded:
        """For a start: at once where the copy is fresh. Raises `ConfigError` where no good bundle can be had."""
        if not self._settings.public_key:
            return self._trusted_file()
        held = self._held()
        unusable = held.unusable(self._settings.max_age_s)
        if held.copy is not None and not unusable and self._settings.url:
            if 0 <= held.now_s - held.contact.confirmed_at < self._settings.refresh_s:
                return self._use(held.copy, held.contact.confirmed_at)
            if self._settings.last_good and 0 <= held.now_s - held.contact.failed_at < RETRY_S:
                return self._stand_in(held.copy, held, held.contact.problem)
        try:
            return self._renewed(held)
        except (BundleRefused, ConfigError) as error:
            cause = _cause(error)
            unnoted = self._note_failure(held, cause)
            if held.copy is None or unusable or not self._settings.last_good:
                why = unusable or 'on_failure = "refuse" in managed.toml lets no copy stand in'
                raise self._refusal(f"{cause}; {why}", error) from error
            return self._stand_in(held.copy, held, cause, unnoted)

    def refresh(self) -> Loaded:
        """Ask the source now. Raises `ConfigError` if it cannot be used; the copy stays what it is."""
        if not self._settings.public_key:
            return self._trusted_file()
        held = self._held()
        try:
            return self._renewed(held)
        except (BundleRefused, ConfigError) as error:
            self._note_failure(held, _cause(error))
            raise self._refusal(_cause(error), error) from error

    def look(self) -> Loaded:
        """What is here, without asking a server or changing anything. Raises `ConfigError` where there is
        nothing that could be used."""
        if not self._settings.public_key:
            return self._trusted_file()
        held = self._held()
        if self._settings.file:
            try:
                return self._use(self._from_file(held), 0.0)
            except (BundleRefused, ConfigError) as error:
                raise self._refusal(_cause(error), error) from error
        unusable = held.unusable(self._settings.max_age_s)
        if held.copy is None or unusable:
            raise self._refusal(unusable, None)
        if held.contact.problem:
            return self._stand_in(held.copy, held, held.contact.problem)
        return self._use(held.copy, held.contact.confirmed_at)

    # -- sources ---------------------------------------------------------------------------------

    def _trusted_file(self) -> Loaded:
        """A file without a signature counts because only root can write it, so that no copy can stand in."""
        path = self._settings.file
        try:
            bundle = parse_bundle(read_guarded(path, MAX_BUNDLE_BYTES), path)
            bundle.check_dates(self._clock())
        except OSError as error:
            raise self._refusal(f"it cannot be read: {error.strerror}", None) from error
        except BundleRefused as error:
            raise self._refusal(error.message, error) from error
        return Loaded(settings=self._settings, bundle=bundle, watched=(path,))

    def _held(self) -> _Held:
        damage, copy = "", None
        try:
            copy = self._store.load()
        except BundleRefused as error:
            damage = error.message
        contact = self._store.contact() if copy is not None else Contact()
        return _Held(now_s=self._clock(), copy=copy, damage=damage, contact=contact)

    def _renewed(self, held: _Held) -> Loaded:
        """What the source has now, kept as the new copy."""
        copy = self._from_file(held) if self._settings.file else self._from_server(held)
        notices = [f"{held.damage}; the bundle was read anew"] if held.damage else []
        age_s = held.now_s - held.contact.confirmed_at
        if copy != held.copy or self._settings.url or not 0 <= age_s < self._settings.refresh_s:
            try:
                self._store.keep(copy, held.now_s)
            except OSError as error:
                notices.append(f"the managed configuration cannot be kept for times without a server: {_of(error)}")
        return self._use(copy, held.now_s, notices=tuple(notices))

    def _from_server(self, held: _Held) -> Copy:
        from .fetch import fetch

        found = fetch(self._settings, held.copy.signed.etag if held.copy else "", self._environ)
        if found is None:
            assert held.copy is not None  # only a copy has a tag to ask with
            held.copy.bundle.check_dates(held.now_s)
            return held.copy
        return self._accepted(found, held)

    def _from_file(self, held: _Held) -> Copy:
        settings = self._settings
        try:
            raw = read_plain(settings.file, MAX_BUNDLE_BYTES)
        except OSError as error:
            raise BundleRefused(f"it cannot be read: {error.strerror}") from error
        try:
            signature = read_plain(settings.signature_source, MAX_SIGNATURE_TEXT)
        except OSError as error:
            raise BundleRefused(f"{settings.signature_source} cannot be read: {error.strerror}") from error
        return self._accepted(Signed(raw=raw, signature=signature), held)

    def _accepted(self, signed: Signed, held: _Held) -> Copy:
        """The bundle, after everything that can be wrong with it was looked for, its signature first."""
        verify(self._settings.public_key, signed.raw, signed.signature)
        bundle = parse_bundle(signed.raw, self._settings.source)
        bundle.check_dates(held.now_s)
        if held.copy is None or signed.raw != held.copy.signed.raw:
            bundle.check_newer(held.copy.bundle if held.copy else None)
            from .trial import try_out

            try_out(bundle, self._settings.source)
        return Copy(signed=signed, bundle=bundle)

    # -- outcomes --------------------------------------------------------------------------------

    def _use(self, copy: Copy, confirmed_at: float, problem: str = "", notices: tuple[str, ...] = ()) -> Loaded:
        settings = self._settings
        watched = (settings.file, settings.signature_source) if settings.file else (self._store.path,)
        return Loaded(
            settings=settings,
            bundle=copy.bundle,
            confirmed_at=confirmed_at,
            problem=problem,
            notices=notices,
            watched=watched,
        )

    def _stand_in(self, copy: Copy, held: _Held, problem: str, *more: str) -> Loaded:
        age = ago(held.now_s - held.contact.confirmed_at)
        said = (
            f"the managed configuration of {self._settings.source} could not be refreshed: {problem}; "
            f"version {copy.bundle.version}, confirmed {age}, holds on"
        )
        notices = (said, *(text for text in more if text))
        return self._use(copy, held.contact.confirmed_at, problem, notices)

    def _note_failure(self, held: _Held, problem: str) -> str:
        """Remember not to ask again at once. Returns what went wrong with that, for the user."""
        if held.copy is None:
            return ""
        contact = held.contact.replace(failed_at=held.now_s, problem=problem)
        try:
            self._store.note(contact)
        except OSError as error:
            return f"the failure cannot be noted, so that each start asks again: {_of(error)}"
        return ""

    def _refusal(self, cause: str, error: CodexError | None) -> ConfigError:
        hint = (error.hint if error else "") or "nothing starts without it; `codex managed refresh` tries again"
        return ConfigError(f"the managed configuration cannot be used: {cause}", where=self._settings.source, hint=hint)


def _cause(error: CodexError) -> str:
    return shown(error.message, 500)


def _of(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
