# The gates. Every change must pass `just ci`. `just ci-full` runs the slow gates too. A gate can run alone, as in
# `just clippy`, and `just --time clippy` prints how long it took. `.ci/tool` installs the tool of a gate. If it cannot, the
# gate is skipped and says so.

set shell := ["bash", "-euo", "pipefail", "-c"]
# `sh` is Git's bash. The name `bash` would find the one of WSL.
set windows-shell := ["sh", "-euo", "pipefail", "-c"]

# All recipes build into one folder.
export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", justfile_directory() / "target")

# The published crates, and those of them that are libraries.
crates := `for m in crates/*/Cargo.toml; do basename "$(dirname "$m")"; done | xargs`
libraries := `for f in crates/*/src/lib.rs; do basename "$(dirname "$(dirname "$f")")"; done | xargs`

# Everything that the command can include. All gates that run it, or tests, use this one set of features, so that nothing is
# built twice.
full := "chat-command/full"

# The same without async-std.
without_async_std := "blocking,postgres,smol,terminal"

# The crates that depend on async-std, which brings old versions of many crates.
old_trees := "transport-async-std chat-command chat-bench chat-tests"

# List the recipes.
default:
    @just --list --unsorted

# List the source files, each with its first doc line.
tree:
    @git ls-files '*.rs' | while read -r file; do \
        awk -v file="$file" '/^\/\/! /{ line = substr($0, 5); exit } /^#!\[doc/{ line = "The front page: README.md."; exit } \
            END { printf "%-56s %s\n", file, line }' "$file"; \
    done

# Run the gates that every change must pass, the quick ones first.
ci:
    .ci/gates fmt deps msrv deny clippy features no-std test doc docs-rs package demo examples corpora clients web bench fuzz

# Run all gates. The mutants take hours, the others minutes.
ci-full: web-toolchain ci
    .ci/gates unused spelling package-build api minimal powerset test-features coverage mutants

# Check the formatting.
fmt:
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check

# The command has optional parts: it is linted with all, with none, and with each that does not need the other. Only its own
# code is read again.
# Lint everything, including tests, benches, examples and fuzz targets.
clippy:
    for features in {{ full }} "" chat-command/store chat-command/terminal; do \
        cargo clippy --locked --workspace --all-targets --features "$features" -- -D warnings; \
    done
    cargo clippy --locked --manifest-path fuzz/Cargo.toml -- -D warnings

# Lint each library alone, with the fewest features (TLS needs cryptography and roots) and with all features.
features: (_features "clippy --quiet" "-- -D warnings")

# Test each library alone, with the fewest and with all features.
test-features: (_features "test --quiet" "")

# Check that the decoder needs no standard library, and build it for the installed targets without one.
no-std:
    .ci/no_std

_features command last:
    for crate in {{ libraries }}; do \
        tls=$(grep -qm1 '^webpki-roots' "crates/$crate/Cargo.toml" && echo ring,webpki-roots || true); \
        cargo {{ command }} --locked -p "$crate" --no-default-features --features "$tls" {{ last }}; \
        cargo {{ command }} --locked -p "$crate" --all-features {{ last }}; \
        echo "$crate"; \
    done

# The second line tests the default build of the command, which reports the transports that it does not include.
# Run all tests, with everything that the command can include.
test:
    cargo test --locked --workspace --features {{ full }}
    cargo test --locked --workspace --test transports

# Build the docs with all features. Warnings are errors.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --all-features --quiet

# Build the docs of the libraries as docs.rs does, with the settings in their manifests.
docs-rs:
    python3 .ci/docs_rs.py {{ libraries }}

# Check licences, bans, sources and duplicate versions of all dependencies, with deny.toml.
deny:
    if .ci/tool cargo-deny; then \
        deny="cargo deny --locked --log-level error"; \
        $deny --all-features check -A duplicate licenses bans sources; \
        $deny --all-features --exclude-dev {{ prepend("--exclude ", old_trees) }} check bans; \
        $deny --manifest-path crates/chat-command/Cargo.toml --exclude-dev --features {{ without_async_std }} check bans; \
    fi
    @echo "not checked: advisories, because their database is online (cargo deny check advisories)"

# Check that the core does no I/O, that async-std stays in its crate, and that the command builds few crates.
deps:
    .ci/deps {{ without_async_std }} {{ crates }}

# Check that no dependency needs a newer Rust than `rust-version`. For our own code, clippy checks it.
msrv:
    cargo metadata --format-version 1 --locked --all-features | python3 .ci/msrv.py

