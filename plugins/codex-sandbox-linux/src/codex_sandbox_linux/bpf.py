"""A small assembler for classic BPF, the language of seccomp filters.

Jumps go forward to labels. A conditional jump reaches 255 instructions; one that goes further is given an
unconditional one beside it, so that the writer of a filter need not count.
"""

from __future__ import annotations

import struct

LD_W_ABS = 0x20
JMP_JA = 0x05
JMP_JEQ_K = 0x15
JMP_JGE_K = 0x35
JMP_JSET_K = 0x45
ALU_AND_K = 0x54
RET_K = 0x06

MAX_INSTRUCTIONS = 4096
_REACH = 255
_CONDITIONAL = frozenset({JMP_JEQ_K, JMP_JGE_K, JMP_JSET_K})

NEXT = ""
"""As a jump's target: go on with the next instruction."""


class Assembler:
    """Collects instructions; `assemble` gives the array of `struct sock_filter` that the kernel takes."""

    def __init__(self) -> None:
        # (code, constant, target if true, target if false); labels stand between them, by index.
        self._code: list[tuple[int, int, str, str]] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        """Name the place of the next instruction. Raises `ValueError` for a name that is taken."""
        if not name or name in self._labels:
            raise ValueError(f"label {name!r} is empty or defined twice")
        self._labels[name] = len(self._code)

    def load(self, offset: int) -> None:
        """A = the 32-bit word at this offset of the data."""
        self._add(LD_W_ABS, offset)

    def mask(self, bits: int) -> None:
        """A = A and bits."""
        self._add(ALU_AND_K, bits)

    def ret(self, action: int) -> None:
        """The filter's answer."""
        self._add(RET_K, action)

    def jump(self, target: str) -> None:
        """Go on at a label."""
        self._add(JMP_JA, 0, target)

    def if_equal(self, constant: int, then: str = NEXT, otherwise: str = NEXT) -> None:
        """Compare A for equality."""
        self._add(JMP_JEQ_K, constant, then, otherwise)

    def if_at_least(self, constant: int, then: str = NEXT, otherwise: str = NEXT) -> None:
        """Compare A, unsigned."""
        self._add(JMP_JGE_K, constant, then, otherwise)

    def if_any_bit(self, bits: int, then: str = NEXT, otherwise: str = NEXT) -> None:
        """Test whether A has one of the bits."""
        self._add(JMP_JSET_K, bits, then, otherwise)

    def _add(self, code: int, constant: int, then: str = NEXT, otherwise: str = NEXT) -> None:
        self._code.append((code, constant & 0xFFFFFFFF, then, otherwise))

    def assemble(self) -> bytes:
        """The program. Raises `ValueError` for a missing label, a jump backwards (the kernel has none), a
        program without end or one that is too long."""
        if not self._code or self._code[-1][0] != RET_K:
            raise ValueError("the last instruction of a filter must be a return")
        self._check_labels()
        far: set[tuple[int, bool]] = set()
        while True:
            places = self._places(far)
            new = self._too_far(places, far)
            if not new:
                return self._encode(places, far)
            far |= new

    def _check_labels(self) -> None:
        for index, (_code, _constant, then, otherwise) in enumerate(self._code):
            for name in (then, otherwise):
                if name == NEXT:
                    continue
                if name not in self._labels:
                    raise ValueError(f"no label {name!r}")
                if not index < self._labels[name] < len(self._code):
                    raise ValueError(f"label {name!r} does not lie ahead of the jump at {index}")

    def _places(self, far: set[tuple[int, bool]]) -> list[int]:
        """Where each instruction comes to stand, given the branches that need a jump of their own behind it."""
        places, at = [], 0
        for index in range(len(self._code)):
            places.append(at)
            at += 1 + _islands(index, far)
        if at > MAX_INSTRUCTIONS:
            raise ValueError(f"a filter of {at} instructions; the kernel takes {MAX_INSTRUCTIONS}")
        return places

    def _too_far(self, places: list[int], far: set[tuple[int, bool]]) -> set[tuple[int, bool]]:
        return {
            (index, outcome)
            for index, (code, _constant, *targets) in enumerate(self._code)
            if code in _CONDITIONAL
            for outcome, name in zip((True, False), targets, strict=True)
            if name != NEXT and (index, outcome) not in far and self._target(name, places) - places[index] - 1 > _REACH
        }

    def _target(self, name: str, places: list[int]) -> int:
        return places[self._labels[name]]

    def _encode(self, places: list[int], far: set[tuple[int, bool]]) -> bytes:
        out = []
        for index, (code, constant, *targets) in enumerate(self._code):
            at = places[index]
            if code == JMP_JA:
                out.append(_instruction(code, 0, 0, self._target(targets[0], places) - at - 1))
                continue
            hops, islands = [0, 0], list[int]()
            if code in _CONDITIONAL:
                for side, name in enumerate(targets):
                    if name == NEXT:
                        hops[side] = _islands(index, far)
                    elif (index, side == 0) in far:
                        hops[side] = len(islands)
                        islands.append(self._target(name, places) - (at + 1 + len(islands)) - 1)
                    else:
                        hops[side] = self._target(name, places) - at - 1
            out.append(_instruction(code, hops[0], hops[1], constant))
            out.extend(_instruction(JMP_JA, 0, 0, hop) for hop in islands)
        return b"".join(out)


def _islands(index: int, far: set[tuple[int, bool]]) -> int:
    return ((index, True) in far) + ((index, False) in far)


def _instruction(code: int, if_true: int, if_false: int, constant: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, constant)
