"""Print ``docs/reference/agents.schema.json``: the JSON Schema of what programs get.

A test fails when the file is older than the code; then:

    python docs/generate_schemas.py > docs/reference/agents.schema.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from json_schemas import document

if __name__ == "__main__":
    print(json.dumps(document(), indent=1))
