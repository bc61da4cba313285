"""What an MLflow store needs installed beside MLflow: the driver of a database, the library of a bucket."""

from importlib.util import find_spec

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from tabtrail.config.operation import Mlflow
from tabtrail.errors import StoreError
from tabtrail.system.addresses import without_passwords

_BUCKETS = {
    "s3": ("boto3", "boto3"),
    "gs": ("google.cloud.storage", "google-cloud-storage"),
    "wasbs": ("azure.storage.blob", "azure-storage-blob"),
    "abfss": ("azure.storage.filedatalake", "azure-storage-file-datalake"),
    "hdfs": ("pyarrow", "pyarrow"),
}
"""The module of each kind of bucket, and the package that has it. MLflow imports it only when the first file is written."""
_PACKAGES = {"psycopg": "'tabtrail[postgres]'", "MySQLdb": "mysqlclient", "pymysql": "PyMySQL"}


def require_driver(uri: str) -> bool:
    """Tell whether an address is that of a database that needs a driver.

    Raises `StoreError` where the address cannot be read, or the driver is not installed; nothing is connected.
    """
    if not Mlflow(tracking_uri=uri).is_database:
        return False
    shown = without_passwords(uri)
    try:
        make_url(uri).get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise StoreError(
            f"{shown} is not an address of a database; write mlflow.tracking_uri as postgresql+psycopg://USER:PASSWORD@HOST/NAME"
        ) from None
    except ModuleNotFoundError as error:
        if error.name == "psycopg2":
            remedy = "write postgresql+psycopg:// in its place, and pip install 'tabtrail[postgres]'"
        else:
            remedy = f"pip install {_PACKAGES.get(str(error.name), str(error.name))}"
        raise StoreError(f"the MLflow store {shown} needs {error.name}, which is not installed: {remedy}") from None
    return True


def require_bucket_library(location: str) -> None:
    """Raise `StoreError` where artifacts lie in a bucket whose library is not installed."""
    module, package = _BUCKETS.get(location.partition("://")[0], ("", ""))
    if module and not _is_installed(module):
        shown = without_passwords(location)
        raise StoreError(f"the artifacts of the MLflow store lie in {shown}, which needs {module}: pip install {package}")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent package
        return False
