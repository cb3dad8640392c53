"""The hub's SOAP services: thin faces that find out who calls, call one use case, and put its result on the wire."""
