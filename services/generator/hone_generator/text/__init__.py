"""Reading requirements and names, for all artifact types.

``markdown`` finds the blocks of a text, ``passages`` cuts them into sentences with their places, ``phrases``
finds nouns in them, ``stems`` the same word in other forms, ``naming`` one thing in other spellings,
``quotes`` where a quote is from.
"""
