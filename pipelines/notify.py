"""The one door to people: Apprise URLs of ``NOTIFY_URLS``, or standard output."""

from __future__ import annotations

from typing import Any

from pipelines import console
from pipelines.errors import PipelineError, UsageError
from pipelines.settings import settings


def send(title: str, body: str) -> str:
    """Tell people; return how they were told.

    Raises:
        PipelineError: a channel did not take the message. No address is shown: it may hold a password.
    """
    urls = settings().notify_urls
    if not urls:
        console.result(f"{title}\n{body}")
        return "standard output"
    channels = _channels()
    if not channels.notify(title=title, body=body):
        raise PipelineError(f"NOTIFY_URLS: not all of the {len(urls)} channels took the message; the data is in place.")
    return f"{len(urls)} channels"


def check() -> None:
    """See that every channel can be understood.

    Raises:
        UsageError: an entry of NOTIFY_URLS is no Apprise URL.
    """
    if settings().notify_urls:
        _channels()


def _channels() -> Any:
    import apprise

    channels = apprise.Apprise()
    for number, url in enumerate(settings().notify_urls, 1):
        if not channels.add(url.get_secret_value()):
            raise UsageError(f"Setting NOTIFY_URLS: entry {number} is not an Apprise URL.")
    return channels
