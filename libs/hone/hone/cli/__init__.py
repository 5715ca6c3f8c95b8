"""The `hone` command: stdout is data, stderr is progress, errors are one line that says what to do next.

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 not authorised, 5 unavailable, 130 interrupted.
"""
