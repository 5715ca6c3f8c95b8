"""Parts of the hub's tests that are not tests."""
