"""Migrations in numeric order, run by playhouse.migrations. Never edit one that was released."""
