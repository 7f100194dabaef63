"""From an approved proposal to the last fill: entry, protection, exits, flatten, recovery."""
