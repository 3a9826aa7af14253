"""The sample submission of a contest: a CSV file with the columns that a submission must have."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fastnet.cli._predictions import Submission
from fastnet.datasets._dialect import short

__all__ = ["Sample", "read_sample"]


class Sample(NamedTuple):
    """A sample submission.

    Attributes
    ----------
    path : str
        The file.
    header : list of str
        The names of the columns; the first one names the rows.
    ids : list of str
        The name of each row.
    """

    path: str
    header: list[str]
    ids: list[str]

    def layout(self, names: list[str] | None, outputs: int) -> Submission:
        """Return where the predictions of a model go; `names` are its classes, None for a regression.

        Raises
        ------
        ValueError
            There are other columns than the model has classes or outputs.
        """
        columns = self.header[1:]
        where = f"--sample-submission {self.path}"
        if len(columns) == 1 and (names is not None or outputs == 1):
            return Submission(self.header, [])
        if names is None:
            if len(columns) != outputs:
                raise ValueError(
                    f"{where} has {len(columns)} columns beside {short(self.header[0])}, the model {outputs} outputs"
                )
            return Submission(self.header, list(range(outputs)))
        if sorted(columns) != sorted(names):
            other = next((column for column in columns if column not in names), None)
            missing = next((name for name in names if name not in columns), "")
            wrong = f"no column {short(missing)}" if other is None else f"the column {short(other)}"
            raise ValueError(
                f"{where} has {wrong}; expected one column for the class, or one for each class of the model, "
                f"{', '.join(map(repr, names[:10]))}{', ...' if len(names) > 10 else ''}"
            )
        return Submission(self.header, [1 + names.index(column) for column in columns])

    def order_of(self, ids: Sequence[str], data: str) -> list[int] | None:
        """Return the row of the data for each row of the sample, by the names in the data; None if they are in order.

        Raises
        ------
        ValueError
            The data have other names, or names in another order of which one occurs twice.
        """
        if list(ids) == self.ids:
            return None
        column = short(self.header[0])
        advice = f"--id {self.header[0]} takes the names from {data}"
        places = {name: row for row, name in enumerate(ids)}
        wanted = set(self.ids)
        if other := next((name for name in (*self.ids, *ids) if (name in places) != (name in wanted)), None):
            only, without = (self.path, data) if other in wanted else (data, self.path)
            raise ValueError(
                f"--sample-submission {self.path}: the column {column} has {short(other)} in {only} and not in {without}; "
                f"{advice}"
            )
        if len(places) < len(ids) or len(wanted) < len(self.ids):
            raise ValueError(
                f"--sample-submission {self.path}: the column {column} has names that occur twice, in another order than "
                f"in {data}; {advice}"
            )
        return [places[name] for name in self.ids]


def read_sample(path: str) -> Sample:
    """Read a sample submission.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not a CSV file with a header and at least two columns.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"--sample-submission {path} is not a CSV file in UTF-8: {error}") from error
    if len(header) < 2 or len(set(header)) < len(header):
        raise ValueError(
            f"--sample-submission {path} must have a header with different names of at least two columns, the first one "
            f"for the names of the rows; got {', '.join(map(short, header[:5])) or 'nothing'}"
        )
    return Sample(path, header, [row[0].strip() for row in rows])
