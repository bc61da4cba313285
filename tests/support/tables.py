"""Sources that are changed as users change them."""

import csv
import io


def swap_day_and_month(data: bytes) -> bytes:
    rows = list(csv.reader(io.StringIO(data.decode("cp850"))))
    for row in rows[1:]:
        month, day, rest = row[5].split("/")
        row[5] = f"{day}/{month}/{rest}"
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode("cp850")
