"""What Hone's services say to each other: typed messages, subjects, streams, ids and errors. No I/O.

``messages`` is the envelope, ``catalog`` lists every message, ``subjects`` and ``streams`` say what carries
them. By subject: ``generation``, ``artifacts`` and ``validation``, ``jobs`` and ``job_messages``,
``registry`` (models and routes), ``chat``, ``providers``, ``card`` (graphics cards), ``hub``, ``training``,
``status``. ``models`` is how a model is named, ``erd_facts`` the form in which Hone's own models answer.
"""
