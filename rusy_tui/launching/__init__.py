"""The processes of Rusy: where they keep things, who holds an account, how they start."""
