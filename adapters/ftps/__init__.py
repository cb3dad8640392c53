"""The FTPS site: explicit TLS, client certificate and password, each company in its own folders (R7, P4)."""

from adapters.ftps.accounts import RIGHTS, Account, Deed, Directory, Kind, Witness
from adapters.ftps.site import FtpsSettings, FtpsSite
from adapters.ftps.tls import FtpsTlsError

__all__ = ["RIGHTS", "Account", "Deed", "Directory", "FtpsSettings", "FtpsSite", "FtpsTlsError", "Kind", "Witness"]
