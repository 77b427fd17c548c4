"""Runs classic BPF as the kernel's seccomp does, so that filters of any architecture can be tried on tables."""

import struct

DATA = struct.Struct("<IIQ6Q")


def instructions(program):
    assert len(program) % 8 == 0
    return list(struct.iter_unpack("=HBBI", program))


def run(program, *, arch, nr, args=()):
    """The filter's answer to one call."""
    code = instructions(program)
    data = DATA.pack(nr & 0xFFFFFFFF, arch, 0, *[a & 0xFFFFFFFFFFFFFFFF for a in (*args, *[0] * (6 - len(args)))])
    at, a = 0, 0
    for _ in range(len(code)):  # jumps go forward only, so no run is longer
        op, jt, jf, k = code[at]
        at += 1
        match op:
            case 0x20:
                assert k % 4 == 0
                assert k + 4 <= len(data)
                a = int.from_bytes(data[k : k + 4], "little")
            case 0x05:
                at += k
            case 0x15:
                at += jt if a == k else jf
            case 0x35:
                at += jt if a >= k else jf
            case 0x45:
                at += jt if a & k else jf
            case 0x54:
                a &= k
            case 0x06:
                return k
            case _:
                raise AssertionError(f"unknown instruction {op:#x}")
    raise AssertionError("ran off the end")
