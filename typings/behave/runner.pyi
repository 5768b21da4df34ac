from support.world import World

class Context:
    world: World
    text: str | None
    """The block of text below the step."""
