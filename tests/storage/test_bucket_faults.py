"""What a store answers, or does not: one message that says what to do and repeats no secret, and the exit code that fits."""

import io
from pathlib import Path

import pytest
from tests.support.buckets import KEY, SECRET, Between, Buckets, between

from tabtrail.errors import ConfigError, StorageError, TabtrailError
from tabtrail.storage import access
from tabtrail.storage.access import read_access
from tabtrail.storage.address import Address
from tabtrail.storage.bucket import Bucket, ChangedError
from tabtrail.storage.objects import ObjectFile
from tabtrail.storage.profile_keys import ProfileKeys


@pytest.fixture
def door(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> Between:
    with between(buckets.endpoint) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.endpoint)
        yield made  # type: ignore[misc]


def bucket_of(name: str, patience: float = 1.0) -> Bucket:
    return Bucket.of(Address(name, "x"), patience)


FAULTS = {
    (403, "AccessDenied"): "lack the permission",
    (403, "InvalidAccessKeyId"): "does not know these credentials",
    (403, "SignatureDoesNotMatch"): "does not know these credentials",
    (400, "ExpiredToken"): "have expired",
    (400, "AuthorizationHeaderMalformed"): "another region",
    (403, "RequestTimeTooSkewed"): "the clock",
    (501, "NotImplemented"): "conditional writes",
    (503, "SlowDown"): "answered 503",
    (500, "InternalError"): "answered 500",
    (405, "MethodNotAllowed"): "refused it",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[1])
@pytest.mark.parametrize("action", ["read", "list", "put", "replace"])
def test_each_refusal_is_one_line_with_what_to_do(door: Between, buckets: Buckets, fault: tuple[int, str], action: str) -> None:
    bucket = bucket_of(buckets.new())
    door.judge = lambda method, path: fault
    calls = {
        "read": lambda: bucket.read("x/y"),
        "list": lambda: list(bucket.list("x")),
        "put": lambda: bucket.put("x/y", b"1"),
        "replace": lambda: bucket.replace("x/y", b"1", ""),
    }
    with pytest.raises(StorageError, match=FAULTS[fault]) as caught:
        calls[action]()
    assert caught.value.exit_code == 1
    _is_plain(caught.value)


def _is_plain(error: TabtrailError) -> None:
    text = str(error)
    assert "\n" not in text
    assert SECRET not in text
    assert KEY not in text
    assert "Debug" not in text


def test_a_bucket_that_is_not_there_is_a_fault_of_the_config(buckets: Buckets) -> None:
    for call in (lambda: bucket_of("no-such").read("x"), lambda: list(bucket_of("no-such").list("x"))):
        with pytest.raises(ConfigError, match="there is no bucket 'no-such'") as caught:
            call()
        _is_plain(caught.value)
    with pytest.raises(ConfigError, match="there is no bucket"):
        bucket_of("no-such").replace("x", b"1", "")


