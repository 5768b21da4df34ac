"""Plans: the plan file, its sandbox, the change set it makes and the apply. Knows git, not the store."""
