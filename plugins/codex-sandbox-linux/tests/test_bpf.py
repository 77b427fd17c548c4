import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_sandbox_linux.bpf import MAX_INSTRUCTIONS, Assembler


def numbers_answered(run_filter, program, numbers):
    return {nr: run_filter(program, arch=1, nr=nr) for nr in numbers}


def table(numbers):
    """A filter that answers 100 + n for each of these numbers and 7 for others."""
    asm = Assembler()
    asm.load(0)
    for nr in numbers:
        asm.if_equal(nr, then=f"is-{nr}")
    asm.ret(7)
    for nr in numbers:
        asm.label(f"is-{nr}")
        asm.ret(100 + nr)
    return asm.assemble()


def test_a_jump_within_reach_needs_no_other_instruction():
    assert len(table(range(100))) == 8 * (1 + 100 + 1 + 100)


@pytest.mark.parametrize("count", [1, 254, 255, 256, 257, 600])
def test_jumps_reach_however_far_their_label_is(run_filter, count):
    program = table(range(count))
    expected = {nr: 100 + nr for nr in range(count)} | {count: 7}
    assert numbers_answered(run_filter, program, range(count + 1)) == expected


@given(padding=st.tuples(st.integers(240, 270), st.integers(240, 270)), nr=st.integers(0, 20))
def test_both_sides_of_a_comparison_may_be_far(run_filter, padding, nr):
    asm = Assembler()
    asm.load(0)
    asm.if_at_least(10, then="high", otherwise="low")
    for _ in range(padding[0]):
        asm.ret(1)
    asm.label("low")
    asm.ret(2)
    for _ in range(padding[1]):
        asm.ret(3)
    asm.label("high")
    asm.ret(4)
    assert run_filter(asm.assemble(), arch=0, nr=nr) == (4 if nr >= 10 else 2)


def test_bits_and_masks(run_filter):
    asm = Assembler()
    asm.load(0)
    asm.if_any_bit(0b100, then="yes")
    asm.mask(0b11)
    asm.if_equal(0b10, then="yes")
    asm.ret(0)
    asm.label("yes")
    asm.ret(1)
    program = asm.assemble()
    assert [run_filter(program, arch=0, nr=nr) for nr in (0b1, 0b10, 0b100, 0b1010, 0b1000)] == [0, 1, 1, 1, 0]


def test_instructions_are_laid_out_as_the_kernel_reads_them():
    asm = Assembler()
    asm.load(4)
    asm.ret(0x7FFF0000)
    assert asm.assemble() == struct.pack("=HBBIHBBI", 0x20, 0, 0, 4, 0x06, 0, 0, 0x7FFF0000)


def unfinished(asm):
    asm.load(0)


def unlabelled(asm):
    asm.if_equal(1, then="nowhere")
    asm.ret(0)


def backwards(asm):
    asm.label("start")
    asm.load(0)
    asm.jump("start")
    asm.ret(0)


def behind_the_end(asm):
    asm.jump("end")
    asm.ret(0)
    asm.label("end")


def too_long(asm):
    for _ in range(MAX_INSTRUCTIONS + 1):
        asm.ret(0)


@pytest.mark.parametrize("write", [unfinished, unlabelled, backwards, behind_the_end, too_long, lambda asm: None])
def test_a_program_that_the_kernel_would_refuse_is_not_assembled(write):
    asm = Assembler()
    write(asm)
    with pytest.raises(ValueError):
        asm.assemble()


def test_a_label_is_defined_once():
    asm = Assembler()
    asm.label("here")
    with pytest.raises(ValueError):
        asm.label("here")
