"""Customers' own accounts: registering, confirming an e-mail address, logging in, a new password."""
