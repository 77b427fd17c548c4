"""Test parts for plugin authors: a scripted model, in-memory stores, scripted servers, conformance kits.

Install them with `pip install codex-plugin-sdk[testing]`. Nothing here is imported by a running agent.
"""
