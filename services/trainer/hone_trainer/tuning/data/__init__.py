"""From rows of conversations to token sequences with what of them is trained, and from these to batches.

    rows        reads the file, bounded, and names the row that is wrong
    template    the sandbox of chat templates
    chat        a conversation as the engine sees it: chat template and tokenizer
    masks       what of a rendered conversation is trained, token by token
    making      rows to arrays, in several processes
    tokenised   the arrays in the cache, there whole or not at all
    batches     steps, micro-batches, rows

Importing `rows`, `chat`, `masks`, `making` or `tokenised` imports no torch.
"""
