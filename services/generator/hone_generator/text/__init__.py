"""Reading requirements and names: what all artifact types share."""
