import re
from itertools import product
from pathlib import Path

import pytest

from codex_sandbox_linux.seccomp import ALLOW, DENIED, KILL, TRACING, program
from codex_sandbox_linux.syscalls import AUDIT_ARCH, NUMBERS

EPERM, EACCES, ENOSYS = (0x50000 | number for number in (1, 13, 38))
UNIX, INET, INET6, NETLINK, PACKET, ALG, VSOCK = 1, 2, 10, 16, 17, 38, 40
STREAM, DGRAM, RAW, SEQPACKET = 1, 2, 3, 5
CLOEXEC, NONBLOCK = 0o2000000, 0o4000
OURS = 4242

both = pytest.mark.parametrize("arch", ["x86_64", "aarch64"])


@pytest.fixture
def ask(run_filter):
    """The answer of a filter to a call by its name."""

    def ask(arch, name, *args, filter):
        return run_filter(filter, arch=AUDIT_ARCH[arch], nr=NUMBERS[arch][name], args=args)

    return ask


@both
@pytest.mark.parametrize("network", ["off", "on"])
@pytest.mark.parametrize("shared", [{}, {"private_network": False, "ptrace": False, "host_pid": OURS}])
def test_every_number_is_answered_as_the_table_says(run_filter, arch, network, shared):
    filter = program(arch, network, **shared)
    by_number = {number: name for name, number in NUMBERS[arch].items()}
    denied = {*DENIED, *(() if shared.get("ptrace", True) else TRACING)}
    for number in range(1100):
        name = by_number.get(number)
        answer = run_filter(filter, arch=AUDIT_ARCH[arch], nr=number)
        if name in denied or name in ("socket", "socketpair"):  # family 0
            expected = EPERM
        elif name == "clone3" or (arch == "x86_64" and 512 <= number < 548):
            expected = ENOSYS
        else:
            expected = ALLOW
        assert answer == expected, (number, name)


@both
def test_foreign_calling_conventions_are_killed(run_filter, arch):
    filter = program(arch, "on")
    others = {0x40000003, 0x40000028, 0xC000003E, 0xC00000B7, 0xC00000F3, 0} - {AUDIT_ARCH[arch]}
    for foreign, number in product(others, (0, 1, 39, 172, 0x40000000)):
        assert run_filter(filter, arch=foreign, nr=number) == KILL


def test_x32_calls_do_not_exist(run_filter):
    filter = program("x86_64", "on")
    for number in (0x40000000, 0x40000000 + 520, 0x40000200, 0x7FFFFFFF, 0xFFFFFFFF):
        assert run_filter(filter, arch=AUDIT_ARCH["x86_64"], nr=number) == ENOSYS


@both
def test_new_namespaces_are_refused_and_threads_and_forks_are_not(ask, arch):
    filter = program(arch, "off")
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        for name in ("clone", "unshare"):
            assert ask(arch, name, flag, filter=filter) == EPERM
            assert ask(arch, name, flag | 17 | 1 << 32, filter=filter) == EPERM
    assert ask(arch, "unshare", 0x80, filter=filter) == EPERM  # time
    assert ask(arch, "unshare", 0x200 | 0x400, filter=filter) == ALLOW  # CLONE_FS, CLONE_FILES
    thread, fork, vfork = 0x3D0F00, 0x1200011, 0x4111
    assert [ask(arch, "clone", flags, filter=filter) for flags in (thread, fork, vfork)] == [ALLOW] * 3


@both
def test_input_cannot_be_pushed_into_a_terminal(ask, arch):
    filter = program(arch, "off")
    for command in (0x5412, 0x541C):
        assert ask(arch, "ioctl", 0, command, filter=filter) == EPERM
        assert ask(arch, "ioctl", 0, command | 0xABCD << 32, filter=filter) == EPERM  # the kernel reads 32 bits
    for command in (0x5401, 0x5413, 0x5414, 0x541B, 0x5421, 0x80045430):
        assert ask(arch, "ioctl", 0, command, filter=filter) == ALLOW


@both
def test_only_harmless_personalities(ask, arch):
    filter = program(arch, "off")
    assert {ask(arch, "personality", found, filter=filter) for found in (0, 8, 0x40000, 0xFFFFFFFF)} == {ALLOW}
    assert {ask(arch, "personality", found, filter=filter) for found in (0x400000, 0x100000, 1, 6)} == {EPERM}