def test_a_server_that_is_down_is_one_line(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    name = buckets.new()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:hidden@127.0.0.1:1")
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        bucket_of(name).read("x")
    assert "hidden" not in str(caught.value)
    _is_plain(caught.value)


def test_a_store_that_is_busy_for_a_while_is_waited_for(door: Between, buckets: Buckets) -> None:
    name = buckets.new()
    busy = [(503, "SlowDown")] * 3
    door.judge = lambda method, path: busy.pop() if busy else None
    bucket_of(name, 20).put("x/y", b"1")
    assert buckets.read(name, "x/y") == b"1"


def test_an_object_that_is_replaced_while_it_is_read_is_never_read_half_and_half(buckets: Buckets) -> None:
    name = buckets.new()
    bucket = bucket_of(name)
    etag = bucket.put("x/y.csv", b"old " * 5_000_000)
    with ObjectFile(Address(name, "x/y.csv"), 20_000_000, etag, bucket).open() as file:
        assert file.read(8 << 20)
        bucket.put("x/y.csv", b"new " * 5_000_000)
        with pytest.raises(ChangedError, match="changed while it was read"):
            file.read(8 << 20)


def test_an_object_can_be_read_in_any_order(buckets: Buckets) -> None:
    name, data = buckets.new(), bytes(range(256)) * 100
    bucket = bucket_of(name)
    file = ObjectFile(Address(name, "x"), len(data), bucket.put("x", data), bucket).open()
    assert file.seek(-6, io.SEEK_END) == len(data) - 6
    assert file.read() == data[-6:]
    assert file.seek(300) == 300
    assert file.read(10) == data[300:310]


# --- credentials ------------------------------------------------------------------------------------------------------


def files(folder: Path, config: str = "", shared: str = "") -> dict[str, str]:
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(shared)
    return {"AWS_CONFIG_FILE": str(folder / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials")}


OTHER = "[default]\naws_access_key_id = d\naws_secret_access_key = e\n[team]\naws_access_key_id = t\naws_secret_access_key = u%\n"


def test_keys_come_from_the_environment_else_from_the_profile(tmp_path: Path) -> None:
    own = files(tmp_path, "[profile team]\nregion = eu-west-3\nendpoint_url = https://s3.example.org\n", OTHER)
    assert read_access(own).settings["access_key_id"] == "d"
    team = read_access({**own, "AWS_PROFILE": "team"})
    assert team.settings["secret_access_key"] == "u%"
    assert (team.settings["region"], team.endpoint) == ("eu-west-3", "https://s3.example.org")
    both = {**own, "AWS_PROFILE": "team", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "n"}
    found = read_access(both)
    assert (found.settings["access_key_id"], found.settings["session_token"]) == ("k", "n")
    assert "u%" not in repr(team)


@pytest.mark.parametrize(
    ("variables", "config", "message"),
    [
        ({}, "", "no credentials are found"),
        ({"AWS_PROFILE": "taem"}, "", "no profile 'taem'.*did you mean 'team'"),
        (
            {"AWS_PROFILE": "sso"},
            "[profile sso]\nsso_start_url = x\n",
            "sso_start_url and no keys; install boto3.*export-credentials",
        ),
        ({"AWS_ACCESS_KEY_ID": "k"}, "", "go together"),
        ({}, "no section", "cannot be read as a file of AWS's settings"),
    ],
)
def test_keys_that_are_not_found_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], config: str, message: str
) -> None:
    monkeypatch.setattr(access, "can_fetch", lambda: False)  # as without boto3
    shared = OTHER.partition("[team]")[1] + OTHER.partition("[team]")[2] if variables else ""
    own = files(tmp_path, config, shared)
    with pytest.raises(ConfigError, match=message):
        read_access({**own, **variables, "AWS_EC2_METADATA_DISABLED": "true"})


ROLE = """
[profile admin]
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = base
region = us-east-1
[profile base]
aws_access_key_id = AKIAXTESTXKEY
aws_secret_access_key = s3-secret-of-the-tests
"""


@pytest.fixture
def role(tmp_path: Path, moto_server: Buckets, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket with one object, reached by a profile that assumes a role."""
    name = moto_server.new()
    moto_server.put(name, "x/one", b"1")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    endpoint = {"AWS_ENDPOINT_URL": moto_server.endpoint, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "admin"}
    for variable, value in (files(tmp_path, ROLE) | endpoint).items():
        monkeypatch.setenv(variable, value)
    return Bucket.of(Address(name, "x"), patience=2)


def test_the_keys_of_a_profile_that_assumes_a_role_are_fetched_by_boto3(role: Bucket) -> None:
    assert role.access.of_profile
    assert "access_key_id" not in role.access.settings
    found = role.read("x/one")
    assert found is not None
    assert found[0] == b"1"
    assert "secret" not in repr(role)


def test_keys_of_a_role_that_are_not_given_out_are_one_line(role: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    with pytest.raises(
        ConfigError, match=r"^the keys of the profile .* not given out \(EndpointConnectionError\); .*aws sso login"
    ):
        role.read("x/one")


def test_keys_that_can_no_longer_be_renewed_are_one_line(role: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a service that goes on after the session of whoever started it has ended."""
    renew = ProfileKeys.__call__

    def ended(self: ProfileKeys) -> object:
        self._found = None
        return renew(self)

    monkeypatch.setattr(ProfileKeys, "__call__", ended)
    with pytest.raises(StorageError, match=r"x/one: the session of the profile has ended; renew it"):
        role.read("x/one")
