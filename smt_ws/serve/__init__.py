"""The processes of a running hub: SOAP endpoint, FTPS site, workers, scheduler, and the supervisor over them."""
