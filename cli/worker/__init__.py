"""The commands of ``agents worker``, one module each."""
