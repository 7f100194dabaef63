"""The three members' networks, each with its normalisation inside."""
