"""The whole registry as one text for Git: ``document`` says what stands in it, ``text`` writes and reads it,
``exporting`` makes it of the rows, ``importing`` makes the rows of it, ``answers`` serves the other services.
"""
