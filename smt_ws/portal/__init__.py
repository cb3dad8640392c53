"""Pages for customers: invitations' Accept and Reject, accounts, agreements. Faces only: every decision is below."""
