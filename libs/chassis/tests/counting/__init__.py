"""A service that counts, for testing the chassis."""
