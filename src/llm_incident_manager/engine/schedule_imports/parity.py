"""Shift by shift: what the other tool says of who is on call when, beside what the imported schedule says."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from llm_incident_manager.domain.oncall.schedule import Schedule, stretches
from llm_incident_manager.engine.schedule_imports.translation import Rendered, written

MOST_ROWS = 5000


def parity(schedule: Schedule, rendered: list[Rendered]) -> dict[str, Any]:
    """Return ``{start, end, compared, same, rows}``; each row is ``{start, end, theirs, ours, same}``.

    Compared is from the first to the last instant that the other tool's shifts name; without any there is nothing to
    compare with, and ``compared`` is 0.
    """
    spans = [each for each in rendered if each.start < each.end]
    if not spans:
        return {"start": None, "end": None, "compared": 0, "same": 0, "rows": []}
    start, end = min(each.start for each in spans), max(each.end for each in spans)
    end = min(end, start + timedelta(days=800))
    ours = list(stretches(schedule, start, end))
    edges = {start, end, *(each.start for each in ours)}
    edges |= {edge for each in spans for edge in (each.start, each.end) if start <= edge <= end}
    spans.sort(key=lambda each: each.start)
    rows: list[tuple[datetime, datetime, list[str], list[str]]] = []
    at = nearest = 0
    open_spans: list[Rendered] = []
    for begins, ends in pairwise(sorted(edges)):
        while nearest < len(spans) and spans[nearest].start <= begins:
            open_spans.append(spans[nearest])
            nearest += 1
        open_spans = [each for each in open_spans if each.end > begins]
        while at + 1 < len(ours) and ours[at + 1].start <= begins:
            at += 1
        theirs, mine = sorted({each.user for each in open_spans}), sorted(set(ours[at].users))
        if rows and rows[-1][2:] == (theirs, mine):
            rows[-1] = (rows[-1][0], ends, theirs, mine)
        else:
            rows.append((begins, ends, theirs, mine))
    return {
        "start": written(start),
        "end": written(end),
        "compared": len(rows),
        "same": sum(theirs == mine for _, _, theirs, mine in rows),
        "rows": [
            {"start": written(begins), "end": written(ends), "theirs": theirs, "ours": mine, "same": theirs == mine}
            for begins, ends, theirs, mine in rows[:MOST_ROWS]
        ],
    }
