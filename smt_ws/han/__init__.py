"""Home area network: devices and SEP 1.0 messages, carried out by TDSPs."""
