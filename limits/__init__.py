"""Measures agentsd against what this machine could do at best, in one run: ``python -m limits``.

Absolute figures of a shared machine mean little. So each work is done in turns with its limit (a bare fork, a
bare insert, a bare import), and what counts is the ratio of the two, its median and its spread.
"""