@both
@pytest.mark.parametrize(
    ("network", "private", "inet"),
    [("off", True, True), ("proxied", True, True), ("on", False, True), ("on", True, True), ("off", False, False)],
)
@pytest.mark.parametrize("unix", [False, True])
def test_sockets_by_family_and_type(ask, arch, network, private, inet, unix):
    filter = program(arch, network, private_network=private, allow_unix=unix)
    for family, type, flags in product(range(46), range(8), (0, CLOEXEC, NONBLOCK, CLOEXEC | NONBLOCK)):
        answer = ask(arch, "socket", family, type | flags, filter=filter)
        if family in (INET, INET6):
            expected = ALLOW if inet and type in (STREAM, DGRAM) else EPERM
        elif family == NETLINK:
            expected = ALLOW if inet else EPERM
        elif family == UNIX:
            expected = ALLOW if unix else EPERM
        else:
            expected = EPERM
        assert answer == expected, (family, type, flags)
    for protocol in range(1, 23):
        assert ask(arch, "socket", NETLINK, RAW, protocol, filter=filter) == EPERM
    assert ask(arch, "socket", INET, STREAM | 0x100, filter=filter) == EPERM  # bits of no meaning


@both
@pytest.mark.parametrize("unix", [False, True])
def test_pairs_of_sockets_carry_no_datagrams(ask, arch, unix):
    filter = program(arch, "off", allow_unix=unix)
    for family, type, flags in product(range(46), range(8), (0, CLOEXEC, NONBLOCK | CLOEXEC)):
        expected = ALLOW if family == UNIX and type in (STREAM, SEQPACKET) else EPERM
        assert ask(arch, "socketpair", family, type | flags, filter=filter) == expected


@both
def test_processes_outside_are_left_alone_where_their_numbers_are_shared(ask, arch):
    private = program(arch, "off")
    shared = program(arch, "off", private_network=False, host_pid=OURS)
    unscoped = program(arch, "off", private_network=False, host_pid=OURS, scoped_signals=False)
    for name in ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        for target, outside in ((OURS, True), (-OURS, True), (OURS + 1, False), (0, False), (-1, False)):
            assert ask(arch, name, target, filter=private) == ALLOW
            assert ask(arch, name, target, filter=shared) == (EPERM if outside else ALLOW)
            expected = EPERM if outside or target == -1 else ALLOW
            assert ask(arch, name, target, filter=unscoped) == expected
    for which in range(4):
        assert ask(arch, "setpriority", which, 0, 5, filter=shared) == (EPERM if which == 2 else ALLOW)
        assert ask(arch, "ioprio_set", which, 0, 5, filter=shared) == (EPERM if which == 3 else ALLOW)


@both
def test_limits_of_others_are_read_only_and_the_mark_stays(ask, arch):
    shared = program(arch, "off", private_network=False, host_pid=OURS)
    locks, files, memory = 10, 7, 0x7FFF00001000
    for limit in (locks, files):
        assert ask(arch, "prlimit64", OURS, limit, 0, memory, filter=shared) == ALLOW
        for new in (memory, 0x100000000, 1):
            assert ask(arch, "prlimit64", OURS, limit, new, filter=shared) == EPERM
            assert ask(arch, "prlimit64", 0, limit, new, filter=shared) == (EPERM if limit == locks else ALLOW)
    assert ask(arch, "setrlimit", locks, memory, filter=shared) == EPERM
    assert ask(arch, "setrlimit", files, memory, filter=shared) == ALLOW
    assert ask(arch, "prlimit64", OURS, files, memory, filter=program(arch, "off")) == ALLOW


@both
def test_truncation_needs_a_descriptor_for_writing_where_that_is_asked_for(ask, arch):
    free, guarded = program(arch, "off"), program(arch, "off", guard_truncation=True)
    assert (ask(arch, "truncate", filter=free), ask(arch, "truncate", filter=guarded)) == (ALLOW, EACCES)
    assert (ask(arch, "openat2", filter=free), ask(arch, "openat2", filter=guarded)) == (ALLOW, ENOSYS)
    for mode, create in product(range(4), (0, 0o100, 0o2000000)):
        truncating = EACCES if mode in (0, 3) else ALLOW
        for name, before in (("open", (1,)), ("openat", (1, 1))):
            if name in NUMBERS[arch]:
                assert ask(arch, name, *before, mode | create, filter=guarded) == ALLOW
                assert ask(arch, name, *before, mode | create | 0o1000, filter=guarded) == truncating
                assert ask(arch, name, *before, mode | create | 0o1000, filter=free) == ALLOW


def test_what_cannot_be_filtered_is_refused():
    with pytest.raises(ValueError, match="riscv64"):
        program("riscv64", "off")
    with pytest.raises(ValueError, match="private"):
        program("x86_64", "proxied", private_network=False)


@pytest.mark.parametrize(
    ("arch", "header"),
    [
        ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        ("x86_64", "/usr/include/asm/unistd_64.h"),
        ("aarch64", "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_numbers_are_those_of_the_system_headers(arch, header):
    if not Path(header).exists():
        pytest.skip(f"{header} is not installed")
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$", Path(header).read_text(), re.MULTILINE))
    newest = max(map(int, found.values()))
    ours = {name: number for name, number in NUMBERS[arch].items() if number <= newest}
    assert {name: int(found[name]) for name in ours} == ours
