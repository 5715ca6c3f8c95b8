"""Models, their versions and aliases, the routes to them, and who changed what.

- What there is: ``tables`` and ``live_tables`` hold the rows; ``models``, ``versions``, ``standings`` and ``routes``
  read them; ``audit`` keeps the trail; ``answers`` and ``trail`` tell the other services.
- What a team sets: ``routes_file`` reads what it writes and ``apply`` makes it the table; ``promotion`` is by hand;
  ``whole`` is the registry as one text.
- What the learning loop changes: ``planning`` reserves a version's number, ``deployed`` registers it, ``evaluations``
  gives it its place by the ``policy``; ``live`` follows it at work and ``watching`` acts on what it sees. Every
  change of a place goes through ``seats``, and every change of a route through ``route_changes``.
- ``starter`` and ``first_start`` bring in the model that ships with Hone and its routes; ``app`` wires.
"""
