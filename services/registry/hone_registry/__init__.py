"""Models, their versions and aliases, the routes to them, and who changed what.

``tables`` holds the rows, ``models`` and ``routes`` read them, ``routes_file`` reads what a team writes and ``apply``
makes it the table, ``audit`` keeps the trail, ``starter`` and ``first_start`` bring in the model that ships with Hone
and its routes, ``answers`` serves the other services, ``app`` wires.
"""
