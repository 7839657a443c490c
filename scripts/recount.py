#!/usr/bin/env python3
"""Counts a city's day again, from the PBXs' own queue_log and CDR files alone: call by call, and the report's sums.

It shares no line with callctl: neither its counting nor its reading. Use it to check a report:

  callctl records export --city yangzhou --from … --to … --form jsonl --out calls.jsonl
  scripts/recount.py report.json --calls calls.jsonl --log yangzhou=/var/log/asterisk/queue_log \
      --log xuzhou=/path/to/xuzhou/queue_log --log suzhou=/path/to/suzhou/queue_log \
      [--cdr yangzhou=/var/log/asterisk/cdr-csv/Master.csv --cdr xuzhou=… ] [--queue q12345]

City, span and supporting cities are those of the report; whose log is lacking is told. Each call of the home queue_log is
compared with callctl's record of it: who answered, at which seat, the wait, the talk; a call that only one of the two has
is named. An answer by a supporting city is looked for in that city's log, by number and second. Every sum must then agree.
The call detail records (queues/<city>.toml: write_cdr) are another witness, written by another part of the PBX. Its
seconds are cut where the queue_log's are rounded: one second a talk is forgiven, and one second of the wait of who gave up.
Of a call-back by key only the asking is compared: what comes of it waits under another name in the queue_log.
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
LOAN = re.compile(r"(\w+)-[a-z]+-t\d+")
STAND_IN_S = 5
APART_S = 3  # The two PBXs write an answer down within a round trip, and their clocks are not one.
WAITED_WITHIN_S = 1.0
OUTCOMES = {"answered": "answered", "abandoned": "abandoned"}
PBX_NAMES = ("account", "src", "dst", "context", "clid", "channel", "with", "app", "data")
PBX_NAMES += ("start", "answer", "end", "duration", "billsec", "disposition")


class Verdict:
    """What differs, and how many figures and calls agree."""

    def __init__(self):
        self.wrong, self.same = [], 0

    def compare(self, what, ours, theirs, within=0.0):
        near = ours == theirs if None in (ours, theirs) or isinstance(ours, str) else abs(ours - theirs) <= within
        if near:
            self.same += 1
        else:
            self.wrong.append(f"{what}: callctl says {theirs}, the PBX itself {ours}")


def lines_of(path, until):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            cells = line.rstrip("\n").split("|")
            if len(cells) >= 5 and cells[0].isdigit() and int(cells[0]) <= until:
                yield int(cells[0]), cells[1], cells[2], cells[3], cells[4], cells[5:]


def born(unique):
    """When a channel came to be: its id says so, "<city>-<epoch>.<n>"."""
    return int(re.search(r"(\d+)\.\d+$", unique)[1])


def home_calls(path, queue, heading):
    """One dict a citizen's call that came in the report's span, by the PBX's unique id; told until the report was made."""
    calls, asked = {}, {}
    for at, unique, name, member, event, rest in lines_of(path, heading["made_at"]):
        if name != queue:
            continue
        if event == "ENTERQUEUE":
            if unique not in calls and at - asked.get(rest[1], 0) <= STAND_IN_S:
                continue  # It waits for a call-back in the stead of who asked for it.
            if unique in calls or heading["since"] <= born(unique) < heading["until"]:
                call = calls.setdefault(unique, {"number": rest[1], "answers": [], "talks": [], "entries": 0})
                call["entries"] += 1
                call["left"] = None
        elif unique not in calls:
            continue
        elif event == "CONNECT":
            calls[unique]["answers"].append((member, int(rest[0]), at))
        elif event in ("COMPLETEAGENT", "COMPLETECALLER"):
            calls[unique]["talks"].append(int(rest[1]))
        elif event == "ABANDON":
            calls[unique]["left"] = ("abandoned", at - born(unique))  # Since the call came, prompts before the queue too.
        elif event == "EXITWITHKEY" and rest[0] == "1":
            calls[unique]["left"] = ("call_back", at - born(unique))
            asked[calls[unique]["number"]] = at
    return {unique: what_became_of(call) for unique, call in calls.items()}


