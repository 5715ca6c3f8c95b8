"""Downloads with the real client from a hub on real sockets, through everything that goes wrong on the way."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_parts.downloading import (
    CONTENT,
    FILE,
    REPOSITORY,
    SMALL,
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

from hone_contracts.huggingface import RepositoryFile
from hone_hub.downloads.downloads import Wanted
from hone_hub.huggingface.errors import UnsafeFileName
from hone_hub.rate import Rate, in_words
from hone_hub.refusals import Refused


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with serving() as local:
        yield a_hub(local)


async def test_files_come_whole_with_progress_and_lie_as_in_the_clients_own_cache(
    hub: LocalHub, tmp_path: Path
) -> None:
    told = Told()
    what = wanted(hub, FILE, "config.json", "sub/dir/second.gguf")
    fetched = await downloads(hub, tmp_path).fetch(what, told)
    assert [path.read_bytes() for path in fetched.paths] == [CONTENT, SMALL, CONTENT[:500_000]]
    assert told[-1].done == told[-1].total == 3_500_000 + len(SMALL)
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    found = try_to_load_from_cache(REPOSITORY, FILE, cache_dir=tmp_path / "cache", revision=what.revision)
    assert Path(str(found)).read_bytes() == CONTENT


async def test_what_is_there_is_not_fetched_again_and_what_was_changed_is(
    hub: LocalHub, tmp_path: Path
) -> None:
    first = await downloads(hub, tmp_path).fetch(wanted(hub), Told())
    await downloads(hub, tmp_path).fetch(wanted(hub), Told())
    assert hub.served(REPOSITORY, FILE).sent_bytes == len(CONTENT)
    blob = first.paths[0].resolve()
    blob.write_bytes(CONTENT[:-1] + b"!" if CONTENT[-1:] != b"!" else CONTENT[:-1] + b"?")
    again = await downloads(hub, tmp_path).fetch(wanted(hub), Told())
    assert again.paths[0].read_bytes() == CONTENT


async def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub: LocalHub, tmp_path: Path) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(cut_after=1_000_000, times=2))
    fetched = await downloads(hub, tmp_path).fetch(wanted(hub), Told())
    served = hub.served(REPOSITORY, FILE)
    assert fetched.paths[0].read_bytes() == CONTENT
    assert served.gets == 3 and served.sent_bytes < len(CONTENT) * 1.5


async def test_a_hub_that_knows_no_ranges_sends_all_again(hub: LocalHub, tmp_path: Path) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(cut_after=1_000_000, times=1), Trouble(no_ranges=True))
    told = Told()
    fetched = await downloads(hub, tmp_path).fetch(wanted(hub), told)
    assert fetched.paths[0].read_bytes() == CONTENT
    assert max(step.done for step in told) == len(CONTENT)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_hub_in_trouble_for_a_moment_is_asked_again(
    hub: LocalHub, tmp_path: Path, status: int
) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(status=status, retry_after_s=1, times=1))
    fetched = await downloads(hub, tmp_path).fetch(wanted(hub), Told())
    assert fetched.paths[0].read_bytes() == CONTENT


async def test_bytes_of_another_digest_are_fetched_once_more_and_then_refused(
    hub: LocalHub, tmp_path: Path
) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(wrong_digest=True, times=1))
    fetched = await downloads(hub, tmp_path).fetch(wanted(hub), Told())
    assert fetched.paths[0].read_bytes() == CONTENT
    hub.trouble(REPOSITORY, "sub/dir/second.gguf", Trouble(wrong_digest=True))
    assert await refusal(downloads(hub, tmp_path), wanted(hub, "sub/dir/second.gguf")) == "wrong_digest"
    assert hub.served(REPOSITORY, "sub/dir/second.gguf").gets == 2
    assert not list((tmp_path / "cache").rglob("*second*")), "nothing that loads it can find it"


async def test_a_small_file_is_held_to_its_name_in_git(hub: LocalHub, tmp_path: Path) -> None:
    hub.trouble(REPOSITORY, "config.json", Trouble(wrong_digest=True))
    assert await refusal(downloads(hub, tmp_path), wanted(hub, "config.json")) == "wrong_digest"


@pytest.mark.parametrize("more", [-1000, 1000])
async def test_a_file_of_another_length_is_refused(hub: LocalHub, tmp_path: Path, more: int) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(wrong_length=more))
    assert await refusal(downloads(hub, tmp_path), wanted(hub)) == "wrong_length"
    assert part_bytes(tmp_path) == 0, "it is seen before anything comes"


async def test_gated_private_and_missing_repositories_are_told_apart_as_far_as_the_hub_does(
    hub: LocalHub, tmp_path: Path
) -> None:
    hub.add("acme/gated", {FILE: CONTENT}, gated=True)
    hub.add("acme/private", {FILE: CONTENT}, private=True)
    stranger, known = downloads(hub, tmp_path), downloads(hub, tmp_path, token=hub.token)
    assert await refusal(stranger, wanted(hub, repository="acme/gated")) == "repository_gated"
    assert await refusal(stranger, wanted(hub, repository="acme/private")) == "repository_missing"
    for repository in ("acme/gated", "acme/private"):
        fetched = await known.fetch(wanted(hub, repository=repository), Told())
        assert fetched.paths[0].read_bytes() == CONTENT


async def test_a_file_that_vanished_from_the_repository_is_told(hub: LocalHub, tmp_path: Path) -> None:
    what = wanted(hub)
    del hub.repositories[REPOSITORY].files[FILE]
    assert await refusal(downloads(hub, tmp_path), what) == "repository_file_missing"


async def test_the_token_stays_at_the_hub_and_is_in_no_arguments(hub: LocalHub, tmp_path: Path) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(bytes_per_s=1_000_000))
    task = asyncio.create_task(downloads(hub, tmp_path, token=hub.token).fetch(wanted(hub), Told()))
    worker = await until(worker_process)
    assert worker is not None
    assert hub.token not in " ".join(worker.cmdline()) + str(worker.environ())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "path", ["../up.gguf", "/etc/passwd", "a//b", "a/../../b", "a\\b", "n\0ul", "x" * 300, "a\nb"]
)
async def test_a_name_that_leads_elsewhere_is_refused(hub: LocalHub, tmp_path: Path, path: str) -> None:
    what = Wanted(REPOSITORY, "main", (RepositoryFile(path=path, size_bytes=1),))
    with pytest.raises(UnsafeFileName):
        await downloads(hub, tmp_path).fetch(what, Told())


async def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    hub: LocalHub, tmp_path: Path
) -> None:
    assert await refusal(downloads(hub, tmp_path, spare_bytes=1 << 60), wanted(hub)) == "no_space"
    assert hub.served(REPOSITORY, FILE).gets == 0


async def test_a_worker_that_is_killed_leaves_what_it_had_and_the_next_goes_on(
    hub: LocalHub, tmp_path: Path
) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(bytes_per_s=2_000_000))
    task = asyncio.create_task(downloads(hub, tmp_path).fetch(wanted(hub), Told()))
    await until(lambda: ready(hub.served(REPOSITORY, FILE).sent_bytes > 1_000_000))
    worker = await until(worker_process)
    assert worker is not None
    worker.send_signal(signal.SIGKILL)
    with pytest.raises(Refused, match="signal 9"):
        await task
    had = part_bytes(tmp_path)
    hub.trouble(REPOSITORY, FILE)
    fetched = await downloads(hub, tmp_path).fetch(wanted(hub), Told())
    assert fetched.paths[0].read_bytes() == CONTENT
    assert 0 < had < len(CONTENT)
    assert hub.served(REPOSITORY, FILE).starts == [0, had]


async def test_who_is_cancelled_leaves_a_download_that_can_be_resumed(hub: LocalHub, tmp_path: Path) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(bytes_per_s=2_000_000))
    task = asyncio.create_task(downloads(hub, tmp_path).fetch(wanted(hub), Told()))
    await until(lambda: ready(part_bytes(tmp_path) > 500_000))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await worker_process() is None
    hub.trouble(REPOSITORY, FILE)
    await downloads(hub, tmp_path).fetch(wanted(hub), Told())
    assert hub.served(REPOSITORY, FILE).starts[-1] > 500_000


async def test_all_who_ask_for_a_file_share_one_download_and_one_cancel_ends_it_for_nobody_else(
    hub: LocalHub, tmp_path: Path
) -> None:
    hub.trouble(REPOSITORY, FILE, Trouble(bytes_per_s=6_000_000))
    shared, told = downloads(hub, tmp_path), [Told() for _ in range(5)]
    tasks = [asyncio.create_task(shared.fetch(wanted(hub), each)) for each in told[:4]]
    # One more wants another file beside it.
    tasks.append(asyncio.create_task(shared.fetch(wanted(hub, FILE, "config.json"), told[4])))
    await until(lambda: ready(hub.served(REPOSITORY, FILE).sent_bytes > 500_000))
    tasks[0].cancel()
    fetched = await asyncio.gather(*tasks[1:])
    assert all(each.paths[0].read_bytes() == CONTENT for each in fetched)
    served = hub.served(REPOSITORY, FILE)
    assert served.gets == 1 and served.sent_bytes == len(CONTENT)
    assert all(each for each in told[1:]), "everyone saw progress"
    assert told[4][-1].total == len(CONTENT) + len(SMALL)


async def test_removing_frees_what_no_snapshot_needs(hub: LocalHub, tmp_path: Path) -> None:
    loads = downloads(hub, tmp_path)
    what = wanted(hub, FILE, "config.json")
    fetched = await loads.fetch(what, Told())
    freed = await loads.remove(REPOSITORY, what.revision, keep=("config.json",))
    assert freed >= len(CONTENT)
    assert not fetched.paths[0].exists() and fetched.paths[1].read_bytes() == SMALL
    await loads.remove(REPOSITORY)
    assert not list((tmp_path / "cache").iterdir())


def test_speed_and_time_left_are_told_once_they_are_known() -> None:
    clock = iter([0.0, 1.0, 2.0])
    rate = Rate(lambda: next(clock))
    assert in_words(rate.at(0), 10) == ""
    assert in_words(rate.at(37_000_000), 37_000_000 * 95) == "37.0 MB/s, 1:35 left"
    assert rate.at(74_000_000) == 37_000_000
