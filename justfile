# Short names for the commands of the day. `just` lists them; each is one line that also works without just.

_list:
    @just --list --unsorted

# Start the service against the emulator and restart it whenever a source file changes
dev:
    cargo watch --watch src --watch crates --watch templates --watch static --exec 'run -- serve --emulator'

# Start the service against the emulator: http://127.0.0.1:3000/unsigned
run *ARGS:
    cargo run -- serve --emulator {{ ARGS }}

# Start the emulator alone and print the CLOUDINARY_URL to use
emulate *ARGS:
    cargo run -- emulator {{ ARGS }}

# Run every test, or the named steps: just test rust curl
test *STEPS:
    tests/run {{ STEPS }}

# Measure: batch, core, emulator, http or ledger
bench NAME="http":
    cargo bench --bench {{ NAME }}

# Print how long builds take: cold, and after a change to one file of each crate
timings:
    benches/build-times
