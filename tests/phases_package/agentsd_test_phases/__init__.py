"""Phases for tests: each does one thing, well or badly, as its payload says.

Kept light: a job process imports the module of its phase, and benchmarks time that.
"""
