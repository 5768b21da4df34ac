"""Ground floor: plan files, sandboxes, change sets and apply. Knows git, not the store."""
