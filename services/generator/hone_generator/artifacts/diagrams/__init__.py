"""What the Mermaid diagrams that are read from requirements at once have in common: labels, answers, drafts."""
