"""Configuration and models on the wire, as this server sends them. Only the schemas and the tests read this."""

from __future__ import annotations

from .shapes import ANY, BOOLEAN, NULL, STRING, array, enum, mapping, named, record, tagged
from .wire_types import NOTHING, REASONING_EFFORT, TEXT_OR_NULL

# -- configuration -----------------------------------------------------------------------------------

CONFIG_LAYER_SOURCE = named(
    "ConfigLayerSource",
    tagged(
        system=record({"file": STRING}),
        enterpriseManaged=record({"id": STRING, "name": STRING}),
        user=record({"file": STRING, "profile": TEXT_OR_NULL}),
        project=record({"dotCodexFolder": STRING}),
        sessionFlags=record(),
    ),
    "Where configuration comes from.",
)
CONFIG_LAYER_METADATA = named(
    "ConfigLayerMetadata",
    record({"name": CONFIG_LAYER_SOURCE, "version": STRING}),
    "A layer of configuration; `version` changes with its content.",
)
CONFIG_LAYER = named(
    "ConfigLayer",
    record({"name": CONFIG_LAYER_SOURCE, "version": STRING, "config": ANY}, disabledReason=STRING),
)
CONFIG = named("Config", mapping(ANY), "The merged configuration, with the keys of config.toml.")

# -- models ------------------------------------------------------------------------------------------

MODEL = named(
    "Model",
    record(
        {
            "id": STRING,
            "model": STRING,
            "displayName": STRING,
            "description": STRING,
            "hidden": BOOLEAN,
            "isDefault": BOOLEAN,
            "upgrade": NULL,
            "supportedReasoningEfforts": array(
                named("ReasoningEffortOption", record({"reasoningEffort": REASONING_EFFORT, "description": STRING}))
            ),
            "defaultReasoningEffort": REASONING_EFFORT,
            "inputModalities": array(named("InputModality", enum("text", "image"))),
            "supportsPersonality": BOOLEAN,
            "additionalSpeedTiers": array(STRING),
            "serviceTiers": array(NOTHING),
            "defaultServiceTier": NULL,
        }
    ),
)
GATEWAY_AUTH = named(
    "GatewayAuth",
    tagged(
        "mode",
        none=record(),
        environmentVariable=record({"envKey": STRING}),
        externallyConfigured=record({"envKey": NULL}),
    ),
    "Where a provider's key comes from.",
)
MODEL_PROVIDER = named(
    "ModelProviderSummary",
    record(
        {
            "id": STRING,
            "name": STRING,
            "baseUrl": TEXT_OR_NULL,
            "canEdit": BOOLEAN,
            "settings": named(
                "ProviderSettings", tagged(openai=record(), customGateway=record({"auth": GATEWAY_AUTH}))
            ),
        }
    ),
)
