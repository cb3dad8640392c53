"""The hub tells how it is: readiness with reasons, metrics, on an address of its own."""
