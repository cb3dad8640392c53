"""Usage reports out: an accepted request becomes an order, its parts become files in the requester's folder."""
