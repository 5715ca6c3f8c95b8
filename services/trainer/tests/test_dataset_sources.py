"""Dataset files from S3-compatible storage: each failure is told apart, and a local copy stands in."""

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from s3_stand_in import KEY, REGION, SECRET, Store, s3_stand_in

from hone.cli.main import run
from hone_trainer.datasets import s3_errors as errors
from hone_trainer.datasets.errors import NoSuchFile, PackagesMissingForS3
from hone_trainer.datasets.local_copies import LocalCopies
from hone_trainer.datasets.s3 import Patience, fetched_from_s3
from hone_trainer.datasets.sources import fetched

_ADDRESS = "s3://team-data/sets/good one.jsonl"
_CONTENT = b'{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a."}]}\n' * 500
_QUICK = Patience(pauses_s=(0.01, 0.01, 0.01), connect_timeout_s=2, read_timeout_s=1)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    with s3_stand_in() as store:
        store.objects["team-data/sets/good%20one.jsonl"] = _CONTENT
        for name in (
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "http_proxy",
            "https_proxy",
            "AWS_PROFILE",
            "AWS_DEFAULT_REGION",
        ):
            monkeypatch.delenv(name, raising=False)
        told = {
            "AWS_ENDPOINT_URL": store.url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }  # fmt: skip
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        yield store


