"""Models, their versions and aliases, the routes to them, and who changed what.

``tables`` holds the rows, ``models`` and ``routes`` read and change them, ``audit`` keeps the trail, ``starter``
and ``first_start`` bring in the model that ships with Hone, ``answers`` serves the other services, ``app`` wires.
"""
