"""The outside world: each module one format or protocol, none of them knows the hub."""
