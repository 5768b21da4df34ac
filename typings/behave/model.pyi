class Scenario:
    name: str

class Step:
    name: str
    status: str