def what_became_of(call):
    told = {"number": call["number"], "requeues": call["entries"] - 1, "outcome": None, "by": None, "seat": None}
    told |= {"waited_s": None, "talked_s": None, "at": None}
    if call["left"]:  # Also after an answer whose leg was lost: who came back and then gave up is not answered.
        told["outcome"], told["waited_s"] = call["left"]
    elif call["answers"]:
        member, _, at = call["answers"][-1]
        slot = SLOT.fullmatch(member)
        told |= {"outcome": "answered", "by": slot[1] if slot else "home", "seat": None if slot else member, "at": at}
        told["waited_s"] = sum(wait for _, wait, _ in call["answers"])
        if len(call["talks"]) == len(call["answers"]):
            told["talked_s"] = call["talks"][-1]
    return told


def lent_answers(path, assisted, made_at):
    """At a supporting city: every answer of a lent seat for the assisted city, as (number, second, seat)."""
    numbers, found = {}, []
    for at, unique, name, member, event, rest in lines_of(path, made_at):
        if name != f"support-{assisted}":
            continue
        if event == "ENTERQUEUE":
            numbers[unique] = rest[1]
        elif event == "CONNECT" and (loan := LOAN.fullmatch(member)):
            found.append((numbers.get(unique, ""), at, loan[1]))
    return found


def seats_abroad(calls, logs, heading, verdict):
    """Fill in the lent seat of every remote answer, from the supporting city's own log; each answer there is used once."""
    left = {city: lent_answers(path, heading["city"], heading["made_at"]) for city, path in logs.items()}
    for unique, call in calls.items():
        if call["outcome"] != "answered" or call["by"] not in left:
            continue
        there = left[call["by"]]
        near = [one for one in there if one[0] == call["number"] and abs(one[1] - call["at"]) <= APART_S]
        if not near:
            verdict.wrong.append(
                f"{unique}: answered by {call['by']} says the home log, but {call['by']}'s own log has no answer"
            )
            continue
        one = min(near, key=lambda each: abs(each[1] - call["at"]))
        there.remove(one)
        call["seat"] = one[2]
        verdict.same += 1


def compare_calls(path, calls, heading, verdict):
    """callctl's record of each call against the PBX's; differences name the call."""
    theirs = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            one = json.loads(line)
            if one["city"] == heading["city"] and heading["since"] <= (one["entered_at"] or 0.0) < heading["until"]:
                theirs[one["call"]] = one
    for unique in sorted(calls.keys() - theirs.keys()):
        verdict.wrong.append(f"{unique}: in the PBX's queue_log, not in callctl's records")
    for unique in sorted(theirs.keys() - calls.keys()):
        verdict.wrong.append(f"{unique}: in callctl's records, not in the PBX's queue_log")
    for unique in sorted(calls.keys() & theirs.keys()):
        one, ours = theirs[unique], calls[unique]
        before = len(verdict.wrong)
        verdict.compare(f"{unique}: second of entry", born(unique), int(one["entered_at"]), 1)
        verdict.compare(
            f"{unique}: outcome", ours["outcome"], "call_back" if one["called_back"] else OUTCOMES.get(one["outcome"])
        )
        if len(verdict.wrong) > before or ours["outcome"] == "call_back":
            continue
        by = one["answering_city"]
        verdict.compare(f"{unique}: answered by", ours["by"], "home" if by == heading["city"] else by)
        verdict.compare(f"{unique}: seat", ours["seat"], one["seat"])
        within = 0.0 if ours["outcome"] == "answered" else WAITED_WITHIN_S
        verdict.compare(f"{unique}: seconds waited", ours["waited_s"], one["waited_s"], within)
        verdict.compare(f"{unique}: seconds talked", ours["talked_s"], one["talked_s"])
        verdict.compare(f"{unique}: times back in the queue", ours["requeues"], one["requeues"])


