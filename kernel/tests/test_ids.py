import time

from codex_kernel.protocol.ids import is_uuid, new_item_id, uuid7, uuid7_unix_ms


def test_ids_made_in_one_process_sort_by_time_and_never_repeat():
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_an_id_is_a_uuid_of_version_seven_with_its_time():
    before = time.time_ns() // 1_000_000
    text = uuid7()
    assert is_uuid(text)
    assert text[14] == "7"
    assert text[19] in "89ab"
    assert before <= uuid7_unix_ms(text) <= before + 60_000


def test_an_item_id_carries_its_prefix():
    assert new_item_id("msg").startswith("msg_")
    assert not is_uuid("no-uuid")
    assert not is_uuid("zzzzzzzz-0000-0000-0000-000000000000")
