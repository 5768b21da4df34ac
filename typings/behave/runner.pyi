from support.world import World

class Context:
    world: World