def sums_of(calls):
    """What the report calls by the same names."""
    told, helped = Counter(), Counter()
    for call in calls.values():
        told["requested"] += 1
        told["requeues"] += call["requeues"]
        if call["outcome"] != "answered":
            told[call["outcome"] or "open_or_lost"] += 1
            continue
        remote = call["by"] != "home"
        told["answered_remote" if remote else "answered_home"] += 1
        helped[call["by"]] += remote
        told["answered_waits_s"] += call["waited_s"]
        told["answered_waits_n"] += 1
        for limit in (15, 20, 30):
            told[f"in_{limit}"] += call["waited_s"] <= limit
        if call["talked_s"] is not None:
            for name in ("talks", "remote_talks") if remote else ("talks",):
                told[f"{name}_n"] += 1
                told[f"{name}_s"] += call["talked_s"]
    return told, helped


def compare_sums(report, calls, verdict):
    told, helped = sums_of(calls)
    sums = report["sums"]
    exact = (
        "requested answered_home answered_remote abandoned call_back requeues in_15 in_20 in_30 answered_waits_s "
        "answered_waits_n talks_n talks_s remote_talks_n remote_talks_s"
    )
    for name in exact.split():
        verdict.compare(f"sum {name}", told[name], sums[name])
    verdict.compare("sum lost + unknown + waiting", told["open_or_lost"], sums["lost"] + sums["unknown"] + sums["waiting"])
    longest = max((call["waited_s"] or 0 for call in calls.values()), default=0)
    verdict.compare("longest wait", longest, sums["max_wait_s"], 1.0)
    verdict.compare("different callers", len({call["number"] for call in calls.values()}), report["callers"] or 0)
    hours = report["hours"]
    verdict.compare("sum of the hours", told["requested"], sum(hour["requested"] for hour in hours))
    by_hour = sum(hour["answered_home"] + hour["answered_remote"] for hour in hours)
    verdict.compare("answers of the hours", told["answered_home"] + told["answered_remote"], by_hour)
    by_city = {one["city"]: one for one in report["supporters"]}
    for city in sorted(
        {*(city for city, n in helped.items() if n), *(city for city, one in by_city.items() if one["answered"])}
    ):
        verdict.compare(f"answered by {city}", helped[city], by_city.get(city, {"answered": 0})["answered"])
    return told


def details_of(path, heading):
    """The talks a PBX's CDR tells: one dict a record of a channel that was joined to another by Queue or Dial."""
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        for cells in csv.reader(file):
            # Two of the last four are peer account and sequence; cdr.conf: newcdrcolumns, loguniqueid, usegmtime.
            if len(cells) < 20:
                continue
            one = dict(zip(PBX_NAMES, cells, strict=False)) | {"unique": cells[16], "linked": cells[18]}
            one["ended"] = datetime.fromisoformat(f"{one['end']}+00:00").timestamp()
            in_time = heading["since"] <= one["ended"] <= heading["made_at"] + 1
            if in_time and one["disposition"] == "ANSWERED" and one["with"]:
                yield one


def compare_details(path, calls, heading, verdict):
    """The home PBX's CDR: each answered call has a talk with the same kind of seat, which ended when the queue_log says."""
    last, legs = {}, {}
    for one in details_of(path, heading):
        call = calls.get(one["unique"])
        if one["app"] == "Queue" and call and call["at"] and one["ended"] >= call["at"]:
            last[one["unique"]] = one
        elif one["app"] == "Dial" and one["context"] == "cc-seat":
            legs[one["linked"]] = int(one["billsec"])
    for unique, call in sorted(calls.items()):
        if call["outcome"] != "answered":
            continue
        if unique not in last:
            verdict.wrong.append(f"{unique}: the CDR has no talk of it, the queue_log has")
            continue
        remote = last[unique]["with"].startswith("Local/")
        verdict.compare(f"{unique}: answered remotely, by the CDR", remote, call["by"] != "home")
        if call["talked_s"] is None:
            continue
        verdict.compare(f"{unique}: end of the talk, by the CDR", last[unique]["ended"], call["at"] + call["talked_s"], 1)
        if remote and unique in legs:
            verdict.compare(f"{unique}: seconds of the remote leg, by the CDR", legs[unique], call["talked_s"], 1)
        elif remote:
            verdict.wrong.append(f"{unique}: the CDR has no leg to {call['by']}")


