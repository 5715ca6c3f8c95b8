"""The routes file: what a team writes about which model answers for which artifact type (docs/routes.md).

``tree`` reads the text into nodes that know their line, ``values`` the single values, ``keys`` has the table of all
keys, ``entries`` reads a whole file by it, and ``inherit`` makes complete routes of it. All of it is pure, and total:
any text is either routes or a list of faults.
"""

from hone_registry.routes_file.faults import BadRoutes
from hone_registry.routes_file.inherit import routes_of
from hone_registry.routes_file.values import Registered

__all__ = ["BadRoutes", "Registered", "routes_of"]
