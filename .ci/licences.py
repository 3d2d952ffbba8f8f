#!/usr/bin/env python3
"""Checks the dependencies against deny.toml: licences, banned crates, sources. Needs nothing but Python and cargo.

usage: .ci/licences.py [--self-test]
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def satisfied(expression, allowed):
    """True if the SPDX expression can be met with the allowed licences ("A/B" is the old form of "A OR B")."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def either():
        value = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            value = both() or value
        return value

    def both():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = one() and value
        return value

    def one():
        token = tokens.pop(0)
        if token == "(":
            value = either()
            tokens.pop(0)
            return value
        if tokens and tokens[0] == "WITH":
            token = " ".join([token, tokens.pop(0), tokens.pop(0)])
        return token in allowed

    return either()


def violations(metadata, deny):
    """What is wrong with the packages that the members of the workspace need to be built."""
    packages = {p["id"]: p for p in metadata["packages"]}
    needs = {
        n["id"]: [d["pkg"] for d in n["deps"] if any(k["kind"] != "dev" for k in d["dep_kinds"])]
        for n in metadata["resolve"]["nodes"]
    }
    reached, queue = set(), list(metadata["workspace_members"])
    while queue:
        package = queue.pop()
        if package not in reached:
            reached.add(package)
            queue += needs[package]

    banned = {d["crate"] for d in deny["bans"]["deny"]}
    allowed = set(deny["licenses"]["allow"])
    for identity in sorted(reached):
        package = packages[identity]
        name = f"{package['name']} {package['version']}"
        if package["name"] in banned:
            yield f"{name} is banned"
        licence = package["license"]
        if not licence:
            yield f"{name} states no licence"
        elif not satisfied(licence, allowed):
            yield f"{name}: licence {licence} is not on the list"
        source = package["source"]
        if source not in (None, REGISTRY):
            yield f"{name} comes from {source}"


def self_test():
    allowed = {"MIT", "Zlib", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"}
    for good in [
        "MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception", "GPL-2.0 AND X OR Zlib",
    ]:
        assert satisfied(good, allowed), good
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR X) AND Y", "Apache-2.0", "MIT AND (X OR Y)"]:
        assert not satisfied(bad, allowed), bad

    def package(name, licence="MIT", source=REGISTRY):
        return {"id": name, "name": name, "version": "1.0.0", "license": licence, "source": source}

    def node(name, **deps):
        return {"id": name, "deps": [{"pkg": d, "dep_kinds": [{"kind": k}]} for d, k in deps.items()]}

    metadata = {
        "packages": [
            package("me", source=None), package("cc"), package("copyleft", "GPL-3.0"), package("none", None),
            package("forked", source="git+https://example.org/x"), package("bench", "GPL-3.0"),
        ],
        "workspace_members": ["me"],
        "resolve": {"nodes": [
            node("me", cc="build", copyleft=None, bench="dev"), node("cc", none=None),
            node("copyleft", forked=None), node("none"), node("forked"), node("bench"),
        ]},
    }
    deny = {"bans": {"deny": [{"crate": "cc"}]}, "licenses": {"allow": ["MIT"]}}
    found = list(violations(metadata, deny))
    assert [f.split()[0] for f in found] == ["cc", "copyleft", "forked", "none"], found


def main():
    if "--self-test" in sys.argv:
        self_test()
    deny = tomllib.loads((ROOT / "deny.toml").read_text())
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--features", "full"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    found = list(violations(metadata, deny))
    print("\n".join(found) or f"{len(metadata['packages'])} packages: licences, bans and sources are in order")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
