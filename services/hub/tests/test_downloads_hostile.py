"""Downloads from hubs that lie, and beside others that come, go and remove at the same time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hub_parts.downloading import (
    CONTENT,
    FILE,
    REPOSITORY,
    Told,
    a_hub,
    downloads,
    part_bytes,
    ready,
    refusal,
    wanted,
    worker_process,
)
from local_hub import LocalHub, Trouble, serving
from running import until

from hone_hub.downloads.store import Store
from hone_hub.huggingface.errors import NoDigest, UnsafeFileName
from hone_hub.work import Step

pytestmark = pytest.mark.slow

_SERVICE = """
import asyncio, sys
from pathlib import Path
from hone_hub.downloads.downloads import Downloads, Wanted
from hone_hub.huggingface.access import HubAccess
from hone_contracts.huggingface import RepositoryFile

async def tell(step): ...
url, folder, repository, revision, file = sys.argv[1:]
wanted = Wanted(repository, revision, (RepositoryFile.model_validate_json(file),))
asyncio.run(Downloads(Path(folder), HubAccess(url), spare_bytes=0).fetch(wanted, tell))
"""


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with serving() as local:
        yield a_hub(local)


async def test_a_file_without_end_is_given_up_at_the_length_that_the_hub_told(
    hub: LocalHub, tmp_path: Path
) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(endless=True))
    assert await refusal(downloads(hub, tmp_path), wanted(hub)) == "wrong_length"
    assert part_bytes(tmp_path) <= len(CONTENT)


async def test_a_hub_that_wants_hours_of_patience_is_told_at_once(hub: LocalHub, tmp_path: Path) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(status=429, retry_after_s=20_000))
    async with asyncio.timeout(30):
        assert await refusal(downloads(hub, tmp_path), wanted(hub)) == "hub_busy"
    assert hub.requests["get"] == 1


async def test_a_redirect_elsewhere_does_not_take_the_token_along(hub: LocalHub, tmp_path: Path) -> None:
    with serving() as elsewhere:
        a_hub(elsewhere)
        hub.trouble(REPOSITORY, FILE, Trouble(redirect=f"{elsewhere.url}/cdn/{REPOSITORY}/{FILE}"))
        fetched = await downloads(hub, tmp_path, token=hub.token).fetch(wanted(hub), Told())
        assert fetched.paths[0].read_bytes() == CONTENT
        assert f"Bearer {hub.token}" in hub.authorizations
        assert elsewhere.authorizations == [None]


async def test_redirects_without_end_end(hub: LocalHub, tmp_path: Path) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(redirect=f"{hub.url}/cdn/{REPOSITORY}/{FILE}"))
    assert await refusal(downloads(hub, tmp_path), wanted(hub)) == "hub_says_nonsense"


@pytest.mark.parametrize("said", ["../../../outside", "", "g" * 64, "a" * 63])
async def test_a_digest_that_is_none_names_no_file(hub: LocalHub, tmp_path: Path, said: str) -> None:
    what = wanted(hub)
    files = tuple(file.model_copy(update={"sha256": said, "blob_id": None}) for file in what.files)
    with pytest.raises(NoDigest):
        await downloads(hub, tmp_path).fetch(replace(what, files=files), Told())


@pytest.mark.parametrize("repository", ["..", "acme/..", "acme/a\nb", "acme//b", "/etc"])
async def test_neither_repository_nor_revision_lead_out_of_the_cache(
    hub: LocalHub, tmp_path: Path, repository: str
) -> None:
    what = wanted(hub)
    for bad in (replace(what, repository=repository), replace(what, revision=repository)):
        with pytest.raises(UnsafeFileName):
            await downloads(hub, tmp_path).fetch(bad, Told())


async def test_a_disk_that_fills_up_meanwhile_is_told_as_that(hub: LocalHub, tmp_path: Path) -> None:
    what = wanted(hub)
    part = Store(tmp_path / "cache", REPOSITORY).part(what.files[0])
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    assert await refusal(downloads(hub, tmp_path), what) == "no_space"


async def test_one_file_in_trouble_ends_the_others_at_once_and_they_stay_resumable(
    hub: LocalHub, tmp_path: Path
) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(bytes_per_s=200_000))
    hub.trouble(REPOSITORY, "config.json", Trouble(hang_s=2, status=403))
    async with asyncio.timeout(10):  # all of it would take 15 s
        code = await refusal(downloads(hub, tmp_path), wanted(hub, FILE, "config.json"))
    assert code == "hub_refuses"
    assert part_bytes(tmp_path) > 0


async def test_a_hub_service_that_is_killed_takes_its_worker_along_and_the_next_goes_on(
    hub: LocalHub, tmp_path: Path
) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(bytes_per_s=1_500_000))
    what = wanted(hub)
    order = [hub.url, str(tmp_path / "cache"), REPOSITORY, what.revision, what.files[0].model_dump_json()]
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", _SERVICE, *order, stdout=PIPE)
    await until(lambda: ready(part_bytes(tmp_path) > 700_000))
    (worker,) = psutil.Process(service.pid).children()
    os.kill(service.pid, signal.SIGKILL)
    await service.wait()
    await until(lambda: ready(not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE))
    had = part_bytes(tmp_path)
    hub.trouble(REPOSITORY, FILE)
    fetched = await downloads(hub, tmp_path).fetch(what, Told())
    assert fetched.paths[0].read_bytes() == CONTENT
    assert hub.served(REPOSITORY, FILE).starts == [0, had]


async def test_who_asks_again_while_a_cancelled_download_ends_gets_one_of_its_own(
    hub: LocalHub, tmp_path: Path
) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(bytes_per_s=3_000_000))
    loads = downloads(hub, tmp_path)
    first = asyncio.create_task(loads.fetch(wanted(hub), Told()))
    await until(lambda: ready(part_bytes(tmp_path) > 500_000))
    first.cancel()
    await asyncio.sleep(0)  # it is cancelled; its worker is not gone yet
    fetched = await loads.fetch(wanted(hub), Told())
    assert fetched.paths[0].read_bytes() == CONTENT
    assert first.cancelled() or (await asyncio.wait([first]) and first.cancelled())


async def test_whoever_fails_to_be_told_fails_alone(hub: LocalHub, tmp_path: Path) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(bytes_per_s=3_000_000))
    loads = downloads(hub, tmp_path)

    async def deaf(_step: Step) -> None:
        raise LookupError("the job is gone")

    told = asyncio.gather(
        loads.fetch(wanted(hub), Told()), loads.fetch(wanted(hub), deaf), return_exceptions=True
    )
    well, badly = await told
    assert not isinstance(well, BaseException) and well.paths[0].read_bytes() == CONTENT
    assert isinstance(badly, LookupError)


async def test_the_same_content_under_two_names_is_fetched_once(hub: LocalHub, tmp_path: Path) -> None:
    hub.add("acme/twice", {"a.gguf": CONTENT, "b/c.gguf": CONTENT})
    what = wanted(hub, "a.gguf", "b/c.gguf", repository="acme/twice")
    fetched = await downloads(hub, tmp_path).fetch(what, Told())
    assert [path.read_bytes() == CONTENT for path in fetched.paths] == [True, True]
    sent = [hub.served("acme/twice", file.path).sent_bytes for file in what.files]
    assert sum(sent) == len(CONTENT)


async def test_two_hubs_with_one_folder_fetch_once(hub: LocalHub, tmp_path: Path) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(bytes_per_s=3_000_000))
    both = (downloads(hub, tmp_path), downloads(hub, tmp_path))
    fetched = await asyncio.gather(*(each.fetch(wanted(hub), Told()) for each in both))
    assert all(each.paths[0].read_bytes() == CONTENT for each in fetched)
    assert hub.served(REPOSITORY, FILE).sent_bytes == len(CONTENT)


async def test_removing_waits_for_no_download_and_takes_nothing_from_one(
    hub: LocalHub, tmp_path: Path
) -> None:
    hub.trouble(REPOSITORY, "sub/dir/second.gguf", Trouble(bytes_per_s=500_000))
    loads = downloads(hub, tmp_path)
    await loads.fetch(wanted(hub), Told())
    running = asyncio.create_task(loads.fetch(wanted(hub, "sub/dir/second.gguf"), Told()))
    await until(worker_process)
    assert await loads.remove(REPOSITORY) == 0
    assert (await running).paths[0].read_bytes() == CONTENT[:500_000]
    # One that begins while a removal works waits for it, and finds its folder.
    removing = asyncio.create_task(loads.remove(REPOSITORY))
    await asyncio.sleep(0)
    assert (await loads.fetch(wanted(hub, "config.json"), Told())).paths[0].exists()
    assert await removing > len(CONTENT)


async def test_removing_leaves_what_was_fetched_in_part_for_a_week(hub: LocalHub, tmp_path: Path) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(bytes_per_s=2_000_000))
    loads = downloads(hub, tmp_path)
    cancelled = asyncio.create_task(loads.fetch(wanted(hub), Told()))
    await until(lambda: ready(part_bytes(tmp_path) > 500_000))
    cancelled.cancel()
    await asyncio.wait([cancelled])
    await loads.fetch(wanted(hub, "config.json"), Told())
    await loads.remove(REPOSITORY)
    assert part_bytes(tmp_path) > 500_000
    (part,) = tmp_path.rglob("*.part")
    os.utime(part, (0, 0))
    await loads.remove(REPOSITORY)
    assert not list((tmp_path / "cache").iterdir())
