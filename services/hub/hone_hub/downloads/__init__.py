"""Files of repositories on our own disk: whole, verified, fetched once, and resumed where they were left.

Nothing is imported here: the worker process is started for every download, and needs none of what the service does.
"""
