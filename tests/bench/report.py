# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bench has found: rows of medians beside one another, and how they stand to what is wanted."""
import json
import pathlib
import platform
import re
import statistics


class Report:
    """The rows of a run, printed as they come, and the file of them.

    targets: (workload, metric, compared with, limit of the ratio): a column, `best` (of the peers),
    `floor`, or None, when the limit is one of the value itself.
    """

    def __init__(self, columns, targets, floor):
        self.columns = columns
        self.targets = targets
        self.floor = floor
        self.rows = []
        self.notes = []

    def row(self, workload, metric, unit, samples, *, better="less", floor=None):
        """Adds a row from {name: [value, ...]}; floor is the name ratio_floor is to."""
        floor = floor or self.floor
        values = {name: statistics.median(s) for name, s in samples.items()}
        others = [v for name, v in values.items() if name not in ("sixgate", floor)]
        best = (min if better == "less" else max)(others) if others else None
        ours, base = values.get("sixgate"), values.get(floor)
        self.rows.append({
            "workload": workload, "metric": metric, "unit": unit, "better": better,
            "values": {name: round(v, 3) for name, v in values.items()},
            "samples": {name: [round(v, 3) for v in s] for name, s in samples.items()},
            "floor": round(base, 3) if base is not None else None,
            "ratio_best": round(ours / best, 3) if ours is not None and best else None,
            "ratio_floor": round(ours / base, 3) if ours is not None and base else None,
        })
        self._print_row(self.rows[-1])

    def _width(self, column):
        return max(len(column), 8) + 2

    def print_head(self):
        print(f"{'workload':<16}{'metric':<11}{'unit':<15}" +
              "".join(f"{c:>{self._width(c)}}" for c in self.columns) +
              f"{'/best':>8}{'/floor':>8}", flush=True)

    def _print_row(self, row):
        def shown(value):
            return "-" if value is None else f"{value:.3f}" if value < 100 else f"{value:.0f}"
        print(f"{row['workload']:<16}{row['metric']:<11}{row['unit']:<15}" +
              "".join(f"{shown(row['values'].get(c)):>{self._width(c)}}" for c in self.columns) +
              f"{shown(row['ratio_best']):>8}{shown(row['ratio_floor']):>8}", flush=True)

    def reached(self):
        """The targets that the rows speak of, with what was reached."""
        reached = []
        for workload, metric, other, limit in self.targets:
            for row in self.rows:
                value = target_value(row, other)
                if (row["workload"], row["metric"]) == (workload, metric) and value is not None:
                    met = value >= limit if row["better"] == "more" else value <= limit
                    reached.append({"workload": workload, "metric": metric, "to": other,
                                    "limit": limit, "value": round(value, 3), "met": met})
        return reached

    def write(self, build, name, quick):
        """Prints how the targets stand, and writes bench/NAME.json in the build directory."""
        targets = self.reached()
        for t in targets:
            of = f"of {t['to']}'s" if t["to"] else "itself"
            print(f"{'met   ' if t['met'] else 'MISSED'} {t['workload']} {t['metric']} {of}: "
                  f"{t['value']:.3f}, target {t['limit']}")
        out = pathlib.Path(build) / "bench"
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.json").write_text(json.dumps({
            "rows": self.rows, "targets": targets, "notes": self.notes, "host": host(),
            "quick": quick}, indent=1) + "\n")


def target_value(row, other):
    """What the target limits: sixgate's value, or its ratio to another's."""
    if other is None:
        return row["values"].get("sixgate")
    if other in ("best", "floor"):
        return row[f"ratio_{other}"]
    ours, theirs = row["values"].get("sixgate"), row["values"].get(other)
    return ours / theirs if ours is not None and theirs else None


def host():
    """Where the numbers come from."""
    cpu = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return {"kernel": platform.release(), "cpu": cpu.group(1) if cpu else platform.machine()}
