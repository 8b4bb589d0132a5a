# The gates. `just ci` is what each change has to pass, `just ci-full` has the rest. Each runs alone too: `just clippy`,
# and `just --time clippy` says what it took. `.ci/tool` installs what a gate needs; where it can't, the gate says that
# it is skipped.

set shell := ["bash", "-euo", "pipefail", "-c"]
# Git's bash under its other name: Windows finds WSL's `bash` before any on the PATH.
set windows-shell := ["sh", "-euo", "pipefail", "-c"]

# One folder for everything that is built.
export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", justfile_directory() / "target")

# What is published, and of it what others build on.
crates := `for m in crates/*/Cargo.toml; do basename "$(dirname "$m")"; done | xargs`
libraries := `for f in crates/*/src/lib.rs; do basename "$(dirname "$(dirname "$f")")"; done | xargs`

# What has async-std in its tree, and its old versions of much.
old_trees := "transport-async-std chat-cli chat-bench chat-tests"

# These recipes.
default:
    @just --list --unsorted

# Each source file, with the line that says what it is.
tree:
    @git ls-files '*.rs' | while read -r file; do \
        awk -v file="$file" '/^\/\/! /{ line = substr($0, 5); exit } /^#!\[doc/{ line = "The front page: README.md."; exit } \
            END { printf "%-56s %s\n", file, line }' "$file"; \
    done

# What each change has to pass; the quick ones first.
ci:
    .ci/gates fmt deps msrv deny clippy features test doc package demo examples corpora bench fuzz

# What is left: hours for the mutants, minutes for the others.
ci-full: ci
    .ci/gates unused spelling package-build api minimal powerset test-features coverage mutants

# Formatting.
fmt:
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check

# Lints, on tests, benches, examples and fuzz targets too.
clippy:
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo clippy --locked --manifest-path fuzz/Cargo.toml -- -D warnings

# Each library by itself, with as little as builds (TLS wants cryptography and roots) and with all it has.
features: (_features "clippy --quiet" "-- -D warnings")

# The tests of each library, with the same.
test-features: (_features "test --quiet" "")

_features command last:
    for crate in {{ libraries }}; do \
        tls=$(grep -qm1 '^webpki-roots' "crates/$crate/Cargo.toml" && echo ring,webpki-roots || true); \
        cargo {{ command }} --locked -p "$crate" --no-default-features --features "$tls" {{ last }}; \
        cargo {{ command }} --locked -p "$crate" --all-features {{ last }}; \
        echo "$crate"; \
    done

# All tests, as the README says it: doctests, the README's code and the replay of the fuzz corpora are among them.
test:
    cargo test --locked --workspace

# The docs, with every feature.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --all-features --quiet

# Licences, bans, sources and duplicate versions of all dependencies, by deny.toml.
deny:
    if .ci/tool cargo-deny; then \
        cargo deny --locked --log-level error check -A duplicate licenses bans sources; \
        cargo deny --locked --log-level error --exclude-dev {{ prepend("--exclude ", old_trees) }} check bans; \
    fi
    @echo "left out: advisories, whose database is on the network (cargo deny check advisories)"

# Who may depend on what: no I/O in the core, async-std and its kin in their one crate.
deps:
    .ci/deps {{ crates }}

# No dependency asks for a newer Rust than we do. Clippy's incompatible_msrv looks after our own code.
msrv:
    cargo metadata --format-version 1 --locked --all-features | python3 .ci/msrv.py

# Every crate as it would be published, and what is in it.
package:
    cargo package --locked --allow-dirty --no-verify --quiet {{ prepend("-p ", crates) }}
    .ci/packages {{ crates }}

# As cargo takes what it has built of a version for that version, this begins with nothing.
# The same, each crate built from its package alone.
package-build:
    rm -rf "$CARGO_TARGET_DIR/packages"
    cargo package --locked --allow-dirty --quiet --target-dir "$CARGO_TARGET_DIR/packages" {{ prepend("-p ", crates) }}

# The README's first command.
demo:
    cargo run --locked --quiet -p chat-cli -- demo "When is a call tried again?"

# Every example against the bundled server.
examples:
    .ci/examples

# Corpora that lie elsewhere, with their own checkers. The committed ones are in `test`.
corpora:
    if [ -d "${CHAT_CORPORA:-}" ]; then \
        cargo build --locked --quiet -p chat-cli; \
        python3 "$CHAT_CORPORA/check_sse.py" "$CARGO_TARGET_DIR/debug/chat" "$CHAT_CORPORA/sse_cases.jsonl"; \
        python3 "$CHAT_CORPORA/check_chat.py" "$CARGO_TARGET_DIR/debug/chat" "$CHAT_CORPORA/chat_cases.jsonl"; \
    else \
        echo "skipped: CHAT_CORPORA names no folder; the tests have run the committed ones"; \
    fi

# Not optimised, as the numbers are not looked at: `cargo bench -p chat-bench` has those.
# Each row of the benches once on little input: does everything still agree with its peers?
bench:
    cargo bench --locked --quiet -p chat-bench --profile dev -- --quick

# Each fuzz target over its corpus, then for five seconds on inputs of its own: `just fuzz 60` for a minute each.
fuzz seconds="5":
    if .ci/tool cargo-fuzz; then .ci/fuzz {{ seconds }}; fi

# Dependencies that nothing uses.
unused:
    if .ci/tool cargo-machete; then cargo machete; fi

# Spelling, by typos.toml.
spelling:
    if .ci/tool typos; then typos; fi

# The public names of each library against api/: a change of them shows in review.
api: (_api "check")

# Takes the public names as they are now.
api-bless: (_api "bless")

_api verb:
    if .ci/tool cargo-public-api; then .ci/api {{ verb }} {{ libraries }}; fi

# The lowest versions that the manifests allow of what they name.
minimal:
    .ci/minimal

# Each set of features of each library.
powerset:
    if .ci/tool cargo-hack; then \
        for crate in {{ libraries }}; do \
            tls=$(grep -om1 '^webpki-roots' "crates/$crate/Cargo.toml" || true); \
            cargo hack clippy --quiet --locked -p "$crate" --feature-powerset \
                ${tls:+--at-least-one-of ring,aws-lc-rs --at-least-one-of webpki-roots,native-roots} -- -D warnings; \
        done; \
    fi

# Lines that the tests run, a file a line. The LLVM tools have to be of rustc's LLVM.
coverage:
    if .ci/tool cargo-llvm-cov; then .ci/coverage; fi

# Faults put into the core, one at a time: which does no test see? `just mutants -f retry.rs` for one file.
mutants *args="-p chat-proto":
    if .ci/tool cargo-mutants; then \
        cargo mutants --no-shuffle --minimum-test-timeout 60 --output "$CARGO_TARGET_DIR" {{ args }}; \
    fi
