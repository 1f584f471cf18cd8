# What the server runs, and the daily chores. Each recipe is a task of `cargo xtask`, which works without `just`.

# List the recipes
help:
    @just --list --unsorted

# Find or install the compiler for guests
setup:
    cargo xtask setup

# Set up, build everything and run a runbook over sample data
demo:
    cargo xtask demo

# Set up, build everything and run every test
test:
    cargo xtask test

# Check formatting and lints
lint:
    cargo xtask lint

# Print the benchmark table
bench:
    cargo xtask bench

# Let a fuzzer look for bytes that a reader can't cope with
fuzz *ARGS:
    cargo xtask fuzz {{ARGS}}

# Change the code that decides in small ways and see that a test notices each
mutants *ARGS:
    cargo xtask mutants {{ARGS}}

# Build the first-party components
plugins:
    cargo xtask plugins

# Format everything
fmt:
    cargo xtask fmt

# What the server runs
ci:
    .ci/run
