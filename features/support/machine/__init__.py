"""Supervisors that are driven step by step, under clocks that jump, with processes that stand in for the real ones.

Everything that decides is the product's own: store, ledger, fleet, guard, reaper, remnants. Only the spawner's
program and the handlers are played, and every played process has a real one that can be killed.
"""
