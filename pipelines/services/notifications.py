"""The one door to people: Apprise URLs of ``NOTIFY_URLS``, or standard output."""

from __future__ import annotations

from typing import Any

from pipelines.core.errors import PipelineError, UsageError
from pipelines.services import console
from pipelines.services.settings import settings


def send(title: str, body: str) -> str:
    """Sends a message to every channel, or to standard output where there is none; returns where it went.

    Raises:
        PipelineError: a channel did not take the message. No address is shown: it may hold a password.
    """
    channels = _channels()
    if not channels:
        console.result(f"{title}\n{body}")
        return "standard output"
    silent = [number for number, channel in enumerate(channels, 1) if not channel.notify(title=title, body=body)]
    if silent:
        raise PipelineError(
            f"NOTIFY_URLS: entry {', '.join(map(str, silent))} did not take the message. The data is in place; look at "
            "the address, its network and its password, and run again."
        )
    return f"{len(channels)} channels"


def check() -> None:
    """See that every channel can be understood.

    Raises:
        UsageError: an entry of NOTIFY_URLS is no Apprise URL.
    """
    _channels()


def _channels() -> list[Any]:
    """One per entry of NOTIFY_URLS."""
    if not (urls := settings().notify_urls):
        return []
    import apprise

    channels = [apprise.Apprise() for _ in urls]
    for number, (channel, url) in enumerate(zip(channels, urls, strict=True), 1):
        if not channel.add(url.get_secret_value()):
            raise UsageError(f"Setting NOTIFY_URLS: entry {number} is not an Apprise URL.")
    return channels
