"""What was measured: interval days and their versions; loading them, checking them, reading them as of a load."""
