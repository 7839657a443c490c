#!/usr/bin/env python3
"""Counts a day of one city again, from the PBXs' own queue_log and CDR files alone, and compares with the report's JSON.

It shares no line with callctl: neither its counting nor its reading. Use it to check a report:

  scripts/recount.py report.json --home q12345=/var/log/asterisk/queue_log \
      --support xuzhou=/path/to/xuzhou/queue_log --support suzhou=/path/to/suzhou/queue_log [--since EPOCH]
      [--cdr /var/log/asterisk/cdr-csv/Master.csv --support-cdr xuzhou=/path/to/xuzhou/Master.csv ...]

Every count must agree exactly, and every sum of seconds that the PBX itself wrote down (waits until an answer, talks).
The call detail records (queues/<city>.toml: write_cdr) are another witness, written by another part of the PBX: which calls
were answered and whether by a slot, when each talk ended, and at the supporting city how many talks and how long. Their
seconds are cut where the queue_log's are rounded: each talk may differ by one second, in all.
The waits of those who gave up are whole seconds here and fractions in the report: each may differ by one second, in all.
Exit code 1 where anything differs; the differences are printed.
"""

import argparse
import csv
import json
import re
import sys
from collections import Counter
from datetime import datetime

SLOT = re.compile(r"([a-z]+)-\d+-t\d+")


def lines_of(path, since):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            cells = line.rstrip("\n").split("|")
            if len(cells) >= 5 and cells[0].isdigit() and int(cells[0]) >= since:
                yield int(cells[0]), cells[1], cells[2], cells[3], cells[4], cells[5:]


def home_calls(path, queue, since):
    """One dict a citizen's call, by the PBX's unique id."""
    calls = {}
    for at, unique, name, member, event, rest in lines_of(path, since):
        if name != queue:
            continue
        if event == "ENTERQUEUE":
            call = calls.setdefault(unique, {"entered": at, "number": rest[1], "answers": [], "talks": [], "gave_up": None})
            call["entries"] = call.get("entries", 0) + 1
        elif unique not in calls:
            continue
        elif event == "CONNECT":
            calls[unique]["answers"].append((member, int(rest[0])))
            calls[unique]["connected"] = at
        elif event in ("COMPLETEAGENT", "COMPLETECALLER"):
            calls[unique]["talks"].append(int(rest[1]))
        elif event == "ABANDON":
            calls[unique]["gave_up"] = int(rest[2])
    return calls


def figures(calls):
    """What the report calls by the same names."""
    told = Counter()
    helped = Counter()
    longest = 0
    for call in calls.values():
        told["requested"] += 1
        told["requeues"] += call["entries"] - 1
        if not call["answers"]:
            told["abandoned"] += call["gave_up"] is not None
            told["open_or_lost"] += call["gave_up"] is None
            longest = max(longest, call["gave_up"] or 0)
            continue
        member, _ = call["answers"][-1]
        waited = sum(wait for _, wait in call["answers"])
        longest = max(longest, waited)
        slot = SLOT.fullmatch(member)
        told["answered_remote" if slot else "answered_home"] += 1
        if slot:
            helped[slot[1]] += 1
        told["answered_waits_s"] += waited
        told["answered_waits_n"] += 1
        for limit in (15, 20, 30):
            told[f"in_{limit}"] += waited <= limit
        if len(call["talks"]) == len(call["answers"]):
            told["talks_n"] += 1
            told["talks_s"] += call["talks"][-1]
            if slot:
                told["remote_talks_n"] += 1
                told["remote_talks_s"] += call["talks"][-1]
    return told, helped, longest


def support_answers(path, assisted, since):
    """At a supporting city: answers, and rings nobody answered, of its lent seats."""
    told = Counter()
    for _, _, name, _, event, _ in lines_of(path, since):
        if name == f"support-{assisted}":
            told[event] += 1
    return told


def details_of(path, since):
    """The talks a PBX's CDR tells: one dict a record of a channel that was joined to another by Queue or Dial."""
    names = ("account", "src", "dst", "context", "clid", "channel", "with", "app", "data")
    names += ("start", "answer", "end", "duration", "billsec", "disposition")
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        for cells in csv.reader(file):
            # Two of the last four are peer account and sequence; cdr.conf: newcdrcolumns, loguniqueid, usegmtime.
            if len(cells) < 20:
                continue
            one = dict(zip(names, cells, strict=False)) | {"unique": cells[16], "linked": cells[18]}
            one["ended"] = datetime.fromisoformat(f"{one['end']}+00:00").timestamp()
            if one["ended"] >= since and one["disposition"] == "ANSWERED" and one["with"]:
                yield one


