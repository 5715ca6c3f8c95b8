"""Files of repositories on our own disk: whole, verified, fetched once, and resumed where they were left."""

from hone_hub.downloads.downloads import Downloads, Fetched, Wanted

__all__ = ["Downloads", "Fetched", "Wanted"]
