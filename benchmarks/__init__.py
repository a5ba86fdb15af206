"""Figures of this server beside InvokeAI 6.14.2 itself, taken on the same machine in the same run.

Nothing here is imported by the product. The peer is a black box: its command, its HTTP
API and its database file.
"""
