"""``python -m hone_generator``."""

from hone_chassis import serve

serve("hone_generator.app")
