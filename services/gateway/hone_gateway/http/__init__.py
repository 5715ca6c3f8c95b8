"""What surrounds every request: problems, admission, keys, bodies, repeated requests."""