def compare_details(path, calls, since, sums, compare):
    """The home PBX's CDR: the same calls answered by the same kind of seat, and every talk as long."""
    last, legs = {}, {}
    for one in details_of(path, since):
        call = calls.get(one["unique"])
        if one["app"] == "Queue" and call and "connected" in call and one["ended"] >= call["connected"]:
            last[one["unique"]] = one
        elif one["app"] == "Dial" and one["context"] == "cc-seat":
            legs[one["linked"]] = int(one["billsec"])
    answered = {unique for unique, call in calls.items() if call["answers"]}
    compare("calls answered, by the CDR", len(last), sums["answered_home"] + sums["answered_remote"])
    compare("calls of the queue_log that the CDR has no talk of", len(answered - last.keys()), 0)
    remote = {unique for unique, one in last.items() if one["with"].startswith("Local/")}
    compare("calls answered remotely, by the CDR", len(remote), sums["answered_remote"])
    talked = [unique for unique in last if len(calls[unique]["talks"]) == len(calls[unique]["answers"])]
    told = sum(last[unique]["ended"] - calls[unique]["connected"] for unique in talked)
    compare("seconds talked, by the CDR", told, sums["talks_s"], len(talked))
    legs_s = sum(legs.get(unique, 0) for unique in talked if unique in remote)
    compare("seconds talked remotely, by the legs' CDR", legs_s, sums["remote_talks_s"], sums["remote_talks_n"])


def compare_support_details(path, city, assisted, since, supporter, there, compare):
    """A supporting PBX's CDR: as many talks as its queue_log has, and as long as the report says."""
    queue = f"support-{assisted}"
    talks = [
        int(one["billsec"])
        for one in details_of(path, since)
        if one["app"] == "Queue" and one["data"].partition(",")[0] == queue
    ]
    compare(f"{city}: talks of its CDR against its queue_log", len(talks), there["CONNECT"])
    if supporter["talk_s"] is not None and there["CONNECT"] == supporter["answered"]:
        told = supporter["talk_s"] * supporter["answered"]
        compare(f"{city}: seconds talked, by its CDR", sum(talks), told, len(talks))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report")
    parser.add_argument("--home", required=True, metavar="QUEUE=FILE")
    parser.add_argument("--support", action="append", default=[], metavar="CITY=FILE")
    parser.add_argument("--cdr", metavar="FILE", help="the home PBX's call detail records")
    parser.add_argument("--support-cdr", action="append", default=[], metavar="CITY=FILE")
    parser.add_argument("--since", type=float, default=0.0)
    options = parser.parse_args()
    with open(options.report, encoding="utf-8") as file:
        report = json.load(file)
    queue, _, path = options.home.partition("=")
    calls = home_calls(path, queue, options.since)
    told, helped, longest = figures(calls)
    sums, wrong, same = report["sums"], [], 0

    def compare(what, ours, theirs, within=0.0):
        nonlocal same
        if abs(ours - theirs) > within:
            wrong.append(f"{what}: the report says {theirs}, the PBX itself {ours}")
        else:
            same += 1

    exact = (
        "requested answered_home answered_remote abandoned requeues in_15 in_20 in_30 answered_waits_s answered_waits_n "
        "talks_n talks_s remote_talks_n remote_talks_s"
    )
    for name in exact.split():
        compare(name, told[name], sums[name])
    compare("lost + unknown + waiting", told["open_or_lost"], sums["lost"] + sums["unknown"] + sums["waiting"])
    compare("longest wait", longest, sums["max_wait_s"], 1.0)
    callers = len({call["number"] for call in calls.values()})
    compare("different callers", callers, report["callers"] or 0)
    answered = told["answered_home"] + told["answered_remote"]
    compare("sum of the hours", told["requested"], sum(hour["requested"] for hour in report["hours"]))
    compare(
        "answers of the hours", answered, sum(hour["answered_home"] + hour["answered_remote"] for hour in report["hours"])
    )
    by_city = {one["city"]: one for one in report["supporters"]}
    for city in sorted({*helped, *(city for city, one in by_city.items() if one["answered"])}):
        compare(f"answered by {city}", helped[city], by_city.get(city, {"answered": 0})["answered"])
    if options.cdr:
        compare_details(options.cdr, calls, options.since, sums, compare)
    details = dict(one.split("=", 1) for one in options.support_cdr)
    for one in options.support:
        city, _, path = one.partition("=")
        there = support_answers(path, report["heading"]["city"], options.since)
        # Its agent may answer in the very second in which the citizen hangs up: then only its own log has an answer.
        if there["CONNECT"] < helped[city]:
            wrong.append(f"{city}: its own log has {there['CONNECT']} answers, fewer than the home log's {helped[city]}")
        else:
            same += 1
        if city in details:
            supporter = by_city.get(city, {"answered": 0, "talk_s": None})
            assisted = report["heading"]["city"]
            compare_support_details(details[city], city, assisted, options.since, supporter, there, compare)
    for line in wrong:
        print(line)
    print(f"{same} figures agree, {len(wrong)} differ; {told['requested']} calls, {answered} answered")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
