"""The sections on the data: its paths, how it is read and cleaned, what its columns must be."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tabtrail.config.columns import Columns, check_condition
from tabtrail.config.file import CACHE_FOLDER, DEMAND_ENDING, demand_folder
from tabtrail.config.section import Names, Problems, Section, Share, undeclared
from tabtrail.config.warehouse import TABLE_NAME, VARIABLE, is_table_name, is_variable
from tabtrail.contract.layout import Layout, fold_name
from tabtrail.contract.numbers import Decimal, NumberRule, Thousands, format_problem
from tabtrail.contract.schema import ColumnRule, RowRule
from tabtrail.storage.address import Address, is_address
from tabtrail.storage.copies import Copy, served_copy


def _place(value: Any) -> Any:
    """Check an address; a path is checked with the rest."""
    if is_address(value):
        try:
            Address.parse(value)
        except ValueError as error:
            raise PydanticCustomError("address", "{reason}", {"reason": str(error)}) from None
    return value


_ESCAPES = {"\\t": "\t", "\\x09": "\t", "\\u0009": "\t", "\\x01": "\x01", "\\u0001": "\x01", "\\x1f": "\x1f", "\\u001f": "\x1f"}


def _local(value: Any) -> Any:
    if is_address(value):
        reason = "this lies on this machine; only raw_csv, processed_dir, models_dir and output_mirror may be in a bucket"
        raise PydanticCustomError("address", "{reason}", {"reason": reason})
    return value


def _sign(value: Any) -> Any:
    """A single sign, which a command line or an unquoted YAML text writes as its escape: a tab as \\t."""
    return _ESCAPES.get(value, value) if isinstance(value, str) else value


Place = Annotated[Path, BeforeValidator(_place)]
"""A path, or an address in a bucket, of which the path is that of the copy on this machine."""
Local = Annotated[Path, BeforeValidator(_local)]
IN_BUCKETS = ("raw_csv", "processed_dir", "models_dir", "output_mirror")


class Paths(Section):
    """Where everything lies. What is in a bucket has the path of its copy in `cache_dir`, and an `address`."""

    raw_csv: Place | None = Field(None, description="The file, or a pattern of files; not needed with source.table or query.")
    processed_dir: Place = Field(Path("data/processed/data_parquet"), description="Named after the source where not given.")
    duckdb_file: Local = Field(Path("duckdb/data.duckdb"), description="Named after the source where not given.")
    models_dir: Place = Path("models")
    output_dir: Local = Path("output")
    output_mirror: Place | None = Field(None, description="An address, as s3://bucket/prefix, that output_dir is copied to.")
    cache_dir: Local = Field(Path(CACHE_FOLDER), description="Copies of what lies in a bucket.")
    _addresses: dict[str, Address] = PrivateAttr({})

    @model_validator(mode="wrap")
    @classmethod
    def _take_addresses(cls, value: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        paths = check(value)
        if isinstance(value, dict):
            found = {name: Address.parse(value[name]) for name in IN_BUCKETS if is_address(value.get(name))}
            return paths._stored(found) if found else paths
        return paths

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the keys as they were written: addresses, not the copies of what is there."""
        written: dict[str, Any] = write(self)
        return written | {name: str(address) for name, address in self._addresses.items() if name in written}

    def address(self, name: str) -> Address | None:
        """Return the address of a key, None for a path."""
        return self._addresses.get(name)

    @property
    def source(self) -> Path | Address | None:
        """The file, pattern or address of `raw_csv`; None where the rows come from a table."""
        return self._addresses.get("raw_csv", self.raw_csv)

    def resolved(self, resolve: Callable[[Path], Path]) -> Self:
        """Return the paths, each as `resolve` has it."""
        found = {name: None if path is None else resolve(path) for name, path in self}
        return self.model_copy(update=found)._stored(self._addresses)

    def of_demand(self) -> Self:
        """Return the paths with the folder, beside that of models, of the model of series."""
        addresses = {**self._addresses}
        if (models := addresses.get("models_dir")) is not None:
            addresses["models_dir"] = models.with_name(models.name + DEMAND_ENDING)
        return self.model_copy(update={"models_dir": demand_folder(self.models_dir)})._stored(addresses)

    def within(self, folder: Path) -> Self:
        """Return the paths of the same sources with all that is written below a folder."""
        written = ("processed_dir", "duckdb_file", "models_dir", "output_dir", "cache_dir")
        moved = self.model_copy(update={"output_mirror": None, **{name: folder / name for name in written}})
        return moved._stored({name: each for name, each in self._addresses.items() if name == "raw_csv"})

    def _stored(self, addresses: Mapping[str, Address]) -> Self:
        copies = {name: self.cache_dir / each.bucket / each.key for name, each in addresses.items()}
        paths = self.model_copy(update=copies)
        paths._addresses = dict(addresses)
        return paths

    @property
    def rejects(self) -> Path:
        """The Parquet file of rejected rows, beside the processed folder."""
        return self.processed_dir.with_name(self.processed_dir.name.removesuffix("_parquet") + "_rejects.parquet")

    @property
    def refused(self) -> Path:
        """The Parquet file of the rows for which the last ingest was refused, beside the rejects of the dataset that stayed."""
        return self.rejects.with_stem(f"{self.rejects.stem}_refused")

    @property
    def manifest(self) -> Path:
        """The accounting of the dataset, beside the processed folder, in which whoever reads it plainly finds Parquet alone."""
        return self.processed_dir.with_name(self.processed_dir.name.removesuffix("_parquet") + "_manifest.json")

    @property
    def dataset_copy(self) -> Copy | None:
        """The dataset of a bucket with its copy, None for one of this machine."""
        address = self.address("processed_dir")
        beside = {"manifest.json": self.manifest, "rejects.parquet": self.rejects}
        return None if address is None else Copy(address, self.processed_dir, "data", beside)

    @property
    def models_copy(self) -> Copy | None:
        """The models of a bucket with the copy that is deployed to, None for those of this machine."""
        address = self.address("models_dir")
        return None if address is None else Copy(address, self.models_dir)

    @property
    def served(self) -> Copy | None:
        """The models of a bucket with the copy that is predicted from, which nothing is deployed to."""
        address = self.address("models_dir")
        return None if address is None else served_copy(address, self.cache_dir)