def compare_support_details(city, path, report, answers, verdict):
    """A supporting PBX's CDR: a talk for each answer of its queue_log, and as many seconds as the report says."""
    heading, queue = report["heading"], f"support-{report['heading']['city']}"
    talks = [one for one in details_of(path, heading) if one["app"] == "Queue" and one["data"].partition(",")[0] == queue]
    numbers = Counter(one["src"] for one in talks)
    for number, at, seat in answers:
        if numbers[number]:
            numbers[number] -= 1
            verdict.same += 1
        else:
            verdict.wrong.append(f"{city}: seat {seat} answered at {at} by its queue_log, its CDR has no talk of it")
    for number, count in numbers.items():
        if count:
            verdict.wrong.append(
                f"{city}: {count} talk(s) with {number[:3]}…{number[-2:]} in its CDR, none in its queue_log"
            )
    supporter = next((one for one in report["supporters"] if one["city"] == city), None)
    if supporter and supporter["talk_s"] is not None and len(answers) == supporter["answered"]:
        told = supporter["talk_s"] * supporter["answered"]
        seconds = sum(int(one["billsec"]) for one in talks)
        verdict.compare(f"{city}: seconds talked, by its CDR", seconds, round(told, 3), len(talks))


def pairs(options, parser):
    found = {}
    for one in options:
        city, sign, path = one.partition("=")
        if not sign or not city or not path:
            parser.error(f"{one!r}: write CITY=FILE")
        found[city] = path
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report")
    parser.add_argument("--calls", metavar="FILE", help="callctl's own records of the calls, JSON lines")
    parser.add_argument("--log", action="append", default=[], metavar="CITY=FILE", help="a PBX's queue_log")
    parser.add_argument("--cdr", action="append", default=[], metavar="CITY=FILE", help="a PBX's call detail records")
    parser.add_argument("--queue", default="q12345", help="the home queue's name on its PBX")
    options = parser.parse_args()
    with open(options.report, encoding="utf-8") as file:
        report = json.load(file)
    heading, logs, details = report["heading"], pairs(options.log, parser), pairs(options.cdr, parser)
    home = heading["city"]
    helpers = {one["city"] for one in report["supporters"] if one["answered"]}
    if lacking := sorted({home, *helpers} - logs.keys()):
        parser.error(
            f"the report is of {home}, helped by {', '.join(sorted(helpers)) or 'nobody'}: --log lacks {', '.join(lacking)}"
        )
    verdict = Verdict()
    calls = home_calls(logs.pop(home), options.queue, heading)
    seats_abroad(calls, logs, heading, verdict)
    if options.calls:
        compare_calls(options.calls, calls, heading, verdict)
    told = compare_sums(report, calls, verdict)
    if home in details:
        compare_details(details.pop(home), calls, heading, verdict)
    for city in sorted(details.keys() & logs.keys()):
        answers = lent_answers(logs[city], home, heading["made_at"])
        compare_support_details(city, details[city], report, answers, verdict)
    for line in verdict.wrong:
        print(line)
    answered = told["answered_home"] + told["answered_remote"]
    compared = "each compared" if options.calls else "sums only: --calls compares each"
    print(
        f"{told['requested']} calls ({compared}), {answered} answered: "
        f"{verdict.same} figures agree, {len(verdict.wrong)} differ"
    )
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
