"""Strict local stand-ins for picture services that cannot be reached from a test, one module each.

`python -m tests.simulators NAME --port N` starts one to click against.
"""