class Source(Section):
    encoding: str = Field("auto", description="A Python codec name, or auto: UTF-8 where it decodes, else detected.")
    sheet: str | None = Field(None, description="The sheet of an Excel workbook; not needed where it shows a single one.")
    delimiter: Annotated[str, BeforeValidator(_sign)] = Field(
        ",", min_length=1, max_length=1, description="What parts fields, \\t for a tab; `sep=;` on line 1 goes before it."
    )
    skip_rows: int = Field(0, ge=0, le=1000, description="How many lines stand above the header, such as titles.")
    skip_after_header: int = Field(0, ge=0, le=1000, description="How many lines below the header are no rows, such as units.")
    comment: str | None = Field(None, min_length=1, description="Lines that begin with this text, such as #, are no rows.")
    rename: dict[str, str] = Field({}, description="Names that columns of the file get, by the names written in it.")
    fold_header: bool = Field(False, description="Find columns without regard to case, blanks and underscores in their names.")
    unnamed: Literal["refuse", "drop"] = Field("refuse", description="What becomes of columns without a name.")
    decimal: Decimal = Field(".", description="The decimal mark of numbers: a point or a comma.")
    thousands: Thousands | None = Field(
        None, description="The mark between groups of three digits: . , ' _ or a blank; indian for 12,34,567."
    )
    null_values: dict[str, tuple[str, ...]] = Field({}, description="Texts that mean a missing value, by column.")
    table: str | None = Field(None, description="A table of PostgreSQL in place of files, as schema.name.")
    query: str | None = Field(None, description="A query of PostgreSQL in place of files: one SELECT.")
    order_by: Names = Field((), description="Columns of the table or query that put its rows in one order, as its key.")
    address_variable: str = Field("TABTRAIL_POSTGRES", description="The environment variable that holds the address.")

    @property
    def layout(self) -> Layout:
        """How the table lies in the file."""
        return Layout(**{each.name: getattr(self, each.name) for each in fields(Layout)})


class Contract(Section):
    max_reject_share: Share = 0.01
    columns: dict[str, ColumnRule] = Field({})
    rows: tuple[RowRule, ...] = ()


class Parquet(Section):
    partition_by: tuple[str, ...] = ()


def check_paths(paths: Paths) -> Problems:
    """Yield what is wrong with the paths, as written: the processed folder is replaced as a whole, with all that is in it."""
    here, folder = Path(), paths.processed_dir
    own = [name for name, path in paths if name != "processed_dir" and path is not None and not paths.address(name)]
    inside = [name for name in own if (here / getattr(paths, name)).is_relative_to(here / folder)]
    if folder == here or (folder.is_absolute() and not folder.name):
        yield ("paths", "processed_dir"), "this would replace the folder of the config file; name a folder in it"
    elif inside:
        yield ("paths", "processed_dir"), f"this folder is replaced as a whole, and paths.{inside[0]} is in it"
    if paths.output_mirror is not None and not paths.address("output_mirror"):
        yield ("paths", "output_mirror"), f"this is an address in a bucket; write it as s3://bucket/{paths.output_mirror.name}"
    yield from _check_addresses(paths)


def _check_addresses(paths: Paths) -> Problems:
    """Yield the addresses that others lie in: what is published to one would remove them."""
    addresses = {name: address for name in IN_BUCKETS if (address := paths.address(name)) is not None}
    if (models := addresses.get("models_dir")) is not None:
        addresses["models_dir of demand"] = models.with_name(models.name + DEMAND_ENDING)
    for name, address in addresses.items():
        within = next((other for other, each in addresses.items() if other != name and address.contains(each)), None)
        if within is not None and name != "raw_csv" and " " not in name:
            yield ("paths", name), f"what is published here replaces what was, and paths.{within} is in it; name another prefix"


