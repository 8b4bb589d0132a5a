"""Reads `cargo metadata` and names each dependency that asks for a newer Rust than this workspace does."""

import json
import sys


def version(text):
    parts = [int(part) for part in text.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


metadata = json.load(sys.stdin)
members = set(metadata["workspace_members"])
ours = {package["rust_version"] for package in metadata["packages"] if package["id"] in members}
if len(ours) != 1 or None in ours:
    sys.exit(f"not one rust-version for all crates: {ours}")
(promised,) = ours

silent = 0
newer = []
for package in metadata["packages"]:
    needed = package["rust_version"]
    if needed is None:
        silent += 1
    elif version(needed) > version(promised):
        newer.append(f"{package['name']} {package['version']} needs Rust {needed}, {promised} is promised")

print(f"{len(metadata['packages'])} crates for Rust {promised}, {silent} of them do not say what they need")
sys.exit("\n".join(newer) or None)
