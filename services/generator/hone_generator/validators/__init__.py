"""Validators: each looks at one quality of an artifact and says what to mend."""
