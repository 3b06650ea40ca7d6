# The service as one binary, and curl for the health checks of whatever runs the image: compose.yaml has one.

FROM rust:1.95-slim-trixie AS build
RUN apt-get update && apt-get install --yes --no-install-recommends build-essential cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
COPY migrations migrations
COPY src src
COPY static static
COPY templates templates
RUN cargo build --release --locked --bin countersign

FROM debian:trixie-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /var/lib/countersign countersign \
    && install --directory --owner countersign --group countersign /var/lib/countersign
COPY --from=build /build/target/release/countersign /usr/local/bin/countersign
USER 10001
# Where a ledger on SQLite is; mount a volume here, and the same one for every start.
WORKDIR /var/lib/countersign
VOLUME /var/lib/countersign
# HOST is left to whoever runs it: on anything but loopback, AUTH must say who may call.
EXPOSE 3000
ENTRYPOINT ["countersign"]
CMD ["serve"]
