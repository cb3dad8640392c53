"""ZigBee Smart Energy Profile 1.0: payloads of messages to home devices, encoded and decoded."""
