"""Pages of lists: where all keys are known, a page is what the stream of the same entries gives."""

import pytest

from codex_app_server.anchors import page_of_keys, page_of_stream
from codex_app_server.wire import RpcError

KEYS = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6])
@pytest.mark.parametrize("cursor", [None, *(f"t:{where}:{key}" for where in ("at", "behind") for key in KEYS)])
@pytest.mark.parametrize("keys", [KEYS, KEYS[:1], []])
def test_a_page_of_keys_is_the_page_of_their_stream(keys, cursor, limit, descending):
    def of_keys():
        places, *cursors = page_of_keys(keys, "t", cursor, limit, descending=descending)
        return [keys[place] for place in places], *cursors

    def of_stream():
        return page_of_stream(((key, key) for key in keys), "t", cursor, limit, descending=descending)

    if cursor is not None and cursor[-1] not in keys:
        for page in (of_keys, of_stream):
            with pytest.raises(RpcError, match="invalid cursor"):
                page()
    else:
        assert of_keys() == of_stream()
