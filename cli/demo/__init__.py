"""``agents demo``: the product at work on a project of its own, which leaves nothing behind."""
