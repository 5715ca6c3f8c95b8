"""The kinds of artifact that the generator makes; each folder holds one, pure of I/O."""