def check_source(source: Source) -> Problems:
    """Yield what is wrong with the layout: marks that a file cannot be read by, names that are one when folded."""
    if source.delimiter in '"\r\n\0':
        yield ("source", "delimiter"), "fields cannot be parted by a quote or a line end"
    if source.comment is not None and source.comment[0] in f'"\r\n{source.delimiter}':
        yield ("source", "comment"), "comments cannot begin with a quote, a line end or the delimiter"
    fold = fold_name if source.fold_header else str
    names = [fold(name) for name in source.rename]
    for index, name in enumerate(source.rename):
        if names.index(names[index]) < index:
            yield ("source", "rename"), f"'{name}' is there twice, as source.fold_header reads it"


def check_origin(paths: Paths, source: Source) -> Problems:
    """Yield what is wrong with where the rows come from: nothing named or two things, a table without an order, and keys of
    files that do nothing for a table.
    """
    named = {("paths", "raw_csv"): paths.raw_csv, ("source", "table"): source.table, ("source", "query"): source.query}
    given = [key for key, value in named.items() if value is not None]
    relation = source.table is not None or source.query is not None
    if not given:
        yield ("paths", "raw_csv"), "this key is required (or source.table, to read a table of PostgreSQL)"
    for key in given[1:]:
        yield key, f"{'.'.join(given[0])} names the data as well; remove one of the two"
    if source.table is not None and not is_table_name(source.table):
        yield ("source", "table"), TABLE_NAME
    if source.query is not None and not source.query.strip():
        yield ("source", "query"), "there is no SQL in it; write one SELECT"
    if relation and not source.order_by:
        message = "a table has no order of its own; name columns that put its rows in one, as those of its key"
        yield ("source", "order_by"), message
    if source.order_by and not relation:
        yield ("source", "order_by"), "files have an order; this goes for source.table and source.query alone"
    if not is_variable(source.address_variable):
        yield ("source", "address_variable"), VARIABLE
    for name in _OF_FILES if relation else ():
        if getattr(source, name) != Source.model_fields[name].default:
            yield ("source", name), "this goes for files alone, and the rows come from a table; remove it"


_OF_FILES = ("sheet", "skip_rows", "skip_after_header", "comment")


def check_numbers(source: Source, contract: Contract) -> Problems:
    """Yield what is wrong with how numbers are written."""
    if problem := format_problem(NumberRule().over(source.decimal, source.thousands)):
        yield ("source", "thousands"), problem
        return
    for name, rule in contract.columns.items():
        key = ("contract", "columns", name, "number")
        if rule.number is None:
            continue
        if rule.dtype not in ("int", "float"):
            yield key, f"this says how numbers are written, and the column is {rule.dtype}; set dtype: float"
        elif rule.number.percent and rule.dtype == "int":
            yield (*key, "percent"), "a percentage is a fraction; set dtype: float"
        elif problem := format_problem(rule.number.over(source.decimal, source.thousands)):
            yield key, problem


def check_contract(contract: Contract, columns: Columns) -> Problems:
    """Yield what is wrong with the rules of columns and rows."""
    for name, rule in contract.columns.items():
        yield from _check_column(name, rule, columns)
    names = [row.name for row in contract.rows]
    for index, row in enumerate(contract.rows):
        if names.index(row.name) < index:
            yield ("contract", "rows", index, "name"), f"another rule is called '{row.name}' too"
        yield from check_condition(("contract", "rows", index, "check"), row.check, columns.required, columns)


def _check_column(name: str, rule: ColumnRule, columns: Columns) -> Problems:
    key = ("contract", "columns", name)
    if (rule.min is not None or rule.max is not None) and rule.dtype not in ("int", "float"):
        yield key, "min and max are for numbers (int or float)"
    wanted = str if rule.dtype == "string" else int | float
    if rule.allowed is not None and not all(isinstance(value, wanted) for value in rule.allowed):
        yield (*key, "allowed"), f"these are not all values of a {rule.dtype} column"
    if name in columns.derived:
        yield key, "ingest adds this column from the date; the source cannot have it"


def check_parquet(parquet: Parquet, columns: Columns) -> Problems:
    """Yield what is wrong with the columns that name the folders of the dataset."""
    key = ("parquet", "partition_by")
    for name in parquet.partition_by:
        if name not in columns.dataset:
            yield key, undeclared(name, columns.dataset)
        if set(name) & set("/=%") or parquet.partition_by.count(name) > 1:
            yield key, f"'{name}' cannot name folders: it is given twice, or has one of / = %"
        elif name[:1] in ("_", "."):
            yield key, f"'{name}' cannot name folders: pandas and pyarrow take those that begin with {name[:1]} for hidden"
        elif columns.rule(name).dtype == "datetime":
            yield key, f"'{name}' has times of day, which would make a folder of nearly every row; name YEAR or MONTH"
