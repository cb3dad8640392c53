"""Letters of authorisation: the customer says yes or no, and everything follows from that."""