def _wrong_region(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.tells_region = False
    monkeypatch.setenv("AWS_REGION", "us-west-2")


@pytest.fixture
def fetch(store: Store, tmp_path: Path) -> Callable[..., Path]:
    def fetch(address: str = _ADDRESS, said: list[str] | None = None) -> Path:
        heard: list[str] = [] if said is None else said
        return fetched_from_s3(address, LocalCopies(tmp_path / "copies"), heard.append, _QUICK)

    return fetch


Fetch = Callable[..., Path]


def test_an_object_is_fetched_with_valid_signatures_and_the_bucket_is_asked_first(
    store: Store, fetch: Fetch
) -> None:
    path = fetch()
    assert path.read_bytes() == _CONTENT and path.suffix == ".jsonl"
    assert [(method, name) for method, name, _ in store.requests] == [
        ("HEAD", "team-data"), ("GET", "team-data/sets/good%20one.jsonl"),
    ]  # fmt: skip


def test_a_copy_is_used_again_while_the_object_is_the_same(store: Store, fetch: Fetch) -> None:
    first = fetch()
    assert fetch() == first
    assert "if-none-match" in store.requests[-1][2]
    store.objects["team-data/sets/good%20one.jsonl"] = b"new"
    assert fetch().read_bytes() == b"new"


@pytest.mark.parametrize(
    ("prepare", "error", "told"),
    [
        (lambda s, m: m.setenv("AWS_ACCESS_KEY_ID", "ANOTHER"), errors.WrongKeys, "AWS_ACCESS_KEY_ID"),
        (lambda s, m: m.setenv("AWS_SECRET_ACCESS_KEY", "wrong"), errors.WrongKeys, "AWS_SECRET_ACCESS_KEY"),
        (lambda s, m: m.delenv("AWS_ACCESS_KEY_ID"), errors.NoKeys, "AWS_ACCESS_KEY_ID"),
        (_wrong_region, errors.WrongRegion, "set AWS_REGION"),
        (lambda s, m: setattr(s, "denied", True), errors.AccessDenied, "s3:GetObject"),
        (lambda s, m: s.buckets.clear(), errors.NoSuchBucket, "team-data"),
        (lambda s, m: s.objects.clear(), errors.NoSuchKey, "good one.jsonl"),
        (lambda s, m: s.troubles.append("403 RequestTimeTooSkewed"), errors.ClockSkew, "clock"),
        (lambda s, m: s.troubles.extend(["503 SlowDown"] * 4), errors.StoreFailing, "SlowDown"),
        (lambda s, m: s.troubles.extend(["500 InternalError"] * 4), errors.StoreFailing, "InternalError"),
        (lambda s, m: s.troubles.extend(["cut"] * 4), errors.CutOff, "broke off"),
        (lambda s, m: s.troubles.extend(["slow"] * 4), errors.TimedOut, "within 1 s"),
        (lambda s, m: s.troubles.append("400 InvalidRequest"), errors.Refused, "InvalidRequest"),
        (
            lambda s, m: m.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{_closed_port()}"),
            errors.NotReachable,
            "AWS_ENDPOINT_URL",
        ),
    ],
)
def test_each_failure_has_its_own_error_that_says_what_to_do(
    store: Store, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    prepare: Callable[[Store, pytest.MonkeyPatch], object], error: type[errors.S3Error], told: str,
) -> None:  # fmt: skip
    store.slow_s = 1.5
    prepare(store, monkeypatch)
    with pytest.raises(error, match=told):
        fetch()
    copies = tmp_path / "copies"
    assert not copies.exists() or list(copies.iterdir()) == []


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize(
    "troubles",
    [
        ["503 SlowDown"],
        ["500 InternalError", "503 SlowDown", "500 InternalError"],
        ["cut"],
        ["cut", "500 InternalError", "cut"],
    ],
)
def test_trouble_that_passes_is_outlasted(store: Store, fetch: Fetch, troubles: list[str]) -> None:
    store.troubles.extend(troubles)
    assert fetch().read_bytes() == _CONTENT
    assert store.troubles == []


def test_another_region_that_the_store_tells_is_gone_to(
    store: Store, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert fetch().read_bytes() == _CONTENT


def test_a_cut_transfer_goes_on_where_it_broke_off(store: Store, fetch: Fetch) -> None:
    store.troubles.append("cut")
    assert fetch().read_bytes() == _CONTENT
    assert store.requests[-1][2]["range"] == f"bytes={len(_CONTENT) // 2}-"


def test_attempts_are_bounded_and_what_cannot_pass_is_asked_once(store: Store, fetch: Fetch) -> None:
    store.troubles.extend(["503 SlowDown"] * 50)
    with pytest.raises(errors.StoreFailing):
        fetch()
    assert len(store.troubles) == 46
    store.troubles, store.requests = [], []
    store.denied = True
    with pytest.raises(errors.AccessDenied):
        fetch()
    assert len(store.requests) == 2


def test_keys_for_objects_alone_are_enough(store: Store, fetch: Fetch) -> None:
    store.only_objects = True
    assert fetch().read_bytes() == _CONTENT


def test_the_local_copy_stands_in_while_the_store_cannot_be_reached_and_that_is_said(
    store: Store, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, said = fetch(), list[str]()
    store.troubles.extend(["503 SlowDown"] * 4)
    assert fetch(said=said) == first
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{_closed_port()}")
    assert fetch(said=said) == first
    assert len(said) == 2 and "cannot be reached" in said[1] and "The copy of 20" in said[1]


def test_the_local_copy_does_not_stand_in_for_what_may_not_be_read_any_more(
    store: Store, fetch: Fetch
) -> None:
    fetch()
    store.denied = True
    with pytest.raises(errors.AccessDenied):
        fetch()


@pytest.mark.parametrize(
    "address", ["s3://", "s3://team-data", "s3://team-data/", "s3://UPPER/x", "s3://a/b", "s3://team-data/\0"]
)
def test_addresses_that_are_none_are_refused_before_anything_is_asked(
    store: Store, fetch: Fetch, address: str
) -> None:
    with pytest.raises(errors.BadAddress):
        fetch(address)
    assert store.requests == []


def test_keys_cannot_leave_the_folder_of_copies(store: Store, fetch: Fetch, tmp_path: Path) -> None:
    store.objects["team-data/../../evil.sh"] = b"x"
    path = fetch("s3://team-data/../../evil.sh")
    assert path.parent == tmp_path / "copies"


def test_a_missing_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    monkeypatch.delitem(sys.modules, "hone_trainer.datasets.s3", raising=False)
    with pytest.raises(PackagesMissingForS3, match=r"hone-trainer\[s3\]"):
        fetched(_ADDRESS)


def test_files_of_this_machine_need_no_client(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    assert fetched(f"file://{tmp_path}/a.jsonl") == fetched(f"{tmp_path}/a.jsonl") == tmp_path / "a.jsonl"
    with pytest.raises(NoSuchFile):
        fetched("none.jsonl")


def test_the_command_reads_from_the_store(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dataset", "check", _ADDRESS]) == 0
    assert "500 rows" in capsys.readouterr().out
    assert run(["dataset", "check", "s3://team-data/none"]) == 3
    assert run(["dataset", "check", "s3://no-such-bucket/none"]) == 3
    store.denied = True
    assert run(["dataset", "check", _ADDRESS]) == 4
