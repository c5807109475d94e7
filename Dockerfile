# Two stages: build with the pinned toolchain, run as nobody on a small Debian with the policies read-only.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ make libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/wicketgate --create-home wicketgate
COPY --from=build /src/target/release/wicketgate /usr/local/bin/wicketgate
# Owned by root and not writable by the gate: a process that is taken over cannot rewrite the law.
COPY --chmod=a=rX policies /etc/wicketgate/policies
COPY --chmod=a=rX registry /etc/wicketgate/registry
USER wicketgate
ENV WICKETGATE_POLICIES=/etc/wicketgate/policies \
    WICKETGATE_REGISTRY=/etc/wicketgate/registry \
    WICKETGATE_DATA=/var/lib/wicketgate \
    WICKETGATE_LISTEN=0.0.0.0:8640 \
    WICKETGATE_CONTROL=127.0.0.1:8641
VOLUME /var/lib/wicketgate
EXPOSE 8640
HEALTHCHECK CMD ["wicketgate", "health"]
ENTRYPOINT ["wicketgate"]
CMD ["serve"]
