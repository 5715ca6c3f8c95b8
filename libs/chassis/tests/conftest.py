"""A small service of the tests' own, on real parts: it counts what it handles."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