# Do all of publishing except building and uploading, in the order of dependencies, and check the packages.
package:
    python3 .ci/publish.py {{ crates }}
    .ci/packages {{ crates }}

# It starts from an empty folder, because cargo would reuse older builds of the same version.
# Package each crate and build it from its package.
package-build:
    rm -rf "$CARGO_TARGET_DIR/packages"
    cargo package --locked --allow-dirty --quiet --target-dir "$CARGO_TARGET_DIR/packages" {{ prepend("-p ", crates) }}

# Run the first command of the README.
demo:
    cargo run --locked --quiet -p chat-command -- demo "When is a call retried?"

# It builds nothing after `test`.
# Build the command and the examples, with the features of the tests.
build:
    cargo build --locked --quiet --workspace --examples --bin chat --features {{ full }}

# Check that each example builds alone, and run all of them against the bundled server.
examples:
    .ci/examples

# The committed corpora run in `test`.
# Check the command against external corpora in $CHAT_CORPORA, and in $CHAT_CORPORA-v1 for v1, with their checkers.
corpora: build
    if [ -d "${CHAT_CORPORA:-}" ]; then \
        python3 "$CHAT_CORPORA/check_sse.py" "$CARGO_TARGET_DIR/debug/chat" "$CHAT_CORPORA/sse_cases.jsonl"; \
        python3 "$CHAT_CORPORA/check_chat.py" "$CARGO_TARGET_DIR/debug/chat" "$CHAT_CORPORA/chat_cases.jsonl"; \
        v1="${CHAT_CORPORA%/}-v1"; \
        if [ -d "$v1" ]; then \
            python3 "$v1/check_completions.py" "$CARGO_TARGET_DIR/debug/chat" "$v1/completions_cases.jsonl"; \
        else \
            echo "skipped: \$CHAT_CORPORA-v1 is not a folder"; \
        fi; \
    else \
        echo "skipped: CHAT_CORPORA is not a folder; \`just test\` runs the committed corpora"; \
    fi

# Check the bundled server with the official clients: OpenAI's for Python and Node, and the AI SDK.
clients: build
    .ci/clients

# It is skipped if the compiler for wasm32 or wasm-bindgen is missing.
# Build for WebAssembly, and test the page and transport-web in Node and in headless Chromium.
web: build
    .ci/web

# Install what `web` needs, in some minutes: Debian's compiler for wasm32 into the cache, wasm-bindgen, Chromium.
web-toolchain:
    .ci/web-toolchain install

# They are built like the tests and not optimised, because the numbers are not used. `cargo bench -p chat-bench` measures.
# Run each bench once on little input, to check that all results agree.
bench:
    cargo bench --locked --quiet --workspace --features {{ full }} --profile dev \
        --bench sse --bench transports --bench typed -- --quick

# Run each fuzz target on its corpus, then for 5 s on new inputs. `just fuzz 60` runs each for a minute.
fuzz seconds="5":
    if .ci/tool cargo-fuzz; then .ci/fuzz {{ seconds }}; fi

# Find unused dependencies.
unused:
    if .ci/tool cargo-machete; then cargo machete; fi

# Check the spelling with typos.toml.
spelling:
    if .ci/tool typos; then typos; fi

# Compare the public names of each library with api/, so that a review shows changes.
api: (_api "check")

# Update api/ with the current public names.
api-bless: (_api "bless")

_api verb:
    if .ci/tool cargo-public-api; then .ci/api {{ verb }} {{ libraries }}; fi

# Build with the lowest versions that the manifests allow.
minimal:
    .ci/minimal

# Lint each crate with every combination of its features.
powerset:
    if .ci/tool cargo-hack; then \
        for crate in {{ libraries }} chat-command; do \
            tls=$(grep -om1 '^webpki-roots' "crates/$crate/Cargo.toml" || true); \
            cargo hack clippy --quiet --locked -p "$crate" --feature-powerset \
                ${tls:+--at-least-one-of ring,aws-lc-rs --at-least-one-of webpki-roots,native-roots} -- -D warnings; \
        done; \
    fi

# Measure the test coverage per file. It needs the LLVM tools of rustc's LLVM version.
coverage:
    if .ci/tool cargo-llvm-cov; then .ci/coverage; fi

# Change the core in one place at a time and list the changes that no test detects. `just mutants -f retry.rs` for one file.
mutants *args="-p chat-proto":
    if .ci/tool cargo-mutants; then \
        cargo mutants --no-shuffle --minimum-test-timeout 60 --output "$CARGO_TARGET_DIR" {{ args }}; \
    fi
