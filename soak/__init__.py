"""Runs two supervisors under random work and random kills, and looks whether anything is lost, left or grown.

``python -m soak [--minutes N] [--jobs N] [--seed N]``. Afterwards one supervisor runs some thousand jobs undisturbed.
It ends with a table: what was done, what every promise says, and memory, descriptors, write-ahead log and latency at
the end against the start.
"""
