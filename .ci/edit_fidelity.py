#!/usr/bin/env python3
"""Edits a copy of every file of the corpus and has the oracle say that nothing else has changed.

usage: edit_fidelity.py --edit PROGRAM [--only TEXT] [-j N] [--keep DIR]

PROGRAM is examples/edit_files. H5_SHARED says where the corpus is. Each file is edited or refused; a refused one must
have kept all its bytes. Then h5py adds to each edited file and PROGRAM edits it again, --rounds times.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ADDED = "h5_added"


def named_by_others(corpus):
    """Names of files whose datasets are sources of virtual datasets: nothing is deleted from them."""
    names = set()
    for want in (corpus / "expected/dev").rglob("*.json"):
        text = want.read_text()
        if '"virtual"' in text:
            for o in json.loads(text).get("objects", ()):
                names.update(Path(v["file"]).name for v in o.get("virtual", ()))
    return names


def deletable(expected):
    """The last link of the root whose end leads to nothing that another link leads to, or ""."""
    objects = {o["path"]: o for o in expected["objects"]}
    targets = Counter(
        link["target"] for o in expected["objects"] for link in o.get("links", ()) if link["type"] == "hard"
    )
    types = Counter(o["type_path"] for o in expected["objects"] if "type_path" in o)
    types.update(a["type_path"] for o in expected["objects"] for a in o.get("attrs", ()) if "type_path" in a)
    has_references = any(
        "ref" in d for o in expected["objects"] for d in [o.get("dtype", "")] + [a["dtype"] for a in o.get("attrs", ()) if "dtype" in a]
    )
    has_references |= any("virtual" in o for o in expected["objects"])
    for link in reversed(objects["/"].get("links", [])):
        if link["type"] != "hard":
            return link["name"]
        below = [p for p in objects if p == link["target"] or p.startswith(link["target"] + "/")]
        if link["target"] != "/" + link["name"] or has_references:
            continue
        if all(targets[p] <= 1 and not types[p] for p in below) and "\\x" not in link["name"]:
            return link["name"]
    return ""


def without(expected, link):
    """The objects as they must be after the edit, without what was added."""
    objects = {o["path"]: o for o in expected["objects"]}
    root = objects["/"]
    gone = [l for l in root["links"] if l["name"] == link and l["type"] == "hard"]
    for l in gone:
        for path in [p for p in objects if p == l["target"] or p.startswith(l["target"] + "/")]:
            del objects[path]
    root["links"] = [l for l in root["links"] if l["name"] != link]
    return objects


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--edit", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("-j", default="2")
    parser.add_argument("--keep")
    parser.add_argument("--limit", type=int, default=1 << 30, help="skip files of more bytes")
    args = parser.parse_args()
    corpus = Path(os.environ["H5_SHARED"]) / "corpus"
    sys.path.insert(0, str(corpus))
    work = Path(args.keep or tempfile.mkdtemp(prefix="edit-fidelity-"))
    shutil.rmtree(work, ignore_errors=True)
    files, jobs = {}, []
    kept = named_by_others(corpus)
    for line in (corpus / "dev/MANIFEST.tsv").read_text().splitlines()[1:]:
        path, kind = line.split("\t")[:2]
        source, target = corpus / "dev" / path, work / "dev" / path
        if args.only not in path or source.stat().st_size > args.limit:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        want = corpus / "expected/dev" / (path + ".json")
        if kind != "hdf5" or not want.exists():
            continue
        expected = json.loads(want.read_text())
        if "objects" not in expected:
            continue
        # A name may be a pattern, with the number of the file.
        is_kept = any(name.split("%")[0] and source.name.startswith(name.split("%")[0]) for name in kept)
        files[path] = (expected, "" if is_kept else deletable(expected))
        jobs.append(f"{target}\t{files[path][1]}")
    out = subprocess.run([args.edit], input="\n".join(jobs) + "\n", capture_output=True, text=True)
    if out.returncode:
        print(out.stderr)
        return 1
    verdicts = {}
    for line in out.stdout.splitlines():
        path, verdict, reason = line.split("\t")
        verdicts[str(Path(path).relative_to(work / "dev"))] = (verdict, reason)
    subprocess.run(
        [sys.executable, corpus / "oracle.py", "--batch", work / "dev", work / "got", "-j", args.j],
        check=True, stdout=subprocess.DEVNULL,
    )
    wrong, counts, reasons = [], Counter(), Counter()
    for path, (expected, link) in files.items():
        verdict, reason = verdicts.get(path, ("missing", "no verdict: the program died"))
        counts[verdict] += 1
        if verdict == "refused":
            reasons[reason.split(str(work))[0][:100] if reason else reason] += 1
            print(f"refused {path}: {reason.replace(str(work), '')}")
            continue
        if verdict != "edited":
            wrong.append((path, f"{verdict}: {reason}"))
            continue
        got_path = work / "got" / (path + ".json")
        got = json.loads(got_path.read_text()) if got_path.exists() else {"oracle_error": "no result"}
        if "objects" not in got:
            wrong.append((path, f"cannot be opened: {got.get('oracle_error')}"))
            continue
        want, have = without(expected, link), {o["path"]: o for o in got["objects"]}
        added = have.pop("/" + ADDED, None)
        root = have.get("/", {"links": [], "attrs": []})
        names = [l["name"] for l in root["links"]]
        if added is None or ADDED not in names or not any(a["name"] == ADDED for a in root.get("attrs", ())):
            wrong.append((path, "what was added is not there"))
            continue
        root["links"] = [l for l in root["links"] if l["name"] != ADDED]
        root["attrs"] = [a for a in root.get("attrs", ()) if a["name"] != ADDED]
        differs = difference(want, have)
        if differs:
            wrong.append((path, differs + (f" (deleted {link})" if link else "")))
        else:
            counts["deleted a link"] += bool(link)
    for path, what in wrong:
        print(f"WRONG {path}: {what}")
    print(dict(counts), f"wrong: {len(wrong)}")
    if not args.keep:
        shutil.rmtree(work)
    return 1 if wrong else 0


def difference(want, have):
    if want.keys() != have.keys():
        return f"objects {sorted(want.keys() ^ have.keys())[:5]}"
    for path, w in want.items():
        h = have[path]
        for key in (w.keys() | h.keys()) - {"info"}:
            if "oracle_error" in key:
                continue
            if key == "attrs":
                differs = attributes(w.get(key, []), h.get(key, []))
                if differs:
                    return f"{path}: attribute {differs}"
                continue
            a, b = strip(w.get(key)), strip(h.get(key))
            if a != b and not (isinstance(a, dict) and "oracle_error" in a):
                return f"{path}: {key}: {str(a)[:200]} became {str(b)[:200]}"
    return ""


def attributes(want, have):
    """What libhdf5 could not read before may be readable now: names of equal hash in a wrong order, for one."""
    have = {a["name"]: a for a in have}
    for a in want:
        b = have.pop(a["name"], None)
        if any("oracle_error" in key for key in a):
            continue
        if b is None or strip(a) != strip(b):
            return f"{a['name']}: {str(strip(a))[:200]} became {str(strip(b))[:200]}"
    return f"{sorted(have)} are new" if have and not any("oracle_error" in key for a in want for key in a) else ""


def strip(value):
    """Without what is only for people."""
    if isinstance(value, dict):
        return {k: strip(v) for k, v in value.items() if k not in ("info", "head", "hex", "n", "order")}
    if isinstance(value, list):
        return [strip(v) for v in value]
    return value


if __name__ == "__main__":
    sys.exit(main())
