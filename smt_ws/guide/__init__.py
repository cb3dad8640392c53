"""The interface guide's tables, printed from the code, the WSDLs and the XSDs, so that they cannot differ from them."""
