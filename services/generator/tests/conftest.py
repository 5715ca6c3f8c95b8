"""Strategies and fakes that several test files share lie beside them; importlib mode needs to be told."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
