"""The feature flags that Codex knows, from `features.txt`."""

from __future__ import annotations

import os
from collections.abc import Iterator

from codex_plugin_sdk import FeatureSpec

NO_EFFECT = "known, and without effect here"


def well_known() -> Iterator[FeatureSpec]:
    """One spec for each."""
    with open(os.path.join(os.path.dirname(__file__), "features.txt"), encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                name, stage, default = (part.strip() for part in line.split("|"))
                yield FeatureSpec(name=name, stage=stage, default=default == "true", help=NO_EFFECT)
