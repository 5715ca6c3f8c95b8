"""A running gateway over real HTTP, real NATS and a real database; the tests play the other services."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
