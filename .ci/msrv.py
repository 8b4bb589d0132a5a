"""Reads `cargo metadata` and lists the dependencies that need a newer Rust than this workspace."""

import json
import sys


def version(text):
    parts = [int(part) for part in text.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


metadata = json.load(sys.stdin)
members = set(metadata["workspace_members"])
ours = {package["rust_version"] for package in metadata["packages"] if package["id"] in members}
if len(ours) != 1 or None in ours:
    sys.exit(f"the crates of the workspace differ in rust-version: {ours}")
(promised,) = ours

silent = 0
newer = []
for package in metadata["packages"]:
    needed = package["rust_version"]
    if needed is None:
        silent += 1
    elif version(needed) > version(promised):
        newer.append(f"{package['name']} {package['version']} needs Rust {needed}, but rust-version is {promised}")

print(f"checked {len(metadata['packages'])} crates against Rust {promised}; {silent} have no rust-version")
sys.exit("\n".join(newer) or None)
