"""What a job of a million to 20 billion objects takes, computed from measured unit costs: ``docs/scale.md``."""
